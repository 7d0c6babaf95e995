"""Where values stand on an axis."""

from __future__ import annotations

import math

import pytest

from actbench.experiment.metrics import parse_metric
from actbench.report.figures.scales import Scale, limits, scale_for, ticks
from actbench.report.numbers import metric_in_words

ACCURACY, LOSS, DEAD = map(parse_metric, ("test_accuracy", "test_loss", "layer1.dead_share"))


def names(scale: Scale, low: float, high: float, most: int) -> list[str]:
    return [text for _, text in ticks(scale, scale.at(low), scale.at(high), most)]


def test_accuracies_close_together_are_linear_and_others_spread_by_their_errors() -> None:
    assert scale_for([0.974, 0.981], ACCURACY) == Scale("linear", True)
    assert scale_for([0.10, 0.98], ACCURACY) == Scale("errors", True)


def test_an_accuracy_without_errors_has_no_place_on_a_scale_of_errors() -> None:
    assert scale_for([0.10, 1.0], ACCURACY).kind == "linear"
    assert math.isfinite(Scale("errors").at(1.0))


def test_numbers_over_a_wide_range_are_logarithmic_unless_some_are_not_above_0() -> None:
    assert scale_for([0.01, 5.0], LOSS).kind == "log"
    assert scale_for([1.0, 5.0], LOSS).kind == "linear"
    assert scale_for([0.0, 5.0], LOSS).kind == "linear"
    assert scale_for([0.0, 0.5], DEAD) == Scale("linear", True)


def test_equal_steps_of_a_scale_of_errors_are_equal_ratios_of_errors() -> None:
    scale = Scale("errors", True)
    steps = [scale.at(after) - scale.at(before) for before, after in ((0.9, 0.99), (0.99, 0.999))]
    assert steps == pytest.approx([1, 1])


def test_ticks_are_round_and_no_more_than_asked_for() -> None:
    assert names(Scale("linear", True), 0.9742, 0.9813, 5) == ["97.6", "97.8", "98"]
    assert names(Scale("linear", True), 0.9742, 0.9813, 10) == ["97.5", "97.6", "97.7", "97.8", "97.9", "98", "98.1"]
    assert names(Scale("errors", True), 0.1, 0.98, 6) == ["50", "80", "90", "95", "98"]
    assert names(Scale("errors", True), 0.92, 0.98, 6) == ["92", "94", "96", "98"]
    assert names(Scale("log"), 1, 10_000, 5) == ["1", "10", "100", "1000", "10000"]
    assert names(Scale("log"), 1, 1e9, 5) == ["1", "100", "10000", "1000000", "100000000"]


@pytest.mark.parametrize("scale", [Scale("linear"), Scale("log"), Scale("errors", True)], ids=lambda scale: scale.kind)
@pytest.mark.parametrize("most", [1, 2, 3, 5, 8])
def test_ticks_lie_within_the_axis_and_are_few(scale: Scale, most: int) -> None:
    for low, high in ((0.1, 0.2), (0.03, 0.9), (0.5, 0.501)):
        found = ticks(scale, scale.at(low), scale.at(high), most)
        assert 1 <= len(found) <= most
        assert all(scale.at(low) - 1e-3 <= position <= scale.at(high) + 1e-3 for position, _ in found)


def test_an_axis_of_one_value_still_has_a_width() -> None:
    for value, scale in ((0.98, Scale("linear", True)), (3.0, Scale()), (0.0, Scale()), (3.0, Scale("log"))):
        low, high = limits([value, math.nan], scale)
        assert low < scale.at(value) < high


def test_an_axis_says_its_unit_and_a_scale_that_is_not_the_usual_one() -> None:
    assert Scale("linear", True).name_of("test accuracy") == ["test accuracy in %"]
    assert Scale("errors", True).name_of("test accuracy") == ["test accuracy in %", "(errors on a log scale)"]
    assert Scale("log").name_of("test loss") == ["test loss", "(log scale)"]
    assert [metric_in_words(ACCURACY), metric_in_words(DEAD)] == ["test accuracy", "layer1.dead_share"]
