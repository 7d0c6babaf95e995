"""Matrix products of a whole stack whose every trial has the same bits as when it is alone.

On one thread, a batched product (MKL, float32) gives each of its matrices the bits it has alone only if every matrix
starts on a 64-byte boundary and has no dimension of size 1; an elementwise function gives an element the same bits only
if it stands at the same place of the vector loop. Both were measured on x86. So whole stacks are computed at once where
each trial's share is a multiple of the vector loop, and trial by trial in fresh memory where it is not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

VECTOR_ELEMENTS = 32


def is_aligned(elements: int) -> bool:
    """Whether shares of so many float32 elements follow each other without one disturbing the next."""
    return elements % VECTOR_ELEMENTS == 0


def multiply(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """The products of `[trials, n, k]` and `[trials, k, m]`, as `[trials, n, m]`."""
    n, k, m = left.shape[1], left.shape[2], right.shape[2]
    at_once = left.device.type != "cpu" or (
        min(n, k, m) > 1 and is_aligned(n * k) and is_aligned(k * m) and is_aligned(n * m)
    )
    if at_once:
        return torch.bmm(left, right, out=out)
    products = [torch.mm(a.clone(), b.clone()) for a, b in zip(left, right, strict=True)]
    return torch.stack(products, out=out)


class StackedLinear(torch.autograd.Function):
    """inputs @ weight + bias for every trial, its weight and bias gradients written where the optimizer reads them."""

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor, weight_gradient: Tensor, bias_gradient: Tensor
    ) -> Tensor:
        """Shapes: inputs `[trials, batch, in]`, weight `[trials, in, out]`, bias `[trials, out]`."""
        ctx.save_for_backward(inputs, weight)
        ctx.gradients = weight_gradient, bias_gradient
        return multiply(inputs, weight).add_(bias.unsqueeze(1))

    @staticmethod
    def backward(ctx: Any, *output_gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The inputs' gradient; the weight's and bias's go to the memory given to `forward`."""
        inputs, weight = ctx.saved_tensors
        weight_gradient, bias_gradient = ctx.gradients
        gradient = output_gradients[0].contiguous()
        multiply(inputs.transpose(1, 2), gradient, out=weight_gradient)
        torch.sum(gradient, dim=1, out=bias_gradient)
        inputs_gradient = multiply(gradient, weight.transpose(1, 2)) if ctx.needs_input_grad[0] else None
        return inputs_gradient, None, None, None, None
