"""Gains: known values, draws, what torch publishes, and names in the place of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn

from actbench.catalogue.facts import curve, values_and_derivatives
from actbench.catalogue.gains import (
    PUBLISHED_GAINS,
    backward_gain,
    gain,
    published_gain,
    second_moments,
    with_gain,
)
from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, default_parameters
from actbench.errors import ConfigurationError

by_activation = pytest.mark.parametrize("entry", entries("activation"), ids=lambda entry: entry.name)


def gains_of(name: str, **changes: float) -> tuple[float, float]:
    entry = find("activation", name)
    parameters = default_parameters(entry) | changes
    return gain(entry, parameters), backward_gain(entry, parameters)


def made(function: Any) -> Entry:
    """An activation that is in no catalogue."""
    return Entry("activation", function.__name__, function, formula="", reference="", summary="")


SLOPED = {"negative_slope": 0.2}
KNOWN = [
    ("identity", {}, 1.0, 1.0),
    ("relu", {}, math.sqrt(2), math.sqrt(2)),
    ("leaky_relu", SLOPED, math.sqrt(2 / (1 + 0.2**2)), math.sqrt(2 / (1 + 0.2**2))),
    ("relu_squared", {}, math.sqrt(2 / 3), math.sqrt(1 / 2)),
    ("sine", {"omega": 1.0}, math.sqrt(2 / (1 - math.exp(-2))), math.sqrt(2 / (1 + math.exp(-2)))),
    ("sine", {"omega": 30.0}, math.sqrt(2), math.sqrt(2) / 30),
]


@pytest.mark.parametrize(("name", "changes", "forward", "backward"), KNOWN)
def test_gains_are_those_of_closed_forms(name: str, changes: dict[str, float], forward: float, backward: float) -> None:
    found = gains_of(name, **changes)
    assert found[0] == pytest.approx(forward, rel=1e-8)
    assert found[1] == pytest.approx(backward, rel=1e-8)


def test_the_gains_of_tanh_and_selu_are_the_known_ones() -> None:
    forward, backward = gains_of("tanh")
    assert forward == pytest.approx(1.5925374, abs=1e-6)
    assert backward < forward
    assert gains_of("selu")[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("edge", [0.3, 0.7071, 1.0, 1.9])
def test_a_kink_may_be_anywhere(edge: float) -> None:
    inside = math.erf(edge / math.sqrt(2))
    assert gains_of("hardtanh", min_val=-edge, max_val=edge)[1] == pytest.approx(1 / math.sqrt(inside), abs=1e-8)
    assert gains_of("softshrink", lambd=edge)[1] == pytest.approx(1 / math.sqrt(1 - inside), abs=1e-7)


@by_activation
def test_both_gains_agree_with_draws(entry: Entry) -> None:
    parameters = default_parameters(entry)
    z = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for found, drawn in zip((gain, backward_gain), values_and_derivatives(entry, parameters, z), strict=True):
        assert found(entry, parameters) == pytest.approx(1 / math.sqrt(float(drawn.square().mean())), rel=0.02)


@by_activation
def test_moments_at_another_scale_are_those_of_scaled_draws(entry: Entry) -> None:
    parameters = default_parameters(entry)
    z = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for found, drawn in zip(
        second_moments(entry, parameters, sd=0.4, tolerance=1e-4),
        values_and_derivatives(entry, parameters, 0.4 * z),
        strict=True,
    ):
        assert found == pytest.approx(float(drawn.square().mean()), rel=0.03)


@pytest.mark.parametrize(("name", "torchs"), [("identity", "linear"), ("sigmoid", "sigmoid"), ("tanh", "tanh")])
def test_published_gains_are_torchs(name: str, torchs: Any) -> None:
    assert published_gain(find("activation", name), {}) == nn.init.calculate_gain(torchs)


def test_published_gains_of_rectifiers_are_torchs() -> None:
    assert published_gain(find("activation", "relu"), {}) == nn.init.calculate_gain("relu")
    slope = {"negative_slope": 0.3}
    assert published_gain(find("activation", "leaky_relu"), slope) == nn.init.calculate_gain("leaky_relu", 0.3)
    assert published_gain(find("activation", "prelu"), slope) == nn.init.calculate_gain("leaky_relu", 0.3)


@pytest.mark.parametrize("name", PUBLISHED_GAINS)
def test_every_published_gain_has_a_reference_and_is_for_an_activation_at_its_defaults(name: str) -> None:
    entry = find("activation", name)
    assert entry.name == name
    assert 0.5 < (published_gain(entry, default_parameters(entry)) or 0) < 2
    assert PUBLISHED_GAINS[name].reference


def test_a_named_gain_becomes_the_number_of_the_activation_that_feeds_the_layer_with_six_digits() -> None:
    tanh = find("activation", "tanh")
    given = {"gain": "derived", "mode": "fan_in"}
    assert with_gain(given, tanh, {}) == {"gain": 1.59254, "mode": "fan_in"}
    assert with_gain({"gain": "derived_backward"}, tanh, {}) == {"gain": 1.46741}
    assert with_gain({"gain": "published"}, tanh, {}) == {"gain": 1.66667}
    assert with_gain(given, None, {})["gain"] == 1
    assert with_gain({"gain": 0.3}, tanh, {}) == {"gain": 0.3}
    assert with_gain({"std": 0.3}, tanh, {}) == {"std": 0.3}


def test_where_there_is_no_such_gain_the_sentence_says_what_to_do() -> None:
    def nothing(x: Tensor) -> Tensor:
        return 0 * x

    for name, entry in (("derived", made(nothing)), ("published", find("activation", "gelu"))):
        with pytest.raises(ConfigurationError, match=f"{entry.name} has no {name} gain: give a number"):
            with_gain({"gain": name}, entry, {})


@by_activation
def test_the_moments_are_those_of_scipys_quadrature(entry: Entry) -> None:
    parameters = default_parameters(entry)

    def integrand(z: Any) -> Any:
        squares = [part**2 for part in curve(entry, parameters, z[:, 0])]
        return np.stack(squares, axis=1) * stats.norm.pdf(z)

    expected = integrate.cubature(integrand, [-12.0], [12.0], rtol=1e-10, atol=1e-12, max_subdivisions=4000).estimate
    assert second_moments(entry, parameters) == pytest.approx(tuple(expected), rel=1e-8)
