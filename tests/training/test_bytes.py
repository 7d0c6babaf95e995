"""First layers computed in bf16 from stored bytes: sums of rounded factors, and bits that depend on the trial alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import CLOCK_FIELDS, Trial
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.bytes import ByteBatch
from actbench.training.compiled import Compiled, compiled_functions
from actbench.training.data import seed_split, to_device
from actbench.training.loop import create_sums, train_epoch, train_stack
from actbench.training.network import backward, create_network, forward, gather_batch, objective
from actbench.training.optimizer import CompiledAdam, create_stepper, make_step
from actbench.training.outcome import TrialCurves
from actbench.training.preflight import measure_flows
from actbench.training.snapshots import Progress, Snapshots, restore

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(not compiled_functions().has_tiles, reason="this processor has no AMX")


@pytest.fixture(scope="module")
def digits() -> Arrays:
    return load(DATASETS["digits"], Path())


def settings(data: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **train: Any) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 400, "test": 37} | (data or {}),
            "model": {"hidden": (70, 13), "activation": "tanh"} | (model or {}),
            "train": {"batch_size": 130, "epochs": 2, "precision": "bf16"} | train,
        }
    )


@pytest.fixture
def with_torchs_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine without AMX."""
    without = Compiled(compiled_functions().library)
    for module in ("bytes", "workspace"):
        monkeypatch.setattr(f"actbench.training.{module}.compiled_functions", lambda: without)


def first_layer(arrays: Arrays, chosen: TrialSettings, batch: int, seeds: tuple[int, ...]) -> list[torch.Tensor]:
    """The first layer's values, the gradient by them, and the gradients of its weights and biases."""
    images, _ = to_device(arrays, CPU)
    with torch.no_grad():
        network = create_network([make_trial(chosen, seed) for seed in seeds], CPU)
        splits = [seed_split(images, chosen.data, "final", seed) for seed in network.seeds]
        rows = torch.stack([split.train_rows[:batch] for split in splits])
        inputs, labels = gather_batch(network, images, splits, rows)
        assert isinstance(inputs, ByteBatch)
        dense = torch.stack([split.scaled_bytes for split in splits])[network.seed_index]
        dense = torch.stack(
            [table[images.inputs[rows[seed]].long()] for table, seed in zip(dense, network.seed_index, strict=True)]
        )
        layers = forward(network, inputs, training=True)
        backward(network, layers, objective(network, layers[-1].after, labels).mean_gradient())
        weight, bias = network.parameters.named[0, "weight"], network.parameters.named[0, "bias"]
        rounded = dense.bfloat16().double()
        values = rounded @ weight.values.bfloat16().double() + bias.values.unsqueeze(1)
    return [layers[0].before, values, layers[0].inputs, rounded, weight.gradient, bias.gradient]  # type: ignore[list-item]


@pytest.mark.parametrize("scale", ["unit", "none", "standard"])
@pytest.mark.parametrize("hidden", [(1,), (), (7,), (33,), (64, 32), (200, 3)], ids=str)
@pytest.mark.parametrize("batch", [1, 2, 129, 300])
def test_values_are_those_of_scaled_bytes_rounded_to_bf16(
    scale: str, hidden: tuple[int, ...], batch: int, digits: Arrays
) -> None:
    chosen = settings({"scale": scale}, {"hidden": hidden})
    values, expected, *_ = first_layer(digits, chosen, batch, (0, 1, 0))
    torch.testing.assert_close(values.double(), expected, rtol=1e-4, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("scale", ["unit", "standard"])
@pytest.mark.parametrize("units", [1, 10, 33, 64])
@pytest.mark.parametrize("batch", [1, 33, 129, 300])
def test_gradients_are_those_of_scaled_bytes_rounded_to_bf16(
    scale: str, units: int, batch: int, digits: Arrays
) -> None:
    _, _, inputs, rounded, weight_gradient, bias_gradient = first_layer(
        digits, settings({"scale": scale}, {"hidden": (units,)}), batch, (0, 1, 0)
    )
    assert isinstance(inputs, ByteBatch)
    grad = torch.randn(3, batch, units, generator=torch.Generator().manual_seed(batch))
    inputs.write_gradients(grad, weight_gradient, bias_gradient)
    expected = rounded.mT @ grad.bfloat16().double()
    torch.testing.assert_close(weight_gradient.double(), expected, rtol=1e-4, atol=2e-6 * float(expected.abs().max()))
    torch.testing.assert_close(bias_gradient.double(), grad.double().sum(dim=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"optimizer": "sgd"}, {"batch_size": "full"}, {"batch_size": 7}], ids=str)
def test_a_trial_has_the_same_bits_alone_and_in_any_stack(options: dict[str, Any], digits: Arrays) -> None:
    trials = [
        make_trial(settings({"scale": "standard"}, {"activation": activation}, **options), seed)
        for seed, activation in [(0, "relu"), (1, "relu"), (0, "mish"), (2, "gelu"), (1, "tanh")]
    ]
    together = numbers(trials, digits)
    assert numbers(trials[::-1], digits)[::-1] == together
    assert [numbers([trial], digits)[0] for trial in trials] == together


def numbers(trials: list[Trial], arrays: Arrays) -> list[dict[str, Any]]:
    records = train_stack(trials, arrays, "cpu", lambda epoch: None)
    return [record.model_dump(exclude={*CLOCK_FIELDS, "stack_trials"}) for record in records]


def test_a_batch_that_is_cut_differently_keeps_each_images_values(digits: Arrays) -> None:
    whole, *_ = first_layer(digits, settings(), 300, (0, 1))
    part, *_ = first_layer(digits, settings(), 11, (0, 1))
    assert torch.equal(whole[:, :11], part)


@pytest.mark.parametrize("hidden", [(37, 5), (64, 32), ()], ids=str)
@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adam", 0.05), ("adamw", 0.05)])
@pytest.mark.parametrize("batch_size", [32, 129, "full"])
def test_changing_the_weights_with_their_gradients_changes_no_bit(
    hidden: tuple[int, ...],
    optimizer: str,
    decay: float,
    batch_size: Any,
    digits: Arrays,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings({}, {"hidden": hidden}, optimizer=optimizer, weight_decay=decay, batch_size=batch_size)

    def trained() -> torch.Tensor:
        images, _ = to_device(digits, CPU)
        network = create_network([make_trial(chosen, seed) for seed in (0, 1)], CPU)
        splits = [seed_split(images, chosen.data, "final", seed) for seed in network.seeds]
        sums = create_sums(network, CPU)
        with torch.no_grad():
            train_epoch(network, make_step(network, create_stepper(network), images, splits, sums), sums, splits, 1)
        return network.parameters.rows.clone()

    at_once = trained()
    write, end_step = ByteBatch.write_gradients, CompiledAdam.end_step
    monkeypatch.setattr(ByteBatch, "write_gradients", lambda *given: write(*given[:4]))  # without the step
    monkeypatch.setattr(CompiledAdam, "end_step", lambda adam, start: end_step(adam, start=0))
    assert torch.equal(trained(), at_once)


@pytest.mark.parametrize("options", [{}, {"optimizer": "adamw", "weight_decay": 0.1}, {"optimizer": "sgd"}], ids=str)
def test_a_processor_without_tiles_trains_to_about_the_same_numbers(
    options: dict[str, Any], digits: Arrays, request: pytest.FixtureRequest
) -> None:
    trials = [make_trial(settings(**options), seed) for seed in (0, 1)]
    tiles = train_stack(trials, digits, "cpu", lambda epoch: None)
    request.getfixturevalue("with_torchs_products")
    torchs = train_stack(trials, digits, "cpu", lambda epoch: None)
    for one, other in zip(tiles, torchs, strict=True):
        assert one.curves.train_loss == pytest.approx(other.curves.train_loss, rel=1e-3)
        assert one.test_loss == pytest.approx(other.test_loss, rel=1e-2)


def test_a_preflight_measures_the_inputs_of_a_network_in_bf16(digits: Arrays) -> None:
    rounded, exact = (
        measure_flows([[make_trial(settings(precision=precision), seed) for seed in (0, 1)]], digits)[0]
        for precision in ("bf16", "float32")
    )
    assert rounded.images == exact.images
    assert [layer.value for layer in rounded.layers] == pytest.approx([layer.value for layer in exact.layers], rel=0.01)


def test_restored_weights_are_packed_again(digits: Arrays) -> None:
    images, _ = to_device(digits, CPU)
    chosen = settings()
    network, other = (create_network([make_trial(chosen, seed)], CPU) for seed in (0, 1))
    splits = [seed_split(images, chosen.data, "final", 0)]
    with torch.no_grad():
        inputs, _ = gather_batch(network, images, splits, splits[0].train_rows[:9].unsqueeze(0))
        before = forward(network, inputs, training=False)[0].before.clone()
        saved: list[bytes] = []
        snapshots = Snapshots(lambda: None, lambda snapshot, epochs: saved.append(snapshot), seconds=0)
        snapshots.take(other, create_stepper(other), Progress([TrialCurves({})]))
        assert restore(saved[0], network, create_stepper(network)) is not None
        after = forward(network, inputs, training=False)[0].before
    assert not torch.equal(before, after)


def test_only_bytes_on_the_cpu_and_in_bf16_are_multiplied_as_they_are_stored(digits: Arrays) -> None:
    def taken(arrays: Arrays, **train: Any) -> type:
        chosen = settings(**train)
        images, _ = to_device(arrays, CPU)
        network = create_network([make_trial(chosen, 0)], CPU)
        split = seed_split(images, chosen.data, "final", 0)
        return type(gather_batch(network, images, [split], split.train_rows[:9].unsqueeze(0))[0])

    assert taken(digits) is ByteBatch
    assert taken(digits, precision="float32") is torch.Tensor
    assert taken(replace(digits, train_inputs=digits.train_inputs.astype("float32"))) is torch.Tensor
