"""Derivatives in closed form: the passes of activations, in place, and the gradients of outputs and losses.

An activation's `forward(x, out, **parameters)` writes f(x) to `out`. Its `backward(grad, value, x, **parameters)`
multiplies `grad`, the derivative of the loss by the value f(x), by f'(x), which makes it the derivative by `x`. The
`*_gradient` functions of outputs and losses take the same arguments and return the derivative by their first argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from actbench.catalogue.torch_private import operator
from actbench.lazy import Tensor, torch


@dataclass(frozen=True)
class Kernel:
    """Both passes of an activation whose parameters are not learnt; a test compares them with function and autograd.

    `operators` are the native operators of torch that they call; where one is missing, autograd takes their place.
    """

    forward: Callable[..., object]
    backward: Callable[..., object]
    operators: tuple[str, ...] = ()

    def is_available(self) -> bool:
        """Whether this torch has every operator."""
        return all(operator(name) is not None for name in self.operators)


@cache
def _native(name: str) -> Callable[..., object]:
    function = operator(name)
    assert function is not None
    return function


def _swish_forward(x: Tensor, out: Tensor, *, beta: float) -> None:
    if beta == 1:
        _native("silu.out")(x, out=out)
    else:
        torch.mul(x, beta, out=out).sigmoid_().mul_(x)


def _swish_backward(grad: Tensor, value: Tensor, x: Tensor, *, beta: float) -> None:
    """f'(x) = s * (1 + beta * x * (1 - s)), s = sigmoid(beta * x)."""
    if beta == 1:
        _native("silu_backward.grad_input")(grad, x, grad_input=grad)
    else:
        gate = torch.sigmoid(beta * x)
        grad.mul_(gate).mul_(1 + beta * x * (1 - gate))


def _gelu_forward(x: Tensor, out: Tensor, *, approximate: str, mean: float, std: float) -> None:
    if (mean, std) == (0, 1):
        _native("gelu.out")(x, approximate=approximate, out=out)
    else:
        out.copy_((1 + gelu_gate((x - mean) / std, approximate)) / 2 * x)


def _gelu_backward(grad: Tensor, value: Tensor, x: Tensor, *, approximate: str, mean: float, std: float) -> None:
    """f'(x) = Phi(z) + x * phi(z) / std, z = (x - mean) / std, or the derivative of the tanh approximation."""
    if (mean, std) == (0, 1):
        _native("gelu_backward.grad_input")(grad, x, approximate=approximate, grad_input=grad)
        return
    z = (x - mean) / std
    gate = gelu_gate(z, approximate)
    if approximate == "none":
        slope = math.sqrt(2 / math.pi) * torch.exp(z * z / -2)
    else:
        slope = (1 - gate * gate) * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z * z)
    grad.mul_((1 + gate + x * slope / std) / 2)


def gelu_gate(z: Tensor, approximate: str) -> Tensor:
    """2 * Phi(z) - 1, or the tanh that approximates it."""
    if approximate == "none":
        return torch.erf(z / math.sqrt(2))
    return torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))


def _mish_forward(x: Tensor, out: Tensor) -> None:
    for each, result in zip(x, out, strict=True):  # trial by trial, so that what is in between stays in the cache
        e = torch.clamp_max(each, 20, out=result).exp_()
        h = torch.addcmul(e, e, e, value=0.5)
        torch.div(h, h + 1, out=result).mul_(each)


def _mish_backward(grad: Tensor, value: Tensor, x: Tensor) -> None:
    """f'(x) = (h + x * h' / (h + 1)) / (h + 1), h = e + e ** 2 / 2, h' = e + e ** 2, e = exp(x)."""
    for found, each in zip(grad, x, strict=True):
        e = each.clamp_max(20).exp_()
        h = torch.addcmul(e, e, e, value=0.5)
        beyond = h + 1
        found.mul_(h.addcdiv_(e.addcmul_(e, e).mul_(each), beyond).div_(beyond))


IDENTITY = Kernel(lambda x, out: out.copy_(x), lambda grad, value, x: None)
SIGMOID = Kernel(
    lambda x, out: torch.sigmoid(x, out=out),
    lambda grad, value, x: _native("sigmoid_backward.grad_input")(grad, value, grad_input=grad),
    ("sigmoid_backward.grad_input",),
)
TANH = Kernel(
    lambda x, out: torch.tanh(x, out=out),
    lambda grad, value, x: _native("tanh_backward.grad_input")(grad, value, grad_input=grad),
    ("tanh_backward.grad_input",),
)
RELU = Kernel(
    lambda x, out: torch.clamp_min(x, 0, out=out),
    lambda grad, value, x: _native("threshold_backward.grad_input")(grad, x, 0, grad_input=grad),
    ("threshold_backward.grad_input",),
)
LEAKY_RELU = Kernel(
    lambda x, out, negative_slope: _native("leaky_relu.out")(x, negative_slope, out=out),
    lambda grad, value, x, negative_slope: _native("leaky_relu_backward.grad_input")(
        grad, x, negative_slope, False, grad_input=grad
    ),
    ("leaky_relu.out", "leaky_relu_backward.grad_input"),
)
ELU = Kernel(
    lambda x, out, alpha: _native("elu.out")(x, alpha, 1, 1, out=out),
    lambda grad, value, x, alpha: _native("elu_backward.grad_input")(grad, alpha, 1, 1, False, x, grad_input=grad),
    ("elu.out", "elu_backward.grad_input"),
)
SWISH = Kernel(_swish_forward, _swish_backward, ("silu.out", "silu_backward.grad_input"))
GELU = Kernel(_gelu_forward, _gelu_backward, ("gelu.out", "gelu_backward.grad_input"))
MISH = Kernel(_mish_forward, _mish_backward)


def identity_gradient(grad: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = 1."""
    return grad


def sigmoid_gradient(grad: Tensor, value: Tensor, x: Tensor) -> Tensor:
    """f'(x) = f(x) * (1 - f(x))."""
    return grad * value * (1 - value)


def log_softmax_gradient(grad: Tensor, value: Tensor, x: Tensor, *, shift: bool) -> Tensor:
    """df_i/dx_j = [i = j] - softmax(x)_j."""
    if shift:
        return grad - value.exp() * grad.sum(dim=-1, keepdim=True)
    exponentials = x.exp()
    return grad - exponentials / exponentials.sum(dim=-1, keepdim=True) * grad.sum(dim=-1, keepdim=True)


def softmax_gradient(grad: Tensor, value: Tensor, x: Tensor, *, shift: bool) -> Tensor:
    """df_i/dx_j = f_i * ([i = j] - f_j)."""
    return value * (grad - (grad * value).sum(dim=-1, keepdim=True))


def nll_gradient(grad: Tensor, value: Tensor, prediction: Tensor, label: Tensor) -> Tensor:
    """df/dprediction_j = -[j = label]."""
    return torch.zeros_like(prediction).scatter_(-1, label.unsqueeze(-1), -grad.unsqueeze(-1))


def cross_entropy_gradient(grad: Tensor, value: Tensor, prediction: Tensor, label: Tensor) -> Tensor:
    """df/dprediction_j = softmax(prediction)_j - [j = label]."""
    exponentials = (prediction - prediction.amax(dim=-1, keepdim=True)).exp_()
    probabilities = exponentials.div_(exponentials.sum(dim=-1, keepdim=True)).mul_(grad.unsqueeze(-1))
    return probabilities.scatter_add_(-1, label.unsqueeze(-1), -grad.unsqueeze(-1))
