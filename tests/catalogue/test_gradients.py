"""Every derivative in closed form is the one that autograd finds, at any parameters, in the tails and at the kinks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.catalogue.registry import Entry, default_parameters, entries, find

OTHER_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leaky_relu": [{"negative_slope": 0.3}],
    "prelu": [{"negative_slope": 0.1}],
    "elu": [{"alpha": 0.5}],
    "swish": [{"beta": 1.7}, {"beta": 0.0}],
    "gelu": [{"approximate": "tanh"}, {"mean": 0.3, "std": 2.0}, {"approximate": "tanh", "mean": -1.0, "std": 0.5}],
    "log_softmax": [{"shift": False}],
    "softmax": [{"shift": False}],
}
ELEMENTWISE = [entry for kind in ("activation", "output") for entry in entries(kind) if entry.gradient is not None]
LOSSES = [entry for entry in entries("loss") if entry.gradient is not None]
CASES = [
    pytest.param(entry, parameters, id=f"{entry.kind}-{entry.name}-{parameters}")
    for entry in ELEMENTWISE
    for parameters in ({}, *OTHER_PARAMETERS.get(entry.name, []))
]


def given(entry: Entry, parameters: dict[str, Any]) -> dict[str, Any]:
    everything = default_parameters(entry) | parameters
    return {name: value for name, value in everything.items() if name not in ("learn", "per_feature")}


def both_gradients(entry: Entry, function: Callable[..., Tensor], x: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    """The closed form, and what autograd finds, for a random derivative by the value."""
    leaf = x.clone().requires_grad_()
    value = function(leaf, *others)
    outer = torch.randn(value.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    (theirs,) = torch.autograd.grad(value, leaf, outer)
    assert entry.gradient is not None
    before = outer.clone(), x.clone()
    with torch.no_grad():
        ours = entry.gradient(outer, value.detach(), x, *others)
    assert torch.equal(outer, before[0])
    assert torch.equal(x, before[1])
    return ours, theirs


def points(dtype: torch.dtype) -> Tensor:
    """Rows of ten values: near zero, ordinary, in the tails, and the kinks themselves."""
    draws = torch.Generator().manual_seed(0)
    ordinary = torch.randn(40, 10, generator=draws, dtype=dtype)
    return torch.cat([ordinary, ordinary * 1e-4, ordinary * 8, torch.zeros(1, 10, dtype=dtype)])


@pytest.mark.parametrize(("entry", "parameters"), CASES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_closed_form_agrees_with_autograd(entry: Entry, parameters: dict[str, Any], dtype: torch.dtype) -> None:
    settings = given(entry, parameters)
    bound = Entry(**{**entry.__dict__, "gradient": partial(entry.gradient, **settings) if entry.gradient else None})
    ours, theirs = both_gradients(bound, partial(entry.function, **settings), points(dtype))
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("entry", LOSSES, ids=lambda entry: entry.name)
def test_a_losss_closed_form_agrees_with_autograd(entry: Entry) -> None:
    labels = torch.arange(121) % 10
    ours, theirs = both_gradients(entry, entry.function, points(torch.float64), labels)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("x", [-1e4, -200.0, -90.0, 90.0, 200.0, 1e4])
def test_mish_is_right_where_its_exponential_overflows_or_vanishes(x: float) -> None:
    entry = find("activation", "mish")
    assert entry.gradient is not None
    at = torch.tensor([x])
    value = entry.function(at)
    slope = entry.gradient(torch.ones(1), value, at)
    if x > 0:
        assert (value.item(), slope.item()) == (x, 1.0)
    else:
        assert abs(value.item()) < 1e-30
        assert abs(slope.item()) < 1e-30


@pytest.mark.parametrize("x", [-15.0, -3.0, -0.1, -1e-6, 1e-6, 0.1, 3.0, 15.0])
def test_mish_keeps_its_digits_where_tanh_of_a_logarithm_would_lose_them(x: float) -> None:
    exact = torch.nn.functional.mish(torch.tensor(x, dtype=torch.float64)).item()
    assert find("activation", "mish").function(torch.tensor(x)).item() == pytest.approx(exact, rel=5e-7)
