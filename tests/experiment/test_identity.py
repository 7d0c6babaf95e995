"""Arms that train the same networks under different names."""

from __future__ import annotations

import pytest

from actbench.config.reader import read_experiment
from actbench.plan.plan import make_plan, plan_to_json

BASE = "data: {dataset: digits}\ntrain: {optimizer: sgd, epochs: 1}\nseeds: 2\n"


def warnings_of(vary: str) -> list[str]:
    loaded = read_experiment(f"{BASE}vary: {{{vary}}}", "x.yaml", "x")
    kept = plan_to_json(loaded.experiment, make_plan(loaded.experiment, {}))["warnings"]
    assert [warning.split(": ", 2)[2] for warning in loaded.warnings] == kept
    return list(loaded.warnings)


@pytest.mark.parametrize(("vary", "first", "second"), [
    ("train.weight_decay: [null, 0]", "weight_decay=default", "weight_decay=0.0"),
    ("train.batch_size: [full, 1198]", "batch_size=full", "batch_size=1198"),
    ("train.batch_size: [1198, 5000]", "batch_size=1198", "batch_size=5000"),
    ("data.scale: [unit, 16]", "scale=unit", "scale=16.0"),
    ("data.scale: [none, 1]", "scale=none", "scale=1.0"),
    ("model.bias_init: [null, zeros]", "bias_init=default", "zeros"),
])  # fmt: skip
def test_arms_equal_in_effect_are_named(vary: str, first: str, second: str) -> None:
    (warning,) = warnings_of(vary)
    assert warning.startswith("x.yaml:4:")
    assert f"`{first}`" in warning
    assert second in warning
    assert f"remove one of these values of {vary.split(':')[0]}" in warning


@pytest.mark.parametrize("vary", [
    "train.weight_decay: [null, 0.01]",
    "train.batch_size: [full, 1197]",
    "data.scale: [unit, 255, standard]",
    "model.activation: [relu, tanh]",
    "train.lr: [0.1, 0.2]",
])  # fmt: skip
def test_arms_that_differ_get_no_warning(vary: str) -> None:
    assert warnings_of(vary) == []


def test_equal_values_are_named_once_for_all_arms_that_have_them() -> None:
    (warning,) = warnings_of("model.activation: [relu, tanh, elu], train.weight_decay: [null, 0]")
    assert "(and 2 more such pairs)" in warning


def test_no_value_is_to_be_removed_that_matters_in_another_arm() -> None:
    (warning,) = warnings_of("train.optimizer: [sgd, adamw], train.weight_decay: [null, 0.01]")
    assert "`optimizer=adamw, weight_decay=default`" in warning
    assert "remove" not in warning


def test_of_several_equal_arms_the_two_that_differ_least_are_named() -> None:
    warnings = warnings_of("train.batch_size: [full, 1198], model.bias_init: [null, zeros]")
    first = "batch_size=full, bias_init=default"
    others = ("batch_size=full, bias_init=zeros", "batch_size=1198, bias_init=default")
    assert [warning.split("`")[1::2] for warning in warnings] == [[first, other] for other in others]
