"""What is said of a function without training, against what is known of it."""

from __future__ import annotations

import math

import numpy
import pytest
import torch

from actbench.catalogue import formulas
from actbench.catalogue.facts import Saturation, curve, saturation, values_and_derivatives
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


CURVES = [entry for kind in ("activation", "output") for entry in entries(kind) if not entry.across_units]
OTHERS = {"leaky_relu": {"negative_slope": 0.3}, "elu": {"alpha": 2.0}, "swish": {"beta": 1.7}, "sine": {"omega": 30.0}}


@pytest.mark.parametrize("entry", CURVES, ids=lambda entry: f"{entry.kind}-{entry.name}")
def test_the_formula_of_what_is_built_in_gives_the_functions_values_and_derivatives(entry: Entry) -> None:
    kinks = [-6.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0]
    x = numpy.concatenate([numpy.linspace(-50, 50, 4001), kinks])
    parameters = default_parameters(entry) | OTHERS.get(entry.name, {})
    assert formulas.curve(entry.formula, parameters, x) is not None
    for computed, exact in zip(
        curve(entry, parameters, x), values_and_derivatives(entry, parameters, torch.from_numpy(x)), strict=True
    ):
        numpy.testing.assert_allclose(computed, exact.numpy(), rtol=1e-7, atol=1e-12)


def test_a_formula_that_overflows_or_says_nothing_leaves_the_curve_to_autograd() -> None:
    swish = find("activation", "swish")
    x = numpy.array([-40.0, 1.0])
    assert formulas.curve(swish.formula, {"beta": 100.0}, x) is None
    assert curve(swish, {"beta": 100.0}, x)[0].tolist() == pytest.approx([0, 1])
    for formula in ("", "x +", "unknown(x)", "floor(x)", "log(x)"):
        assert formulas.curve(formula, {}, x) is None
