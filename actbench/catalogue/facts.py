"""Facts about activations and output functions that need no training: values, derivatives, saturation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from actbench.catalogue import formulas
from actbench.catalogue.registry import ENTRIES, Entry, call_parameters
from actbench.lazy import NDArray, Tensor, numpy, torch

SATURATED_SHARE = 0.05
MAX_INPUT = 50.0
GRID_STEPS = 20_001


@dataclass(frozen=True)
class Saturation:
    """Below `left` and above `right` |f'| is under 5 % of its maximum; None where that side does not saturate."""

    left: float | None
    right: float | None

    def in_words(self) -> str:
        """`below -2 and above 2`, or `nowhere`."""
        ends = ("below", self.left), ("above", self.right)
        return " and ".join(f"{side} {end:g}" for side, end in ends if end is not None) or "nowhere"


def differentiable(entry: Entry, parameters: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    """The activation or output at these parameters; autograd takes the slope that an activation declares."""
    given = call_parameters(parameters)
    function = partial(entry.function, **given)
    if entry.kind != "activation" or entry.gradient is None:
        return function
    gradient = partial(entry.gradient, **given)

    class Declared(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, x: Tensor) -> Tensor:
            value: Tensor = function(x).clone()
            context.save_for_backward(value, x)
            return value

        @staticmethod
        def backward(context: Any, grad: Tensor) -> Tensor:
            declared: Tensor = gradient(grad, *context.saved_tensors)
            return declared

    apply: Callable[[Tensor], Tensor] = Declared.apply
    return apply


def values_and_derivatives(entry: Entry, parameters: Mapping[str, Any], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """f(x) and f'(x) by automatic differentiation, elementwise, in the inputs' dtype."""
    x = inputs.detach().clone().requires_grad_()
    function = differentiable(entry, parameters)
    with torch.enable_grad():
        values = function(x)
        (derivatives,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), derivatives


def curve(
    entry: Entry, parameters: Mapping[str, Any], inputs: NDArray[numpy.float64]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
    """f(x) and f'(x), elementwise: of what is built in by its formula, without torch; of the rest by autograd."""
    is_built_in = entry.origin is None and ENTRIES.get((entry.kind, entry.name)) is entry
    if is_built_in and (known := formulas.curve(entry.formula, call_parameters(parameters), inputs)):
        return known
    values, derivatives = values_and_derivatives(entry, parameters, torch.from_numpy(inputs))
    return values.numpy(), derivatives.numpy()


def saturation(entry: Entry, parameters: Mapping[str, Any]) -> Saturation:
    """Where |f'| falls under 5 % of its maximum on [-50, 50] and stays there to that end, to two decimals."""
    x = numpy.linspace(-MAX_INPUT, MAX_INPUT, GRID_STEPS)
    slopes = numpy.abs(curve(entry, parameters, x)[1])
    alive = x[slopes >= SATURATED_SHARE * numpy.nanmax(slopes)]
    half_step = float(x[1] - x[0]) / 2
    left, right = float(alive.min()) - half_step, float(alive.max()) + half_step
    return Saturation(
        left=round(left, 2) + 0.0 if left > -MAX_INPUT else None,  # not -0.0
        right=round(right, 2) + 0.0 if right < MAX_INPUT else None,
    )


def largest_slope(entry: Entry, parameters: Mapping[str, Any]) -> float:
    """The maximum of |f'| on [-50, 50], by autograd: trials record shares of units below a part of it."""
    x = torch.linspace(-MAX_INPUT, MAX_INPUT, GRID_STEPS, dtype=torch.float64)
    return float(values_and_derivatives(entry, parameters, x)[1].abs().max())
