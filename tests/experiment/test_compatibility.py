"""Settings that do not go together: which pairs are impossible, which mean something else, and which are fine."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from actbench.catalogue.lookup import entries
from actbench.experiment.compatibility import Conflict, conflicts
from actbench.experiment.definition import with_values
from actbench.experiment.settings import LayerSettings, TrialSettings

Verdict = Literal["fine", "warns", "impossible"]

MEANT_FOR = {
    "nll": {"log_softmax", "logsigmoid"},
    "cross_entropy": {"identity"},
    "bce": {"softmax", "sigmoid", "hardsigmoid"},
    "mse": {"identity", "softmax", "sigmoid", "hardsigmoid", "tanh"},
}
COMPUTED_ALL_THE_SAME = {
    "nll": {"identity", "softmax", "sigmoid", "hardsigmoid", "tanh"},
    "cross_entropy": {"log_softmax", "logsigmoid", "softmax", "sigmoid", "hardsigmoid", "tanh"},
    "bce": set(),
    "mse": {"log_softmax", "logsigmoid"},
}
PAIRS = [(output.name, loss.name) for output in entries("output") for loss in entries("loss")]


def found(
    data: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **train: Any
) -> list[tuple[str, bool]]:
    settings = TrialSettings.model_validate({"data": data or {}, "model": model or {}, "train": train})
    return [(conflict.path, conflict.impossible) for conflict in conflicts(settings)]


def verdict(conflict: Conflict) -> Verdict:
    return "impossible" if conflict.impossible else "warns"


def test_default_settings_go_together() -> None:
    assert conflicts(TrialSettings()) == []


@pytest.mark.parametrize(("output", "loss"), PAIRS)
def test_an_output_and_a_loss_are_fine_or_warn_or_are_impossible(output: str, loss: str) -> None:
    applied_twice = (output, loss) == ("log_softmax", "cross_entropy")  # the same numbers as once
    expected = "fine" if output in MEANT_FOR[loss] or applied_twice else "warns"
    if output not in MEANT_FOR[loss] | COMPUTED_ALL_THE_SAME[loss]:
        expected = "impossible"
    settings = TrialSettings.model_validate({"model": {"output": output}, "train": {"loss": loss}})
    assert [verdict(conflict) for conflict in conflicts(settings)] == ([] if expected == "fine" else [expected])
    assert all(conflict.path == "train.loss" for conflict in conflicts(settings))
    assert all(output in conflict.message and loss in conflict.message for conflict in conflicts(settings))


@pytest.mark.parametrize(("batch_size", "left_over"), [
    (1, "each batch has 1 image"), (33, "batches of 33 leave 1 of 100"), (99, "batches of 99 leave 1 of 100"),
    (2, ""), (32, ""), (50, ""), (100, ""), ("full", ""), (500, ""),
])  # fmt: skip
@pytest.mark.parametrize("model", [{"batch_norm": True}, {"layers": (
    {"units": 8}, {"units": 8, "batch_norm": True},
)}], ids=str)  # fmt: skip
def test_batch_norm_needs_two_images_in_every_batch(
    model: dict[str, Any], batch_size: int | str, left_over: str
) -> None:
    data = {"dataset": "digits", "train": 120, "validation": 20}
    train = {"batch_size": batch_size}
    settings = TrialSettings.model_validate({"data": data, "model": model, "train": train})
    messages = [(conflict.path, conflict.impossible) for conflict in conflicts(settings)]
    assert messages == ([("train.batch_size", True)] if left_over else [])
    assert all(left_over in conflict.message for conflict in conflicts(settings))


def test_an_outputs_parameters_do_not_matter_to_its_loss() -> None:
    assert found(model={"output": {"log_softmax": {"shift": False}}}) == []
    assert found(model={"output": {"softmax": {"shift": False}}}) == [("train.loss", False)]


@pytest.mark.parametrize("output", [entry.name for entry in entries("output")])
@pytest.mark.parametrize("loss", [entry.name for entry in entries("loss")])
def test_what_compares_output_units_is_impossible_where_there_is_one(output: str, loss: str) -> None:
    several, one = (
        set(found({"dataset": dataset}, {"output": output}, loss=loss)) for dataset in ("cube", "thermostat")
    )
    across = {("model.output", True)} if output in ("softmax", "log_softmax") else set()
    across |= {("train.loss", True)} if loss in ("nll", "cross_entropy") else set()
    assert one == several | across


def test_one_output_unit_with_sigmoid_and_bce_or_mse_is_fine() -> None:
    for loss in ("bce", "mse"):
        assert found({"dataset": "thermostat"}, {"output": "sigmoid"}, loss=loss) == []


@pytest.mark.parametrize(("data", "expected"), [
    ({"train": 1437, "test": 360}, []),
    ({"train": 1438}, [("data.train", True)]),
    ({"test": 361}, [("data.test", True)]),
    ({"dataset": "mnist", "train": 60_000, "test": 10_000}, []),
    ({"dataset": "mnist", "train": 60_001, "test": 10_001}, [("data.train", True), ("data.test", True)]),
    ({"validation": 1436}, []),
    ({"validation": 1437}, [("data.validation", True)]),
    ({"train": 10, "validation": 9}, []),
    ({"train": 10, "validation": 10}, [("data.validation", True)]),
    ({"train": 10, "validation": 2000}, [("data.validation", True)]),
    ({"train": 1}, []),
    ({"validation": 0}, []),
])  # fmt: skip
def test_images_are_there_and_some_are_left_to_train_on(data: dict[str, Any], expected: list[tuple[str, bool]]) -> None:
    assert found(data) == expected


@pytest.mark.parametrize(("settings", "possible"), [
    ({}, True), ({"momentum": 0.9}, True), ({"nesterov": True}, False), ({"nesterov": True, "momentum": 0.9}, True),
    ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, False), ({"momentum": 0.9, "dampening": 0.1}, True),
])  # fmt: skip
def test_nesterov_needs_momentum_and_no_dampening(settings: dict[str, Any], possible: bool) -> None:
    assert found(optimizer={"sgd": settings}) == ([] if possible else [("train.optimizer", True)])


def test_layers_that_an_arm_adds_to_hidden_are_impossible() -> None:
    base = TrialSettings.model_validate({"model": {"hidden": (3,)}})
    arm = with_values(base, (("model.layers", (LayerSettings(units=3),)),))
    assert [(conflict.path, conflict.impossible) for conflict in conflicts(arm)] == [("model.layers", True)]


def test_every_conflict_of_the_same_settings_is_found() -> None:
    data = {"dataset": "thermostat", "test": 5000, "validation": 5000}
    optimizer = {"sgd": {"nesterov": True}}
    assert found(data, {"output": "softmax"}, loss="nll", optimizer=optimizer) == [
        ("data.test", True),
        ("data.validation", True),
        ("model.output", True),
        ("train.loss", True),
        ("train.loss", False),
        ("train.optimizer", True),
    ]


def test_a_published_gain_needs_somebody_who_published_one_for_the_activation_before_the_layer() -> None:
    published = {"fitted_normal": {"gain": "published"}}
    assert found(model={"init": published, "activation": "tanh"}) == []
    assert found(model={"init": published, "activation": "gelu"}) == [("model.init", True)]
    assert found(model={"init": published, "activation": "gelu", "hidden": ()}) == []
    assert found(model={"init": "fitted_normal", "activation": "gelu"}) == []


@pytest.mark.parametrize("init", ["fitted_normal", "fitted_uniform", {"xavier_normal": {"gain": "published"}}])
def test_an_activation_that_is_zero_has_no_named_gain(init: Any) -> None:
    flat = {"activation": {"sine": {"omega": 0.0}}, "init": init}
    assert ("model.init", True) in found(model=flat)
    assert found(model=flat | {"activation": {"sine": {"omega": 0.5}}}) == []
    assert found(model={"activation": {"sine": {"omega": 0.0}}, "init": "xavier_normal"}) == []


@pytest.mark.parametrize(
    ("parameters", "warns"),
    [
        ({}, False),
        ({"beta": 10.0, "threshold": 0.4}, True),
        ({"threshold": 5.0}, True),
        ({"beta": 10.0, "threshold": 10.0}, False),
        ({"threshold": -1e30}, True),
    ],
)
def test_a_softplus_that_jumps_at_its_threshold_warns(parameters: dict[str, float], warns: bool) -> None:
    conflicts_found = found(model={"activation": {"softplus": parameters}})
    assert conflicts_found == ([("model.activation", False)] if warns else [])


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.5, -0.5), (-0.5, 0.5)])
def test_a_range_is_impossible_without_any_width(low: float, high: float) -> None:
    assert found(model={"init": {"uniform": {"a": low, "b": high}}}) == [("model.init", True)] * (low >= high)
