"""Axes, ticks, and the one colour, marker and dash of each arm."""

from __future__ import annotations

import math

import pytest

from actbench.catalogue.lookup import entries
from actbench.experiment.choices import parse_choice
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues, label_of
from actbench.report.figures.scales import (
    ACTIVATIONS_BY_PLACE,
    COLOURS,
    Axis,
    Scale,
    epoch_ticks,
    limits,
    scale_for,
    styles,
    ticks,
)
from actbench.report.numbers import metric_in_words

ACCURACY, LOSS, DEAD = map(parse_metric, ("test_accuracy", "test_loss", "layer1.dead_share"))


def names(scale: Scale, low: float, high: float, most: int) -> list[str]:
    return [scale.text(value) for value in ticks(scale, (low, high), most)]


def test_accuracies_close_together_are_linear_and_others_spread_by_their_errors() -> None:
    assert scale_for([0.974, 0.981], ACCURACY) == Scale("linear", True)
    assert scale_for([0.10, 0.98], ACCURACY) == Scale("errors", True)


def test_an_accuracy_without_errors_has_no_place_on_a_scale_of_errors() -> None:
    assert scale_for([0.10, 1.0], ACCURACY).kind == "linear"
    assert math.isfinite(Scale("errors").position(1.0))


def test_numbers_over_a_wide_range_are_logarithmic_unless_some_are_not_above_0() -> None:
    assert scale_for([0.01, 5.0], LOSS).kind == "log"
    assert scale_for([1.0, 5.0], LOSS).kind == "linear"
    assert scale_for([0.0, 5.0], LOSS).kind == "linear"
    assert scale_for([0.0, 0.5], DEAD) == Scale("linear", True)


def test_equal_steps_of_a_scale_of_errors_are_equal_ratios_of_errors() -> None:
    scale = Scale("errors", True)
    assert [scale.position(one) for one in (0.9, 0.99, 0.999)] == pytest.approx([1, 2, 3])


@pytest.mark.parametrize("scale", [Scale("linear"), Scale("log"), Scale("errors", True)], ids=lambda scale: scale.kind)
def test_values_are_the_inverse_of_positions(scale: Scale) -> None:
    assert [scale.value(scale.position(one)) for one in (0.1, 0.5, 0.98)] == pytest.approx([0.1, 0.5, 0.98])


def test_ticks_are_round_and_no_more_than_asked_for() -> None:
    assert names(Scale("linear", True), 0.9742, 0.9813, 5) == ["97.6", "97.8", "98"]
    assert names(Scale("linear", True), 0.9742, 0.9813, 10) == ["97.5", "97.6", "97.7", "97.8", "97.9", "98", "98.1"]
    assert names(Scale("errors", True), 0.1, 0.98, 6) == ["50", "80", "90", "95", "98"]
    assert names(Scale("errors", True), 0.92, 0.98, 6) == ["92", "94", "96", "98"]
    assert names(Scale("log"), 1, 10_000, 5) == ["1", "10", "100", "1000", "10000"]
    assert names(Scale("log"), 1, 1e9, 5) == ["1", "100", "10000", "1000000", "100000000"]


@pytest.mark.parametrize("scale", [Scale("linear"), Scale("log"), Scale("errors", True)], ids=lambda scale: scale.kind)
@pytest.mark.parametrize("most", [3, 5, 8])
def test_ticks_lie_within_the_axis_and_are_few(scale: Scale, most: int) -> None:
    for low, high in ((0.1, 0.2), (0.03, 0.9), (0.01, 0.98)):
        values = ticks(scale, (low, high), most)
        assert 1 <= len(values) <= most
        assert all(low <= value <= high for value in values)


def test_an_axis_of_one_value_still_has_a_width() -> None:
    for value, scale in ((0.98, Scale("linear", True)), (3.0, Scale()), (0.0, Scale()), (3.0, Scale("log"))):
        low, high = limits([value, math.nan], scale)
        assert low < value < high


def test_an_axis_says_its_unit_and_a_scale_that_is_not_the_usual_one() -> None:
    assert Scale("linear", True).name_of("test accuracy") == "test accuracy in %"
    assert Scale("errors", True).name_of("test accuracy") == "test accuracy in % (errors on a log scale)"
    assert Scale("log").name_of("test loss") == "test loss (log scale)"
    assert [metric_in_words(ACCURACY), metric_in_words(DEAD)] == ["test accuracy", "layer1.dead_share"]


def test_an_axis_has_the_places_and_the_ticks_of_its_scale() -> None:
    axis = Axis(Scale("errors", True), (0.1, 0.98), 200, 0)
    assert [axis.at(0.1), axis.at(0.98)] == pytest.approx([200, 0])
    assert [text for _, text in axis.ticks(6)] == ["50", "80", "90", "95", "98"]
    assert axis.at(0.8) - axis.at(0.9) == pytest.approx(axis.at(0.9) - axis.at(0.95))
    assert axis.within(1.0) == pytest.approx(0)


def test_epochs_are_whole_numbers_and_powers_of_ten_in_a_long_training() -> None:
    assert epoch_ticks(5, is_long=False, most=5) == [1, 2, 3, 4, 5]
    assert epoch_ticks(50, is_long=False, most=6) == [1, 10, 20, 30, 40, 50]
    assert epoch_ticks(10_000, is_long=True, most=5) == [1, 10, 100, 1000, 10000]
    assert len(epoch_ticks(10**8, is_long=True, most=5)) <= 5


@pytest.mark.parametrize("values", [[0.9135, 0.9135], [0.9135, 0.9135 + 1e-16], [0.0, 0.0], [0.0, 1e-17]])
def test_equal_shares_and_dust_of_rounding_have_an_axis_of_one_point(values: list[float]) -> None:
    low, high = limits(values, Scale("linear", is_share=True))
    assert high - low == pytest.approx(0.01, abs=1e-6)
    texts = [text for _, text in Axis(Scale("linear", is_share=True), (low, high), 0, 100).ticks(5)]
    assert len(set(texts)) == len(texts) > 1


@pytest.mark.parametrize("values", [[2e-8, 3e-8], [1.0, 1.5], [0.9, 0.9002]])
def test_what_differs_fills_its_axis(values: list[float]) -> None:
    low, high = limits(values, Scale())
    assert high - low == pytest.approx(1.1 * (values[1] - values[0]))


NEAR_BLACK = "#14171c"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def arms(*activations: object) -> dict[str, SettingValues]:
    values = [(("model.activation", parse_choice("activation", one)),) for one in activations]
    return {label_of(one): one for one in values}


@pytest.mark.parametrize("page", ["#ffffff", NEAR_BLACK])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_stands_out_on_a_white_and_on_a_dark_page(colour: str, page: str) -> None:
    darker, lighter = sorted((luminance(colour), luminance(page)))
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_every_activation_of_the_catalogue_has_a_place() -> None:
    assert set(ACTIVATIONS_BY_PLACE) == {entry.name for entry in entries("activation")}


def test_an_activation_looks_the_same_in_every_experiment() -> None:
    few, many = styles(arms("tanh", "relu")), styles(arms(*ACTIVATIONS_BY_PLACE))
    assert few["relu"] == many["relu"]
    assert few["tanh"] == many["tanh"]


def test_a_custom_arm_looks_the_same_in_whatever_order_the_arms_come() -> None:
    odd: dict[str, SettingValues] = {f"odd {number}": (("train.lr", number),) for number in range(3)}
    values = arms("relu", {"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}}) | odd
    assert styles(values) == styles(dict(reversed(values.items())))


def test_no_two_arms_look_alike() -> None:
    chosen = styles(
        arms(*ACTIVATIONS_BY_PLACE, {"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}})
    )
    assert len({(style.colour, style.marker) for style in chosen.values()}) == len(ACTIVATIONS_BY_PLACE) + 2
    assert len(set(styles([f"arm {number}" for number in range(40)]).values())) == 40


def test_arms_of_one_activation_share_its_colour_and_differ_in_their_marker() -> None:
    chosen = styles(arms({"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}}))
    first, second = chosen.values()
    assert first.colour == second.colour
    assert first.marker != second.marker
