"""Costs of activations, with planted times and with memory that follows from the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from scipy import stats

from actbench.checks import cost_torch as cost
from actbench.checks.cost import SHAPE, Memory, cost_of, measured_seconds, median_interval
from actbench.checks.cost_torch import Workload, fixed_values, measure_costs, measure_memory, workload
from actbench.experiment.choices import Choice, parse_choice

TENSOR_BYTES = 4 * math.prod(SHAPE)
LEARNING_SWISH = {"swish": {"learn": True}}


def chosen(value: Any) -> Choice:
    return parse_choice("activation", value)


def working(value: Any) -> Workload:
    return workload(chosen(value), *fixed_values())


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
    found = cost_of(chosen("gelu"), double, reference, Memory(8, 4, 4), Memory(4, 4, 0))
    assert found.ratios == (2.0,) * 30
    assert median_interval(found.ratios) == (2.0, 2.0)
    assert found.microseconds_per_million == pytest.approx(1e6 / math.prod(SHAPE) * 1e6)
    assert found.peak_memory_ratio == 2.0


def test_a_machine_that_slows_down_between_rounds_changes_no_ratio() -> None:
    clock, slowness = PlantedClock(), {"round": 1.0}
    passes = [clock.taking(lambda: slowness["round"]), clock.taking(lambda: 3 * slowness["round"])]
    seconds: list[list[float]] = [[], []]
    for number in range(5):
        slowness["round"] = 2.0**number
        for kept, one_round in zip(seconds, measured_seconds(passes, 1, clock), strict=True):
            kept += one_round
    assert seconds[0] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert cost_of(chosen("gelu"), seconds[1], seconds[0], Memory(8, 4, 4), Memory(8, 4, 0)).ratios == (3.0,) * 5


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
    low, high = median_interval(found[0].ratios) or (0, 0)
    assert low <= 1 <= high
    assert [each.ratios for each in found] == [(1.0,) * 7] * 2
    asked = measure_costs([chosen("tanh"), chosen("relu")], rounds=1, clock=lambda: float(next(ticks)))
    assert [str(each.choice) for each in asked] == ["tanh", "relu"]


def test_costs_are_those_of_the_functions_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, planted = PlantedClock(), {"relu": 1.0, "tanh": 0.5, "mish": 8.0}

    class Planted(Workload):
        def run(self) -> tuple[torch.Tensor, ...]:
            clock.now += planted[names[id(self.forward)]]
            return ()

    names: dict[int, str] = {}

    def planted_workload(choice: Choice, inputs: torch.Tensor, output_gradient: torch.Tensor) -> Workload:
        real = workload(choice, inputs, output_gradient)
        names[id(real.forward)] = choice.name
        return Planted(**vars(real))

    monkeypatch.setattr(cost, "workload", planted_workload)
    found = measure_costs([chosen("mish"), chosen("relu"), chosen("tanh")], rounds=6, clock=clock)
    assert {each.choice.name: each.ratios for each in found} == {
        "mish": (8.0,) * 6, "relu": (1.0,) * 6, "tanh": (0.5,) * 6,
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


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("identity", Memory(0, 0, 0)),
        ("relu", Memory(2 * TENSOR_BYTES, TENSOR_BYTES, 0)),  # output, then the input's gradient; the output is saved
        ("sigmoid", Memory(2 * TENSOR_BYTES, TENSOR_BYTES, 0)),
        ("gelu", Memory(2 * TENSOR_BYTES, TENSOR_BYTES, TENSOR_BYTES)),  # the input is saved
        ("leaky_relu", Memory(2 * TENSOR_BYTES, TENSOR_BYTES, TENSOR_BYTES)),
    ],
)
def test_memory_is_what_the_derivative_needs(activation: str, expected: Memory) -> None:
    assert measure_memory(working(activation)) == expected


def test_memory_of_several_operators_counts_what_each_saves_and_no_parameters() -> None:
    prelu, swish = (measure_memory(working(value)) for value in ("prelu", LEARNING_SWISH))
    assert prelu.saved_bytes == prelu.saved_bytes_beside_output == TENSOR_BYTES  # x
    assert swish.saved_bytes == swish.saved_bytes_beside_output == 2 * TENSOR_BYTES  # x, and sigmoid(beta x)
    assert prelu.peak_bytes > 3 * TENSOR_BYTES < swish.peak_bytes


@pytest.mark.parametrize("activation", ["relu", "softsign", "snake", LEARNING_SWISH])
def test_memory_is_the_same_each_time(activation: Any) -> None:
    first = measure_memory(working(activation))
    assert measure_memory(working(activation)) == first
    again = working(activation)
    assert [measure_memory(again), measure_memory(again)] == [first, first]


def test_learnt_parameters_get_gradients_of_their_size_as_in_training() -> None:
    def shapes(value: Any) -> list[tuple[int, ...]]:
        return [tuple(gradient.shape) for gradient in working(value).run() if gradient is not None]

    assert shapes("relu") == [SHAPE]
    assert shapes("prelu") == [SHAPE, (8, 1, 1)]
    assert shapes({"prelu": {"per_feature": True}}) == [SHAPE, (8, 1, 256)]
    assert shapes({"prelu": {"learn": False}}) == [SHAPE]
    assert shapes({"gelu": {"learn": True}}) == [SHAPE, (8, 1, 1), (8, 1, 1)]
