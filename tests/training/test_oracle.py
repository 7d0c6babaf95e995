"""The stacked engine against a loop in plain PyTorch, written as a tutorial would write it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.data import epoch_rows, seed_split, to_device
from actbench.training.loop import create_sums, evaluate, train_epoch, train_stack
from actbench.training.network import Network, create_network, forward
from actbench.training.optimizer import create_stepper, make_step, schedule_factor

pytestmark = [pytest.mark.oldest, pytest.mark.usefixtures("_uncompiled")]

CPU = torch.device("cpu")
EPOCHS = 2


def settings(model: dict[str, Any], train: dict[str, Any]) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 170, "test": 50, "scale": "unit"},
            "model": {"hidden": (24, 10), "activation": "tanh"} | model,
            "train": {"batch_size": 32, "epochs": EPOCHS, "lr": 0.01} | train,
        }
    )


def plain_network(network: Network, index: int, batch_norm: bool) -> nn.Sequential:
    """The trial's network as torch modules, starting from the same weights."""
    modules: list[nn.Module] = []
    for number in range(network.depth()):
        weight = network.parameters.named[number, "weight"].values[index].detach()
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(weight.T)
            linear.bias.copy_(network.parameters.named[number, "bias"].values[index])
        modules.append(linear)
        if number < network.depth() - 1:
            modules += [nn.BatchNorm1d(weight.shape[1])] * batch_norm + [nn.Tanh()]
    return nn.Sequential(*modules, nn.LogSoftmax(dim=-1))


# A large eps keeps these optimizers from blowing rounding noise in vanishing gradients up to whole steps.
OPTIMIZERS: list[tuple[Any, Callable[..., torch.optim.Optimizer], dict[str, Any]]] = [
    ("sgd", torch.optim.SGD, {}),
    ({"sgd": {"momentum": 0.9, "nesterov": True}}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ({"adam": {"eps": 1e-3}}, torch.optim.Adam, {"eps": 1e-3}),
    (
        {"adam": {"eps": 1e-3, "betas": (0.8, 0.9), "amsgrad": True}},
        torch.optim.Adam,
        {"eps": 1e-3, "betas": (0.8, 0.9), "amsgrad": True},
    ),
    ({"adamw": {"eps": 1e-3}}, torch.optim.AdamW, {"eps": 1e-3}),
    ({"rmsprop": {"eps": 1e-3, "momentum": 0.5}}, torch.optim.RMSprop, {"eps": 1e-3, "momentum": 0.5}),
]


@pytest.mark.parametrize("train", [{}, {"weight_decay": 0.05}, {"schedule": "cosine"}, {"batch_size": "full"}], ids=str)
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("name", "oracle", "options"), OPTIMIZERS, ids=str)
def test_a_stacked_trial_follows_a_plain_pytorch_loop(
    name: Any,
    oracle: Callable[..., torch.optim.Optimizer],
    options: dict[str, Any],
    batch_norm: bool,
    train: dict[str, Any],
    tmp_path: Path,
) -> None:
    chosen = settings({"batch_norm": batch_norm}, {"optimizer": name} | train)
    trials = [make_trial(chosen, seed) for seed in (0, 1, 2)]
    images, test_images = to_device(load(DATASETS["digits"], tmp_path), CPU)
    network = create_network(trials, CPU)
    splits = [seed_split(images, chosen.data, "final", seed) for seed in network.seeds]
    plain = [plain_network(network, index, batch_norm) for index in range(len(trials))]
    sums = create_sums(network, CPU)
    training_step = make_step(network, create_stepper(network), images, splits, sums)
    count = chosen.data.train_count()
    size = count if chosen.train.batch_size == "full" else int(chosen.train.batch_size)
    steps = math.ceil(count / size)
    trained = [train_epoch(network, training_step, sums, splits, epoch) for epoch in range(1, EPOCHS + 1)]
    test_losses, labels, predicted, _ = evaluate(network, test_images, splits, torch.arange(50).expand(3, -1))
    for index, (split, model) in enumerate(zip(splits, plain, strict=True)):
        decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
        decay = {"weight_decay": train["weight_decay"]} if "weight_decay" in train else {}  # else torch's own default
        reference: torch.optim.Optimizer = oracle(
            [{"params": decayed, **decay}, {"params": others, "weight_decay": 0.0}], lr=0.01, **options
        )
        step = 0
        for epoch in range(1, EPOCHS + 1):
            total = 0.0
            for rows in torch.split(epoch_rows(split, "final", index, epoch, shuffle=True), size):
                inputs = (images.inputs[rows].float() - split.offset) / split.divisor
                for group in reference.param_groups:
                    group["lr"] = 0.01 * schedule_factor(chosen.train, step, EPOCHS * steps)
                reference.zero_grad()
                loss = nn.functional.nll_loss(model(inputs), images.labels[rows])
                torch.autograd.backward(loss)
                reference.step()
                total += loss.item() * len(rows)
                step += 1
            assert trained[epoch - 1][0][index] == pytest.approx(total / count, rel=1e-4)
        weights = [module.weight.T for module in model if isinstance(module, nn.Linear)]
        for number, weight in enumerate(weights):
            ours = network.parameters.named[number, "weight"].values[index]
            torch.testing.assert_close(ours, weight, rtol=1e-3, atol=2e-4)
        model.eval()
        outputs = model((test_images.inputs[:50].float() - split.offset) / split.divisor)
        assert test_losses[index] == pytest.approx(
            nn.functional.nll_loss(outputs, test_images.labels[:50]).item(), rel=1e-3
        )
        assert predicted[index].tolist() == outputs.argmax(-1).tolist()
        assert labels[index].tolist() == test_images.labels[:50].tolist()


def test_dropout_scales_what_it_keeps_and_evaluation_drops_nothing(tmp_path: Path) -> None:
    chosen = settings({"hidden": (512,), "activation": "identity", "dropout": 0.25}, {})

    def scores(network: Network, inputs: Tensor, *, training: bool) -> Tensor:
        return forward(network, inputs, training=training)[-1].after

    network = create_network([make_trial(chosen, 0)], CPU)
    with torch.no_grad():
        inputs = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
        dropped = torch.stack([scores(network, inputs, training=True).clone() for _ in range(200)]).mean(0)
        kept = scores(network, inputs, training=False).clone()
    torch.testing.assert_close(dropped, kept, rtol=0.1, atol=0.15)
    assert not torch.equal(scores(network, inputs, training=True), kept)


@pytest.mark.parametrize("block", [7, 16, 50])
def test_evaluation_in_blocks_finds_what_one_block_finds(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [make_trial(settings({}, {}), seed) for seed in (0, 1)]
    _, images = to_device(load(DATASETS["digits"], Path()), CPU)
    network = create_network(trials, CPU)
    splits = [seed_split(images, trials[0].settings.data, "final", seed) for seed in network.seeds]
    rows = torch.stack([torch.arange(50), torch.arange(50).flip(0)])
    losses, labels, predicted, _ = evaluate(network, images, splits, rows)
    monkeypatch.setattr("actbench.training.data.EVALUATION_IMAGES", block)
    in_blocks = evaluate(network, images, splits, rows)
    assert in_blocks[0] == pytest.approx(losses, rel=1e-5)
    assert torch.equal(in_blocks[1], labels)
    assert labels.tolist() == [images.labels[one].tolist() for one in rows]
    assert torch.equal(in_blocks[2], predicted)


def test_a_learnt_slope_is_that_of_a_plain_module_trained_for_the_same_steps() -> None:
    chosen = settings({"hidden": (24,), "activation": "prelu"}, {"optimizer": "sgd", "lr": 0.05})
    arrays = load(DATASETS["digits"], Path())
    trials = [make_trial(chosen, seed) for seed in (0, 1)]
    records = train_stack(trials, arrays, "cpu", lambda epoch: None)
    images, _ = to_device(arrays, CPU)
    for record, trial in zip(records, trials, strict=True):
        network, split = create_network([trial], CPU), seed_split(images, chosen.data, "final", trial.seed)
        first, second = (nn.Linear(*network.parameters.named[one, "weight"].values[0].shape) for one in (0, 1))
        with torch.no_grad():
            for number, linear in enumerate((first, second)):
                linear.weight.copy_(network.parameters.named[number, "weight"].values[0].T)
                linear.bias.copy_(network.parameters.named[number, "bias"].values[0])
        slope = nn.PReLU(init=0.25)
        model = nn.Sequential(first, slope, second, nn.LogSoftmax(dim=-1))
        optimizer, kept = torch.optim.SGD(model.parameters(), lr=0.05), [0.25]
        for epoch in range(1, EPOCHS + 1):
            for rows in torch.split(epoch_rows(split, "final", trial.seed, epoch, shuffle=True), 32):
                optimizer.zero_grad()
                inputs = (images.inputs[rows].float() - split.offset) / split.divisor
                torch.autograd.backward(nn.functional.nll_loss(model(inputs), images.labels[rows]))
                optimizer.step()
            kept.append(slope.weight.item())
        found = [probe.learnt["negative_slope"] for probe in record.probes if probe.layer == 1]
        assert found == pytest.approx(kept, abs=2e-5)
        assert abs(kept[-1] - kept[0]) > 1e-3
