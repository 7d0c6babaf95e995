"""Where a training starts, for a loop in plain PyTorch: images, starting weights, and the order of the batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actbench.catalogue.datasets import data_folder, load
from actbench.config.bundled import find_experiment
from actbench.config.reader import load_experiment
from actbench.lazy import Tensor
from actbench.plan.trials import make_trial


def plain_start(
    config: str, *, arm: int, seed: int, overrides: Sequence[str] = (), data_dir: Path | None = None
) -> tuple[Tensor, Tensor, dict[str, Tensor], list[Tensor]]:
    """Scaled inputs `[images, features]`, labels, the weights of `nn.Linear` layers by name, and each epoch's rows."""
    import torch

    from actbench.training.data import epoch_rows, seed_split, to_device
    from actbench.training.network import create_network

    experiment = load_experiment(find_experiment(Path(config)), list(overrides)).experiment
    trial = make_trial(list(experiment.arms())[arm].settings, seed)
    settings = trial.settings
    images, _ = to_device(load(settings.data.dataset, data_folder(data_dir)), torch.device("cpu"))
    split = seed_split(images, settings.data, "final", seed)
    network = create_network([trial], torch.device("cpu"))
    weights = {}
    for number in range(network.depth()):
        named = network.parameters.named
        weights[f"layer{number + 1}.weight"] = named[number, "weight"].values[0].detach().T.contiguous()
        weights[f"layer{number + 1}.bias"] = named[number, "bias"].values[0].detach().clone()
    shuffle, epochs = settings.train.shuffle, range(1, settings.train.epochs + 1)
    orders = [epoch_rows(split, "final", seed, epoch, shuffle=shuffle) for epoch in epochs]
    return (images.inputs.float() - split.offset) / split.divisor, images.labels, weights, orders
