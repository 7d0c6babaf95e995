"""What can be said of an activation or an output function without training: values, derivative, saturation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.catalogue.registry import Entry, call_parameters
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = LazyModule("torch")

SATURATED_SHARE = 0.05
MAX_INPUT = 50.0
GRID_STEPS = 20_001


@dataclass(frozen=True)
class Saturation:
    """Below `left` and above `right` |f'| is under 5 % of its maximum; None where that side does not saturate."""

    left: float | None
    right: float | None


def values_and_derivatives(entry: Entry, parameters: Mapping[str, Any], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) and f'(x) by automatic differentiation, elementwise, in the inputs' dtype."""
    x = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        values = entry.function(x, **call_parameters(parameters))
        (derivatives,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), derivatives


def saturation(entry: Entry, parameters: Mapping[str, Any]) -> Saturation:
    """Where |f'| falls under 5 % of its maximum on [-50, 50] and stays there to that end, to two decimals."""
    x = _wide_grid()
    slopes = values_and_derivatives(entry, parameters, x)[1].abs()
    alive = x[slopes >= SATURATED_SHARE * slopes.max()]
    half_step = float(x[1] - x[0]) / 2
    left, right = float(alive.min()) - half_step, float(alive.max()) + half_step
    return Saturation(
        left=round(left, 2) if left > -MAX_INPUT else None, right=round(right, 2) if right < MAX_INPUT else None
    )


def largest_slope(entry: Entry, parameters: Mapping[str, Any]) -> float:
    """The maximum of |f'| on [-50, 50]."""
    return float(values_and_derivatives(entry, parameters, _wide_grid())[1].abs().max())


def _wide_grid() -> Tensor:
    return torch.linspace(-MAX_INPUT, MAX_INPUT, GRID_STEPS, dtype=torch.float64)
