"""Derivatives in closed form of the functions that most networks use, one pass over memory where torch has it.

Each takes `outer`, the derivative of the loss by the function's value, then that value, then the function's own
arguments, and returns the derivative of the loss by the function's first argument.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = LazyModule("torch")


def _aten(name: str, *arguments: Any, **options: Any) -> Tensor:
    """What autograd itself calls."""
    found: Tensor = getattr(torch.ops.aten, name)(*arguments, **options)
    return found


def identity(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = 1."""
    return outer


def sigmoid(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = f(x) * (1 - f(x))."""
    return _aten("sigmoid_backward", outer, value)


def tanh(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = 1 - f(x) ** 2."""
    return _aten("tanh_backward", outer, value)


def relu(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = 1 if x > 0 else 0."""
    return _aten("threshold_backward", outer, x, 0)


def leaky_relu(outer: Tensor, value: Tensor, x: Tensor, *, negative_slope: float) -> Tensor:
    """f'(x) = 1 if x > 0 else negative_slope."""
    return _aten("leaky_relu_backward", outer, x, negative_slope, False)


def elu(outer: Tensor, value: Tensor, x: Tensor, *, alpha: float) -> Tensor:
    """f'(x) = 1 if x > 0 else alpha * exp(x)."""
    return _aten("elu_backward", outer, alpha, 1, 1, False, x)


def swish(outer: Tensor, value: Tensor, x: Tensor, *, beta: float) -> Tensor:
    """f'(x) = s * (1 + beta * x * (1 - s)), s = sigmoid(beta * x)."""
    if beta == 1:
        return _aten("silu_backward", outer, x)
    gate = torch.sigmoid(beta * x)
    return outer * gate * (1 + beta * x * (1 - gate))


def mish(outer: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = t + x * (1 - t ** 2) * sigmoid(x), t = tanh(log(1 + exp(x)))."""
    e = x.clamp_max(20).exp_()
    squared = (e + 2).mul_(e)
    t = squared.div_(squared + 2)
    gate = e.div_(e + 1).mul_(x)
    return gate.addcmul_(gate * t, t, value=-1).add_(t).mul_(outer)


def gelu(outer: Tensor, value: Tensor, x: Tensor, *, approximate: str, mean: float, std: float) -> Tensor:
    """f'(x) = Phi(z) + x * phi(z) / std, z = (x - mean) / std, or the derivative of the tanh approximation."""
    if (mean, std) == (0, 1):
        return _aten("gelu_backward", outer, x, approximate=approximate)
    z = (x - mean) / std
    if approximate == "none":
        density = torch.exp(z * z / -2) / math.sqrt(2 * math.pi)
        return outer * ((1 + torch.erf(z / math.sqrt(2))) / 2 + x * density / std)
    t = torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))
    slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z * z) / std
    return outer * ((1 + t) / 2 + x * (1 - t * t) * slope / 2)


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
