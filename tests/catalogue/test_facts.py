"""What is said of a function without training, against what is known of it."""

from __future__ import annotations

import math

import pytest
import torch

from actbench.catalogue.facts import Saturation, gain, saturation, values_and_derivatives
from actbench.catalogue.registry import default_parameters, entries, find


def facts(name: str) -> Saturation:
    entry = find("activation", name)
    return saturation(entry, default_parameters(entry))


def gain_of(name: str, **changes: float) -> float:
    entry = find("activation", name)
    return gain(entry, default_parameters(entry) | changes)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softsign", "hardtanh", "hardsigmoid", "arctan"])
def test_squashing_functions_saturate_on_both_sides(name: str) -> None:
    found = facts(name)
    assert found.left is not None
    assert found.right is not None
    assert found.left == pytest.approx(-found.right)


@pytest.mark.parametrize("name", ["relu", "elu", "softplus", "swish", "mish", "gelu", "hardswish"])
def test_rectifiers_saturate_on_the_left_only(name: str) -> None:
    assert facts(name).left is not None
    assert facts(name).right is None


def test_saturation_is_where_the_derivative_passes_five_percent() -> None:
    assert facts("relu") == Saturation(0.0, None)
    assert facts("relu6") == Saturation(0.0, 6.0)
    exact = math.acosh(math.sqrt(1 / 0.05))  # tanh' = 1 / cosh^2
    assert facts("tanh").right == pytest.approx(exact, abs=0.011)
    assert facts("identity") == Saturation(None, None)


def test_the_gain_of_relu_is_the_square_root_of_two_and_of_leaky_relu_as_published() -> None:
    assert gain_of("identity") == pytest.approx(1, abs=1e-6)
    assert gain_of("relu") == pytest.approx(math.sqrt(2), abs=1e-6)
    assert gain_of("leaky_relu", negative_slope=0.2) == pytest.approx(math.sqrt(2 / (1 + 0.2**2)), abs=1e-6)
    assert gain_of("selu") == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("entry", entries("activation"), ids=lambda entry: entry.name)
def test_every_activation_has_facts_and_its_gain_agrees_with_draws(entry: object) -> None:
    found = next(one for one in entries("activation") if one is entry)
    z = torch.randn(200_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values, _ = values_and_derivatives(found, default_parameters(found), z)
    drawn = 1 / math.sqrt(float(values.square().mean()))
    assert gain(found, default_parameters(found)) == pytest.approx(drawn, rel=0.02)
    saturation(found, default_parameters(found))


def test_relus_derivative_is_0_below_and_1_above_zero() -> None:
    x = torch.tensor([-8.0, -0.1, 0.1, 7.9])
    _, slopes = values_and_derivatives(find("activation", "relu"), {}, x)
    assert slopes.tolist() == [0, 0, 1, 1]


def test_sigmoid_does_not_tell_10_from_1000_apart_in_float32() -> None:
    values, slopes = values_and_derivatives(find("activation", "sigmoid"), {}, torch.tensor([10.0, 1000.0]))
    assert float(values[1] - values[0]) < 5e-5
    assert float(slopes[1]) == 0
