"""One colour, marker and dash for each arm, in all pictures of all experiments."""

from __future__ import annotations

import pytest

from actbench.catalogue.lookup import entries
from actbench.experiment.choices import parse_choice
from actbench.experiment.naming import Values, label_of
from actbench.report.figures.scales import COLOURS, PLACES, styles

NEAR_BLACK = "#14171c"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def arms(*activations: object) -> dict[str, Values]:
    values = [(("model.activation", parse_choice("activation", one)),) for one in activations]
    return {label_of(one): one for one in values}


@pytest.mark.parametrize("page", ["#ffffff", NEAR_BLACK])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_stands_out_on_a_white_and_on_a_dark_page(colour: str, page: str) -> None:
    darker, lighter = sorted((luminance(colour), luminance(page)))
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_every_activation_of_the_catalogue_has_a_place() -> None:
    assert set(PLACES) == {entry.name for entry in entries("activation")}


def test_an_activation_looks_the_same_in_every_experiment() -> None:
    few, many = styles(arms("tanh", "relu")), styles(arms(*PLACES))
    assert few["relu"] == many["relu"]
    assert few["tanh"] == many["tanh"]


def test_a_custom_arm_looks_the_same_in_whatever_order_the_arms_come() -> None:
    odd: dict[str, Values] = {f"odd {number}": (("train.lr", number),) for number in range(3)}
    values = arms("relu", {"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}}) | odd
    assert styles(values) == styles(dict(reversed(values.items())))


def test_no_two_arms_look_alike() -> None:
    chosen = styles(arms(*PLACES, {"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}}))
    assert len({(style.colour, style.marker) for style in chosen.values()}) == len(PLACES) + 2
    assert len(set(styles([f"arm {number}" for number in range(40)]).values())) == 40


def test_arms_of_one_activation_share_its_colour_and_differ_in_their_marker() -> None:
    chosen = styles(arms({"leaky_relu": {"negative_slope": 0.1}}, {"leaky_relu": {"negative_slope": 0.2}}))
    first, second = chosen.values()
    assert first.colour == second.colour
    assert first.marker != second.marker
