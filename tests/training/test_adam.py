"""The compiled optimizer: the steps of torch's Adam and AdamW, and bits that depend on the element alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.compiled import Compiled, compiled_functions
from actbench.training.data import Images, seed_split, to_device
from actbench.training.loop import create_sums, train_epoch
from actbench.training.network import Network, create_network
from actbench.training.optimizer import CompiledAdam, compiled_adam, create_stepper, make_step
from actbench.training.sparse import SparseBatch, compress, sparse_inputs

CPU = torch.device("cpu")

pytestmark = [
    pytest.mark.usefixtures("_uncompiled"),
    pytest.mark.skipif(compiled_functions().library is None, reason=compiled_functions().reason or "available"),
]


def network_of(*trains: dict[str, Any], hidden: tuple[int, ...] = (37, 5)) -> Network:
    trials = [
        make_trial(
            TrialSettings.model_validate(
                {
                    "data": {"dataset": "digits", "train": 300, "test": 10},
                    "model": {"hidden": hidden, "activation": "tanh"},
                    "train": {"batch_size": 130} | train,
                }
            ),
            seed,
        )
        for seed, train in enumerate(trains)
    ]
    return create_network(trials, CPU)


def adam_of(network: Network) -> CompiledAdam:
    adam = compiled_adam(network)
    assert adam is not None
    return adam


BETAS = {"betas": (0.8, 0.95), "eps": 1e-4}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("optimizer", "oracle", "options"),
    [
        ("adam", torch.optim.Adam, {}),
        ("adamw", torch.optim.AdamW, {}),
        ({"adam": BETAS}, torch.optim.Adam, BETAS),
        ({"adamw": BETAS}, torch.optim.AdamW, BETAS),
    ],
    ids=str,
)
def test_steps_are_those_of_torch(
    optimizer: Any, oracle: Callable[..., torch.optim.Optimizer], options: dict[str, Any], decay: float
) -> None:
    network = network_of(*({"optimizer": optimizer, "lr": lr, "weight_decay": decay} for lr in (1e-3, 1e-2)))
    parameters, adam = network.parameters, adam_of(network)
    generator = torch.Generator().manual_seed(0)
    expected = [row.detach().clone() for row in parameters.rows]
    end = parameters.weights_end
    references = []
    for row, lr in zip(expected, (1e-3, 1e-2), strict=True):
        groups = [{"params": [row[:end]], "weight_decay": decay}, {"params": [row[end:]], "weight_decay": 0.0}]
        references.append(oracle(groups, lr=lr, **options))
    for factor in (1.0, 0.5, 0.25):
        parameters.gradient_rows.copy_(torch.randn(parameters.rows.shape, generator=generator))
        with torch.no_grad():
            adam.begin_step(factor)
            adam.end_step(start=0)
        for reference, row, gradient, lr in zip(
            references, expected, parameters.gradient_rows, (1e-3, 1e-2), strict=True
        ):
            for group, part in zip(reference.param_groups, (slice(0, end), slice(end, None)), strict=True):
                group["lr"] = lr * factor
                group["params"][0].grad = gradient[part].clone()
            reference.step()
            assert row.isfinite().all()
    for row, theirs in zip(parameters.rows, expected, strict=True):
        torch.testing.assert_close(row, theirs, rtol=1e-5, atol=1e-6)


def trained(network: Network, images: Images, *, adam: bool) -> Tensor:
    """The parameters after an epoch."""
    splits = [seed_split(images, network.trials[0].settings.data, "final", seed) for seed in network.seeds]
    sums, stepper = create_sums(network, CPU), create_stepper(network)
    assert stepper.adam is not None
    with torch.no_grad():
        stepper = stepper if adam else replace(stepper, adam=None)
        train_epoch(network, make_step(network, stepper, images, splits, sums), sums, splits, 1)
    return network.parameters.rows


@pytest.mark.parametrize("hidden", [(37, 5), (64, 32), ()], ids=str)
@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adam", 0.05), ("adamw", 0.05)])
@pytest.mark.parametrize("batch_size", [32, 129, "full"])
def test_changing_the_first_layer_with_its_gradients_changes_no_bit(
    hidden: tuple[int, ...], optimizer: str, decay: float, batch_size: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps over written gradients and steps along gradients in registers are the same steps."""
    digits = load(DATASETS["digits"], Path())
    inputs = torch.from_numpy(np.where(digits.train_inputs > 6, digits.train_inputs, 0).astype(np.uint8))
    images = Images(inputs, torch.from_numpy(digits.train_labels.copy()), sparse_inputs(compress(inputs.numpy())))
    train = {"optimizer": {optimizer: {"eps": 1e-3}}, "weight_decay": decay, "batch_size": batch_size, "lr": 0.01}
    at_once = trained(network_of(train, train, hidden=hidden), images, adam=True).clone()
    torchs = trained(network_of(train, train, hidden=hidden), images, adam=False).clone()
    write, end_step = SparseBatch.write_gradients, CompiledAdam.end_step
    monkeypatch.setattr(SparseBatch, "write_gradients", lambda *given: write(*given[:4]))  # without the step
    monkeypatch.setattr(CompiledAdam, "end_step", lambda adam, start: end_step(adam, start=0))
    written = trained(network_of(train, train, hidden=hidden), images, adam=True)
    assert torch.equal(at_once, written)
    torch.testing.assert_close(at_once, torchs, rtol=1e-3, atol=1e-5)


def test_the_mean_of_a_gradient_that_stays_zero_ends_as_zero() -> None:
    """In denormal numbers a step would take longer."""
    network = network_of({"lr": 1e-3})
    adam, parameters = adam_of(network), network.parameters
    means = adam.moments[0]
    tiny = torch.finfo(torch.float32).tiny
    means.fill_(1.5 * tiny)
    means[:, 1] = -1.5 * tiny
    means[:, 0] = math.nan
    parameters.gradient_rows.zero_()
    sizes = []
    with torch.no_grad():
        for _ in range(6):
            adam.begin_step(1.0)
            adam.end_step(start=0)
            sizes.append(means[0, 1:3].abs().tolist())
    assert sizes[2] == pytest.approx([1.5 * 0.9**3 * tiny] * 2)
    assert sizes[4:] == [[0, 0]] * 2
    assert means[:, 0].isnan().all()


def test_only_adam_on_the_cpu_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_adam(network_of({"optimizer": "adam"})) is not None
    assert compiled_adam(network_of({"optimizer": "adamw"})) is not None
    for other in ("sgd", "rmsprop", {"adam": {"amsgrad": True}}):
        assert compiled_adam(network_of({"optimizer": other})) is None
    monkeypatch.setattr("actbench.training.optimizer.compiled_functions", lambda: Compiled(None, "no C compiler"))
    assert compiled_adam(network_of({"optimizer": "adam"})) is None


def test_images_of_other_shapes_keep_their_bits_in_a_step() -> None:
    """The vector loop and its remainder round alike."""
    results = []
    for cut in (0, 1, 5, 8, 13):
        network = network_of({"optimizer": "adam"})
        adam, parameters = adam_of(network), network.parameters
        parameters.gradient_rows.copy_(torch.linspace(-1, 1, parameters.rows.numel()).view_as(parameters.rows))
        with torch.no_grad():
            adam.begin_step(1.0)
            adam.end_step(start=cut)
        results.append(parameters.rows[:, 13:].clone())
    assert all(torch.equal(result, results[0]) for result in results)
    assert not torch.equal(results[0], network_of({"optimizer": "adam"}).parameters.rows[:, 13:])


def test_digits_are_not_sparse_and_train_with_the_compiled_optimizer() -> None:
    images, _ = to_device(load(DATASETS["digits"], Path()), CPU)
    train = {"optimizer": {"adamw": {"eps": 1e-3}}, "batch_size": 32}
    ours, torchs = (trained(network_of(train), images, adam=adam).clone() for adam in (True, False))
    torch.testing.assert_close(ours, torchs, rtol=1e-3, atol=1e-5)
