"""Costs of activations, with planted times and with memory that follows from the formulas; as a table and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats

from actbench.checks import cost
from actbench.checks.cost import (
    ROUNDS,
    SHAPE,
    Cost,
    Measurement,
    Memory,
    Workload,
    fixed_values,
    measure_costs,
    measure_memory,
    measured_seconds,
    measurement,
    median_interval,
    plain_workload,
    trained_workload,
)
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice, parse_choice
from actbench.render.terminal import fitting_columns
from actbench.report.checks import cost_section, costs_to_json, find_activations
from actbench.runs.environment import describe_machine
from actbench.training.functions import Applied
from program import actbench, assert_one_message

TENSOR_BYTES = 4 * math.prod(SHAPE)
LEARNING_SWISH = {"swish": {"learn": True}}


def chosen(value: Any) -> Choice:
    return parse_choice("activation", value)


def trained(value: Any) -> Workload:
    return trained_workload(chosen(value), *fixed_values())


def plain(value: Any) -> Workload:
    return plain_workload(chosen(value), *fixed_values())


@dataclass
class PlantedClock:
    """Shows what the passes under test say they take."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, seconds: Callable[[], float]) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds()

        return run


def test_a_function_that_takes_twice_as_long_has_the_ratio_two_in_every_round() -> None:
    clock = PlantedClock()
    reference, double = measured_seconds([clock.taking(lambda: 0.5), clock.taking(lambda: 1.0)], 30, clock)
    assert (reference, double) == ([0.5] * 30, [1.0] * 30)
    measured = measurement(double, reference, Memory(8, 4))
    assert measured.ratios == (2.0,) * 30
    assert median_interval(measured.ratios) == (2.0, 2.0)
    assert measured.microseconds_per_million == pytest.approx(1e6 / math.prod(SHAPE) * 1e6)


def test_a_machine_that_slows_down_between_rounds_changes_no_ratio() -> None:
    clock, slowness = PlantedClock(), {"round": 1.0}
    passes = [clock.taking(lambda: slowness["round"]), clock.taking(lambda: 3 * slowness["round"])]
    seconds: list[list[float]] = [[], []]
    for number in range(5):
        slowness["round"] = 2.0**number
        for kept, one_round in zip(seconds, measured_seconds(passes, 1, clock), strict=True):
            kept += one_round
    assert seconds[0] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert measurement(seconds[1], seconds[0], None).ratios == (3.0,) * 5


def test_quick_functions_are_called_more_often_and_none_only_once() -> None:
    clock, calls = PlantedClock(), [0, 0, 0]

    def counted(index: int, seconds: float) -> Callable[[], None]:
        def run() -> None:
            calls[index] += 1
            clock.now += seconds

        return run

    measured_seconds([counted(0, 0.0), counted(1, 2**-13), counted(2, 1.0)], 1, clock)
    assert calls == [1006, 31, 8]


def test_every_round_measures_every_function_once_in_an_order_of_its_own() -> None:
    clock, called = PlantedClock(), list[int]()

    def noted(index: int) -> Callable[[], None]:
        def run() -> None:
            called.append(index)
            clock.now += 1.0

        return run

    def orders() -> list[tuple[int, ...]]:
        called.clear()
        measured_seconds([noted(index) for index in range(4)], 30, clock)
        measured = called[4 * 5 :: 3]
        return [tuple(measured[start : start + 4]) for start in range(0, len(measured), 4)]

    found = orders()
    assert len(found) == 30
    assert all(sorted(order) == [0, 1, 2, 3] for order in found)
    assert len(set(found)) > 10
    assert all({order[place] for order in found} == {0, 1, 2, 3} for place in range(4))
    assert found == orders()


@pytest.mark.parametrize("count", [6, 7, 30, 31, 50, 99])
def test_the_interval_for_the_median_is_the_one_from_order_statistics(count: int) -> None:
    values = [float(value) for value in torch.randperm(count, generator=torch.Generator().manual_seed(count))]
    expected = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    assert median_interval(values) == (expected.low, expected.high)


def test_the_interval_for_the_median_holds_it_often_enough_and_is_the_narrowest_that_does() -> None:
    low, high = median_interval(range(1, 51)) or (0, 0)
    assert (low, high) == (18, 33)
    assert 1 - 2 * stats.binom.cdf(low - 1, 50, 0.5) >= 0.95 > 1 - 2 * stats.binom.cdf(low, 50, 0.5)


def test_fewer_than_six_rounds_have_no_interval() -> None:
    assert [median_interval([1.0] * count) for count in range(6)] == [None] * 6


def test_relu_beside_itself_has_the_ratio_one_and_comes_first_where_it_was_not_asked_for() -> None:
    ticks = iter(range(1_000_000))
    found = measure_costs([chosen("gelu")], rounds=7, clock=lambda: float(next(ticks)))
    assert [str(each.choice) for each in found] == ["relu", "gelu"]
    assert [each.trained.ratios for each in found] == [each.plain.ratios for each in found] == [(1.0,) * 7] * 2
    asked = measure_costs(
        [chosen("tanh"), chosen("relu")], rounds=1, clock=lambda: float(next(ticks)), counts_memory=False
    )
    assert [(str(each.choice), each.trained.memory) for each in asked] == [("tanh", None), ("relu", None)]


def test_costs_are_those_of_the_functions_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seconds = PlantedClock(), {"relu": 1.0, "tanh": 0.5, "mish": 8.0}

    def planted(factor: float) -> Callable[..., Workload]:
        def make(choice: Choice, inputs: torch.Tensor, output_gradient: torch.Tensor) -> Workload:
            real = plain_workload(choice, inputs, output_gradient)

            def forward() -> Applied:
                clock.now += factor * seconds[choice.name]
                return real.forward()

            return replace(real, forward=forward)

        return make

    monkeypatch.setattr(cost, "trained_workload", planted(1.0))
    monkeypatch.setattr(cost, "plain_workload", planted(3.0))
    costs = measure_costs([chosen("mish"), chosen("relu"), chosen("tanh")], rounds=6, clock=clock)
    assert {each.choice.name: (each.trained.ratios[0], each.plain.ratios[0]) for each in costs} == {
        "mish": (8.0, 24.0), "relu": (1.0, 3.0), "tanh": (0.5, 1.5),
    }  # fmt: skip


def test_one_thread_measures_and_the_number_before_is_restored() -> None:
    threads = set[int]()
    ticks = iter(range(1_000_000))

    def clock() -> float:
        threads.add(torch.get_num_threads())
        return float(next(ticks))

    torch.set_num_threads(2)
    try:
        measure_costs([], rounds=1, clock=clock)
        assert threads == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("activation", ["identity", "relu", "sigmoid", "tanh", "gelu", "leaky_relu", "elu", "swish"])
def test_training_by_closed_forms_allocates_nothing_beyond_the_layers_value(activation: str) -> None:
    workload = trained({activation: {}})
    assert measure_memory(workload) == Memory(TENSOR_BYTES, TENSOR_BYTES)
    value, pullback = workload.forward()
    gradient = workload.grad()
    assert value.data_ptr() == workload.layer[0].data_ptr()
    assert pullback(gradient).data_ptr() == gradient.data_ptr()


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu", "mish"])
def test_plain_functions_allocate_their_value_and_then_the_inputs_gradient(activation: str) -> None:
    assert measure_memory(plain(activation)) == Memory(2 * TENSOR_BYTES, TENSOR_BYTES)


def test_training_by_autograd_takes_the_memory_that_it_allocates() -> None:
    by_autograd, learnt = measure_memory(trained("softsign")), measure_memory(trained(LEARNING_SWISH))
    assert by_autograd is not None
    assert by_autograd.kept_bytes == 3 * TENSOR_BYTES  # the layer's value, autograd's value, and 1 + |x|
    assert by_autograd.peak_bytes > by_autograd.kept_bytes
    assert learnt is not None
    assert learnt.kept_bytes == 3 * TENSOR_BYTES  # the layer's value, autograd's value, and sigmoid(beta x)


def test_mish_needs_temporary_memory_for_at_most_one_trial_at_a_time() -> None:
    memory = measure_memory(trained("mish"))
    assert memory is not None
    assert TENSOR_BYTES <= memory.peak_bytes <= TENSOR_BYTES * (1 + 4 / SHAPE[0])


@pytest.mark.parametrize("activation", ["relu", "softsign", "snake", LEARNING_SWISH])
def test_memory_is_the_same_each_time(activation: Any) -> None:
    first = measure_memory(trained(activation))
    assert measure_memory(trained(activation)) == first
    again = trained(activation)
    again.run()
    assert [measure_memory(again), measure_memory(again)] == [first, first]


def test_memory_is_not_measured_where_torch_cannot_count_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.utils._python_dispatch.TorchDispatchMode")
    assert measure_memory(trained("relu")) is None


def test_learnt_parameters_get_gradients_of_their_size_as_in_training() -> None:
    def shapes(value: Any) -> list[tuple[int, ...]]:
        return [tuple(gradient.shape) for gradient in trained(value).run() if gradient is not None]

    assert shapes("relu") == [SHAPE]
    assert shapes("prelu") == [SHAPE, (8, 1, 1)]
    assert shapes({"prelu": {"per_feature": True}}) == [SHAPE, (8, 1, 256)]
    assert shapes({"prelu": {"learn": False}}) == [SHAPE]
    assert shapes({"gelu": {"learn": True}}) == [SHAPE, (8, 1, 1), (8, 1, 1)]


BYTES = 4 * math.prod(SHAPE)
PLAIN_RELU = Measurement((1.5,) * 30, 1590.0, Memory(2 * BYTES, BYTES))
RELU = Cost(
    parse_choice("activation", "relu"), Measurement((0.98, 1.0, 1.01) * 10, 1060.4, Memory(BYTES, BYTES)), PLAIN_RELU
)
RATIOS = tuple(2 + i / 100 for i in range(30))
PRELU = Cost(
    parse_choice("activation", "prelu"),
    Measurement(RATIOS, 9512.6, Memory(5 * BYTES // 2, BYTES)),
    Measurement((3.0,) * 30, 9999.0, None),
)
ENVIRONMENT = {"processor": "Abacus 3000", "torch": "2.6.0"}


def test_the_section_has_a_row_for_each_function_and_says_how_it_was_measured() -> None:
    section = cost_section([RELU, PRELU], ENVIRONMENT)
    assert section.title == "cost relative to relu"
    assert section.rows == [
        ["relu", "1.00", "0.98 to 1.01", "1060", "4", "1.50", "8"],
        ["prelu", "2.15", "2.09 to 2.20", "9513", "10", "3.00", "-"],
    ]
    notes = " ".join(section.notes)
    assert "median of 30 rounds" in notes
    assert "relu is measured twice" in notes
    assert "Abacus 3000, 1 thread, float32, torch 2.6.0" in notes


def test_too_few_rounds_have_no_interval() -> None:
    few = replace(RELU, trained=replace(RELU.trained, ratios=(2.0, 2.0)))
    assert cost_section([few], ENVIRONMENT).rows[0][2] == "-"
    assert costs_to_json([few], ENVIRONMENT)["functions"][0]["time_ratio_ci"] is None


def test_all_columns_fit_eighty_characters() -> None:
    section = cost_section([replace(RELU, choice=parse_choice("activation", "relu_squared")), PRELU], ENVIRONMENT)
    assert fitting_columns(section, 80) == list(range(len(section.header)))


def test_json_holds_what_was_measured_and_where() -> None:
    document = json.loads(json.dumps(costs_to_json([RELU, PRELU], ENVIRONMENT), allow_nan=False))
    relu, prelu = document.pop("functions")
    assert document == {
        "reference": "relu", "shape": [8, 128, 256], "rounds": 30, "threads": 1, "environment": ENVIRONMENT,
    }  # fmt: skip
    assert relu["ratios"] == list(RELU.trained.ratios)
    assert relu["plain"]["peak_memory_ratio"] == 2.0
    assert prelu.pop("plain")["peak_memory_ratio"] is None
    assert {key: value for key, value in prelu.items() if key != "ratios"} == {
        "name": "prelu",
        "settings": {"negative_slope": 0.25, "learn": True, "per_feature": False},
        "time_ratio": pytest.approx(2.145),
        "time_ratio_ci": [2.09, 2.2],
        "microseconds_per_million": 9512.6,
        "peak_memory_ratio": 2.5,
        "peak_bytes_per_value": 10.0,
        "kept_bytes_per_value": 4.0,
    }


def test_only_activations_have_a_cost() -> None:
    assert [str(choice) for choice in find_activations(["silu", "sigmoid"])] == ["swish", "sigmoid"]
    with pytest.raises(ConfigurationError, match=r"^logits is an output function; --cost measures activations$"):
        find_activations(["relu", "logits"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rlu", "--cost"], "no function is called 'rlu'; did you mean relu"),
        (["logits", "--cost"], "logits is an output function; --cost measures activations"),
        (["softmax", "--cost"], "softmax is an output function; --cost measures activations"),
    ],
)
def test_what_cannot_be_measured_is_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    finished = actbench("show", *arguments, folder=tmp_path)
    assert_one_message(finished, 2, message)
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_verb_measures_relu_and_what_it_was_asked_for(tmp_path: Path) -> None:
    finished = actbench("show", "tanh", "--cost", "--format", "json", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    document = json.loads(finished.stdout)
    assert [function["name"] for function in document["functions"]] == ["relu", "tanh"]
    assert document["rounds"] == ROUNDS
    assert all(len(function["ratios"]) == ROUNDS for function in document["functions"])
    assert [function["peak_memory_ratio"] for function in document["functions"]] == [1.0, 1.0]
    assert set(document["environment"]) == {"actbench", *describe_machine()}
    assert not any(str(tmp_path) in str(value) or "/" in str(value) for value in document["environment"].values())


@pytest.mark.slow
def test_the_table_follows_the_facts_and_replaces_the_plots(tmp_path: Path) -> None:
    finished = actbench("show", "tanh", "--cost", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[0] == "functions"
    facts, costs = finished.stdout.split("\ncost relative to relu\n")
    assert [line.split()[0] for line in costs.splitlines()[1:3]] == ["relu", "tanh"]
    assert "function on -8" not in facts
