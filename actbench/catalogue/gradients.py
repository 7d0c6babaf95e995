"""Derivatives in closed form of output functions and losses.

Each takes `outer`, the derivative of the loss by the function's value, then that value, then the function's own
arguments, and returns the derivative of the loss by the function's first argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = LazyModule("torch")


def identity(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = 1."""
    return outer


def sigmoid(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = f(x) * (1 - f(x))."""
    return outer * value * (1 - value)


def log_softmax(outer: Tensor, value: Tensor, x: Tensor, *, shift: bool) -> Tensor:
    """df_i/dx_j = [i = j] - softmax(x)_j."""
    if shift:
        return outer - value.exp() * outer.sum(dim=-1, keepdim=True)
    exponentials = x.exp()
    return outer - exponentials / exponentials.sum(dim=-1, keepdim=True) * outer.sum(dim=-1, keepdim=True)


def softmax(outer: Tensor, value: Tensor, x: Tensor, *, shift: bool) -> Tensor:
    """df_i/dx_j = f_i * ([i = j] - f_j)."""
    return value * (outer - (outer * value).sum(dim=-1, keepdim=True))


def nll(outer: Tensor, value: Tensor, prediction: Tensor, label: Tensor) -> Tensor:
    """df/dprediction_j = -[j = label]."""
    return torch.zeros_like(prediction).scatter_(-1, label.unsqueeze(-1), -outer.unsqueeze(-1))


def cross_entropy(outer: Tensor, value: Tensor, prediction: Tensor, label: Tensor) -> Tensor:
    """df/dprediction_j = softmax(prediction)_j - [j = label]."""
    exponentials = (prediction - prediction.amax(dim=-1, keepdim=True)).exp_()
    probabilities = exponentials.div_(exponentials.sum(dim=-1, keepdim=True)).mul_(outer.unsqueeze(-1))
    return probabilities.scatter_add_(-1, label.unsqueeze(-1), -outer.unsqueeze(-1))
