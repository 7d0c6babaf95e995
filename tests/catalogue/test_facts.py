"""What is said of a function without training, against what is known of it."""

from __future__ import annotations

import math

import pytest
import torch

from actbench.catalogue.facts import Saturation, saturation, values_and_derivatives
from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, default_parameters


def facts(name: str) -> Saturation:
    entry = find("activation", name)
    return saturation(entry, default_parameters(entry))


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


@pytest.mark.parametrize("entry", entries("activation"), ids=lambda entry: entry.name)
def test_every_activation_has_facts(entry: Entry) -> None:
    found = saturation(entry, default_parameters(entry))
    assert found.left is None or found.right is None or found.left < found.right


def test_relus_derivative_is_0_below_and_1_above_zero() -> None:
    x = torch.tensor([-8.0, -0.1, 0.1, 7.9])
    _, slopes = values_and_derivatives(find("activation", "relu"), {}, x)
    assert slopes.tolist() == [0, 0, 1, 1]


def test_sigmoid_does_not_tell_10_from_1000_apart_in_float32() -> None:
    values, slopes = values_and_derivatives(find("activation", "sigmoid"), {}, torch.tensor([10.0, 1000.0]))
    assert float(values[1] - values[0]) < 5e-5
    assert float(slopes[1]) == 0
