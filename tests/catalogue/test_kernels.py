"""Every derivative in closed form is the one that autograd finds, at any parameters, in the tails and at the kinks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, default_parameters

OTHER_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leaky_relu": [{"negative_slope": 0.3}],
    "prelu": [{"negative_slope": 0.1}],
    "elu": [{"alpha": 0.5}],
    "swish": [{"beta": 1.7}, {"beta": 0.0}],
    "gelu": [{"approximate": "tanh"}, {"mean": 0.3, "std": 2.0}, {"approximate": "tanh", "mean": -1.0, "std": 0.5}],
    "log_softmax": [{"shift": False}],
    "softmax": [{"shift": False}],
}
ACTIVATIONS = [entry for entry in entries("activation") if entry.kernel is not None]
OUTPUTS = [entry for entry in entries("output") if entry.gradient is not None]
LOSSES = [entry for entry in entries("loss") if entry.gradient is not None]


def cases(chosen: list[Entry]) -> list[Any]:
    return [
        pytest.param(entry, parameters, id=f"{entry.name}-{parameters}")
        for entry in chosen
        for parameters in ({}, *OTHER_PARAMETERS.get(entry.name, []))
    ]


def given(entry: Entry, parameters: dict[str, Any]) -> dict[str, Any]:
    everything = default_parameters(entry) | parameters
    return {name: value for name, value in everything.items() if name not in ("learn", "per_feature")}


def by_autograd(function: Callable[..., Tensor], x: Tensor, *others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The value, a random derivative of some loss by it, and the derivative by `x` that follows."""
    leaf = x.clone().requires_grad_()
    value = function(leaf, *others)
    outer = torch.randn(value.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    (found,) = torch.autograd.grad(value, leaf, outer)
    return value.detach(), outer, found


def points(dtype: torch.dtype) -> Tensor:
    """`[trials, batch, units]`: near zero, ordinary, in the tails, and the kinks themselves."""
    ordinary = torch.randn(40, 10, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return torch.stack([ordinary, ordinary * 1e-4, ordinary * 8, torch.zeros_like(ordinary)])


def assert_agree(ours: Tensor, theirs: Tensor) -> None:
    tolerance = 1e-10 if ours.dtype == torch.float64 else 1e-4
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("entry", "parameters"), cases(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_kernel_agrees_with_function_and_autograd(
    entry: Entry, parameters: dict[str, Any], dtype: torch.dtype
) -> None:
    assert entry.kernel is not None
    settings, x = given(entry, parameters), points(dtype)
    value, outer, gradient = by_autograd(partial(entry.function, **settings), x)
    before, out = x.clone(), torch.full_like(x, torch.nan)
    with torch.no_grad():
        entry.kernel.forward(x, out, **settings)
        entry.kernel.backward(outer, out, x, **settings)
    assert_agree(out, value)
    assert_agree(outer, gradient)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("entry", "parameters"), cases(OUTPUTS))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_outputs_closed_form_agrees_with_autograd(
    entry: Entry, parameters: dict[str, Any], dtype: torch.dtype
) -> None:
    assert entry.gradient is not None
    settings, x = given(entry, parameters), points(dtype)
    value, outer, gradient = by_autograd(partial(entry.function, **settings), x)
    assert_agree(entry.gradient(outer, value, x, **settings), gradient)


@pytest.mark.parametrize("entry", LOSSES, ids=lambda entry: entry.name)
def test_a_losss_closed_form_agrees_with_autograd(entry: Entry) -> None:
    assert entry.gradient is not None
    x = points(torch.float64)
    labels = (torch.arange(160) % 10).view(4, 40)
    value, outer, gradient = by_autograd(entry.function, x, labels)
    assert_agree(entry.gradient(outer, value, x, labels), gradient)


def test_the_activations_that_most_networks_use_have_a_kernel() -> None:
    assert {entry.name for entry in ACTIVATIONS} >= {
        "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "swish", "mish",
    }  # fmt: skip


@pytest.mark.parametrize("x", [-1e4, -200.0, -90.0, 90.0, 200.0, 1e4])
def test_mish_is_right_where_its_exponential_overflows_or_vanishes(x: float) -> None:
    kernel = find("activation", "mish").kernel
    assert kernel is not None
    at, value, slope = torch.full((1, 1), x), torch.empty(1, 1), torch.ones(1, 1)
    kernel.forward(at, value)
    kernel.backward(slope, value, at)
    if x > 0:
        assert (value.item(), slope.item()) == (x, 1.0)
    else:
        assert abs(value.item()) < 1e-30
        assert abs(slope.item()) < 1e-30


@pytest.mark.parametrize("x", [-15.0, -3.0, -0.1, -1e-6, 1e-6, 0.1, 3.0, 15.0])
def test_mish_keeps_its_digits_where_tanh_of_a_logarithm_would_lose_them(x: float) -> None:
    exact = torch.nn.functional.mish(torch.tensor(x, dtype=torch.float64)).item()
    assert find("activation", "mish").function(torch.tensor(x)).item() == pytest.approx(exact, rel=5e-7)
