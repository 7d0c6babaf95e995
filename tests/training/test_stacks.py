"""A trial's numbers depend on its own settings and seed alone: bit for bit, whatever it is stacked with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.catalogue.lookup import entries
from actbench.experiment.records import CLOCK_FIELDS, Trial, TrialRecord, Weights
from actbench.experiment.settings import TrialSettings
from actbench.training.loop import train_stack

ALIGNED = {"hidden": (64, 32)}
RAGGED = {"hidden": (13, 7)}
MOMENTUM = {"sgd": {"momentum": 0.9, "nesterov": True}}


def trial(
    seed: int = 0, data: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **train: Any
) -> Trial:
    settings = TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 150, "test": 37} | (data or {}),
            "model": RAGGED | (model or {}),
            "train": {"batch_size": 32, "epochs": 2} | train,
        }
    )
    return Trial(id=f"{seed}-{hash(settings)}", phase="final", seed=seed, settings=settings)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return load(DATASETS["digits"], tmp_path_factory.getbasetemp())


def train(trials: Sequence[Trial], arrays: Arrays) -> list[TrialRecord]:
    assert torch.get_num_threads() == 1
    return train_stack(trials, arrays, "cpu", lambda epoch: None)


def numbers(record: TrialRecord) -> dict[str, Any]:
    return record.model_dump(exclude={*CLOCK_FIELDS, "stack_trials"})


def assert_same_alone_and_together(trials: Sequence[Trial], arrays: Arrays) -> None:
    together = train(trials, arrays)
    for one, stacked in zip(trials, together, strict=True):
        assert numbers(train([one], arrays)[0]) == numbers(stacked)


@pytest.mark.parametrize(
    ("optimizer", "shape"),
    [
        *itertools.product(["sgd", MOMENTUM, "adam", "adamw", "rmsprop"], [ALIGNED, RAGGED]),
        *(("adam", {"hidden": hidden}) for hidden in [(1,), (), (100,)]),
    ],
    ids=str,
)
def test_a_trial_has_the_same_bits_alone_and_in_a_stack_for_every_optimizer(
    shape: dict[str, Any], optimizer: Any, digits: Arrays
) -> None:
    trials = [
        trial(seed, model=shape | {"activation": activation, "init": init}, optimizer=optimizer, lr=lr, loss=loss)
        for seed, activation, init, lr, loss in [
            (0, "relu", "kaiming_normal", 1e-3, "nll"),
            (0, "mish", "xavier_uniform", 1e-2, "nll"),
            (1, "relu", "orthogonal", 1e-3, "nll"),
            (2, "gelu", "lecun_normal", 3e-3, "mse"),
            (2, {"prelu": {"per_feature": True}}, "torch_default", 3e-3, "nll"),
        ]
    ]
    assert_same_alone_and_together(trials, digits)


@pytest.mark.parametrize("shape", [RAGGED, pytest.param(ALIGNED, marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("entry", entries("activation"), ids=lambda entry: entry.name)
def test_every_activation_has_the_same_bits_alone_and_in_a_stack(
    entry: Any, shape: dict[str, Any], digits: Arrays
) -> None:
    choices = [entry.name, *([{entry.name: {"learn": True}}] if entry.learnable else [])]
    trials = [trial(seed, model=shape | {"activation": choice}, epochs=1) for choice in choices for seed in range(3)]
    assert_same_alone_and_together([*trials, trial(0, model=shape | {"activation": "tanh"}, epochs=1)], digits)


@pytest.mark.parametrize(("output", "loss"), [
    ("log_softmax", "nll"), ({"log_softmax": {"shift": False}}, "nll"), ("softmax", "nll"), ("softmax", "bce"),
    ("sigmoid", "bce"), ("identity", "cross_entropy"), ("tanh", "mse"), ({"tanh": {"shift": False}}, "nll"),
    ("logsigmoid", "nll"), ("hardsigmoid", "mse"),
])  # fmt: skip
def test_every_output_and_loss_has_the_same_bits_alone_and_in_a_stack(output: Any, loss: str, digits: Arrays) -> None:
    own = [trial(seed, model={"output": output}, loss=loss) for seed in range(3)]
    assert_same_alone_and_together([*own, trial(1)], digits)


@pytest.mark.parametrize("shape", [ALIGNED, RAGGED], ids=str)
@pytest.mark.parametrize(
    "extra", [{"dropout": 0.3}, {"batch_norm": True}, {"dropout": 0.1, "batch_norm": True}], ids=str
)
def test_dropout_and_batch_norm_keep_a_trials_bits(
    extra: dict[str, Any], shape: dict[str, Any], digits: Arrays
) -> None:
    trials = [
        trial(seed, model=shape | extra | {"activation": name}, weight_decay=decay, schedule="cosine")
        for seed, name, decay in [(0, "relu", 0.0), (0, "swish", 0.01), (1, "relu", 0.01), (3, "elu", 0.1)]
    ]
    assert_same_alone_and_together(trials, digits)


def test_a_stack_of_forty_gives_every_trial_its_own_bits(digits: Arrays) -> None:
    activations = ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "swish", "mish"]
    trials = [trial(seed, model=ALIGNED | {"activation": name}, epochs=1) for name in activations for seed in range(5)]
    assert_same_alone_and_together(trials, digits)


def test_the_order_within_a_stack_changes_no_numbers(digits: Arrays) -> None:
    trials = [trial(seed, model={"activation": name}) for seed in (0, 1) for name in ("relu", "gelu", "tanh")]
    forward, backward = train(trials, digits), train(trials[::-1], digits)[::-1]
    assert [numbers(record) for record in forward] == [numbers(record) for record in backward]


@pytest.mark.parametrize("batch_size", [1, 7, "full"])
def test_any_batch_size_keeps_a_trials_bits(batch_size: Any, digits: Arrays) -> None:
    data = {"train": 40, "test": 20}
    trials = [
        trial(seed, data, {"activation": name}, batch_size=batch_size) for seed in (0, 1) for name in ("relu", "mish")
    ]
    assert_same_alone_and_together(trials, digits)


def test_a_single_input_and_a_single_output_unit_keep_a_trials_bits(tmp_path: Any) -> None:
    arrays = load(DATASETS["thermostat"], tmp_path)
    data = {"dataset": "thermostat", "scale": "none", "validation": 0}
    model = {"hidden": (), "output": "sigmoid", "init": "uniform"}
    trials = [
        trial(seed, data, model, loss="bce", lr=lr, batch_size="full", epochs=30)
        for seed in range(3)
        for lr in (0.05, 0.01)
    ]
    assert_same_alone_and_together(trials, arrays)


@pytest.mark.parametrize("shape", [ALIGNED, RAGGED, {"hidden": (1,)}], ids=str)
def test_products_in_bf16_have_the_same_bits_alone_and_in_a_stack(shape: dict[str, Any], digits: Arrays) -> None:
    trials = [
        trial(seed, model=shape | {"activation": activation}, precision="bf16")
        for activation in ("relu", "gelu")
        for seed in range(3)
    ]
    assert_same_alone_and_together(trials, digits)


def test_precision_changes_the_numbers_a_little_and_nothing_after_the_stack(digits: Arrays) -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    exact, rounded, again = (
        train([trial(model=ALIGNED, precision=precision)], digits)[0] for precision in ("float32", "bf16", "float32")
    )
    assert rounded.settings.train.precision == "bf16"
    assert rounded.curves.train_loss != exact.curves.train_loss
    assert rounded.curves.train_loss == pytest.approx(exact.curves.train_loss, rel=0.05)
    assert numbers(again) == numbers(exact)
    assert before == torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]


def test_a_diverging_trial_is_recorded_and_leaves_its_stack_mates_alone(digits: Arrays) -> None:
    sound = [trial(0), trial(1, model={"activation": "tanh"})]
    wild = trial(
        0, model={"output": "identity", "activation": "identity"}, optimizer="sgd", loss="mse", lr=1e9, epochs=4
    )
    calm = [trial(one.seed, model={"activation": "tanh"}, optimizer="sgd", epochs=4) for one in sound]
    records = train([calm[0], wild, calm[1]], digits)
    assert [record.outcome for record in records] == ["done", "diverged", "done"]
    assert records[1].diverged_epoch == 1
    assert records[1].curves.train_loss == (None,)
    assert records[1].test_loss is None
    assert [numbers(records[0]), numbers(records[2])] == [numbers(train([one], digits)[0]) for one in calm]


def test_a_trial_that_has_diverged_is_tested_as_it_then_was(digits: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    from actbench.training import loop

    evaluate = loop.evaluate

    def overflow_of_tanh(network: Any, images: Any, splits: Any, rows: Any) -> Any:
        found = evaluate(network, images, splits, rows)
        names = [one.settings.model.activation.name for one in network.trials]
        overflown = [math.inf if name == "tanh" else one for name, one in zip(names, found.losses, strict=True)]
        return found._replace(losses=overflown)

    monkeypatch.setattr(loop, "evaluate", overflow_of_tanh)
    trials = [trial(0, model={"activation": name}, epochs=5) for name in ("relu", "tanh", "gelu")]
    together = train(trials, digits)
    assert [record.diverged_epoch for record in together] == [None, 1, None]
    assert len(together[1].probes) == 2 * 3
    for one, stacked in zip(trials, together, strict=True):
        assert numbers(train([one], digits)[0]) == numbers(stacked)


def test_computing_whole_stacks_at_once_as_a_gpu_does_agrees_up_to_rounding(
    digits: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [
        trial(seed, model={"activation": name, "batch_norm": True}, optimizer="sgd")
        for seed in (0, 1)
        for name in ("relu", "mish", "prelu")
    ]
    trial_by_trial = train(trials, digits)
    monkeypatch.setattr("actbench.training.products.is_aligned", lambda elements: True)
    monkeypatch.setattr("actbench.training.workspace.is_aligned", lambda elements: True)
    at_once = train(trials, digits)
    for one, other in zip(trial_by_trial, at_once, strict=True):
        assert one.curves.train_loss == pytest.approx(other.curves.train_loss, rel=1e-3)


def test_progress_is_told_within_an_epoch_and_changes_no_number(
    digits: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials, told = [trial(seed) for seed in (0, 1)], list[float | Weights]()
    monkeypatch.setattr("actbench.training.loop.PULSE_SECONDS", -1.0)
    records = train_stack(trials, digits, "cpu", told.append)
    steps = 4  # 125 training images in batches of 32
    assert told == [*(step / steps for step in range(1, 5)), 1, *(1 + step / steps for step in range(1, 5)), 2]
    monkeypatch.undo()
    assert [numbers(one) for one in records] == [numbers(one) for one in train(trials, digits)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dropout", [0.1, 0.0])  # without it steps are recorded as a graph
def test_a_gpu_trains_to_the_same_accuracy_as_the_cpu(dropout: float, digits: Arrays) -> None:
    data = {"train": 1000, "test": 300}
    trials = [
        trial(seed, data, {"activation": name, "dropout": dropout}, epochs=10)
        for seed in range(3)
        for name in ("relu", "mish")
    ]
    on_gpu = train_stack(trials, digits, "cuda", lambda epoch: None)
    for ours, theirs in zip(train(trials, digits), on_gpu, strict=True):
        assert ours.test_correct_count == pytest.approx(theirs.test_correct_count, abs=30)
