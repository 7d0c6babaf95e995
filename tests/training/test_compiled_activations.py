"""Compiled activations: the catalogue's values and derivatives, and bits that depend on the element alone."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch

from actbench.catalogue.registry import call_parameters
from actbench.experiment.choices import Choice
from actbench.experiment.settings import TrialSettings
from actbench.training.compiled import COMPILED_ACTIVATIONS, compiled_functions
from actbench.training.functions import bind_activation, is_compiled

LIBRARY = compiled_functions().library

pytestmark = pytest.mark.skipif(LIBRARY is None, reason=compiled_functions().reason or "available")


def choice_of(activation: Any) -> Choice:
    choice = TrialSettings.model_validate({"model": {"activation": activation}}).model.activation
    assert isinstance(choice, Choice)
    return choice


def both_passes(activation: Any, x: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    value, pullback = bind_activation(choice_of(activation), {}, LIBRARY)(x, torch.empty_like(x))
    return value, pullback(grad.clone())


@pytest.mark.parametrize(
    "activation", [*COMPILED_ACTIVATIONS, {"elu": {"alpha": 0.3}}, {"swish": {"beta": 1.0}}], ids=str
)
@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.3, 1.0, 5.0, 30.0, 200.0])
def test_values_and_derivatives_are_those_of_the_function(activation: Any, size: float) -> None:
    choice = choice_of(activation)
    parameters = call_parameters(dict(choice.parameters))
    assert is_compiled(choice, parameters)
    x = torch.cat([torch.linspace(-size, size, 1001), torch.zeros(1)]).reshape(1, 2, 501)
    grad = torch.linspace(-2, 2, 1002).reshape(1, 2, 501)
    exact = x.double().requires_grad_()
    expected = partial(choice.entry.function, **parameters)(exact)
    torch.autograd.backward(expected, grad.double())
    value, slope = both_passes(activation, x, grad)
    assert exact.grad is not None
    torch.testing.assert_close(value.double(), expected.detach(), rtol=2e-6, atol=1e-35)
    torch.testing.assert_close(slope.double(), exact.grad, rtol=4e-6, atol=1e-6)


@pytest.mark.parametrize("activation", COMPILED_ACTIVATIONS)
@pytest.mark.parametrize("count", [1, 7, 63, 64, 65, 129])
def test_an_element_has_the_same_bits_wherever_it_lies(activation: str, count: int) -> None:
    x, grad = (torch.randn(1, 1, 300, generator=torch.Generator().manual_seed(seed)) * 3 for seed in (0, 1))
    whole = both_passes(activation, x, grad)
    for start in (0, 1, 13, 64):
        part = both_passes(activation, x[..., start : start + count], grad[..., start : start + count])
        assert torch.equal(part[0], whole[0][..., start : start + count])
        assert torch.equal(part[1], whole[1][..., start : start + count])


@pytest.mark.parametrize("activation", COMPILED_ACTIVATIONS)
def test_what_is_no_number_stays_none_and_infinities_have_their_limits(activation: str) -> None:
    choice = choice_of(activation)
    x = torch.tensor([[[math.nan, math.inf, 1e30, -1e30]]])
    value, _ = both_passes(activation, x, torch.ones_like(x))
    assert value[0, 0, 0].isnan()
    expected = choice.entry.function(torch.tensor([1e30, -1e30]))
    torch.testing.assert_close(value[0, 0, 2:], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(value[0, 0, 1], choice.entry.function(torch.tensor(math.inf)), rtol=0, atol=0)


@pytest.mark.parametrize("activation", COMPILED_ACTIVATIONS)
def test_memory_that_is_not_contiguous_is_read_and_written_in_its_places(activation: str) -> None:
    x, grad = torch.randn(2, 3, 2, 20, 5, generator=torch.Generator().manual_seed(0))[..., 0]
    _, pullback = bind_activation(choice_of(activation), {}, LIBRARY)(x, torch.empty(3, 2, 20))
    expected = both_passes(activation, x.contiguous(), grad.contiguous())[1]
    assert pullback(grad) is grad
    assert torch.equal(grad, expected)


@pytest.mark.parametrize("activation", ["relu", "gelu", {"swish": {"beta": 2.0}}, "selu", "softplus"], ids=str)
def test_other_activations_are_torchs(activation: Any) -> None:
    choice = choice_of(activation)
    assert not is_compiled(choice, call_parameters(dict(choice.parameters)))
