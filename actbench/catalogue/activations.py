"""Activation functions, elementwise on tensors of any shape; parameters may be numbers or broadcastable tensors."""

from __future__ import annotations

import math
from math import inf
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from actbench.catalogue import kernels
from actbench.catalogue.registry import activation
from actbench.catalogue.torch_private import operator
from actbench.lazy import Tensor, torch

Positive = Annotated[float, Field(gt=0)]
if TYPE_CHECKING:
    Learnable = float | Tensor
    PositiveLearnable = float | Tensor
else:
    Learnable, PositiveLearnable = float, Positive

SquashingReference = "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp"
SWISH_MINIMUM = -0.2784645427610738


def _leaky_bounds(negative_slope: float) -> tuple[float, float]:
    return (-inf if negative_slope > 0 else 0, inf)


def _swish_bounds(beta: float) -> tuple[float, float]:
    """With u = beta x the value is u sigmoid(u) / beta: mirrored for beta < 0, and x / 2 for beta = 0."""
    if beta == 0:
        return (-inf, inf)
    return (SWISH_MINIMUM / beta, inf) if beta > 0 else (-inf, SWISH_MINIMUM / beta)


def _gelu_bounds(approximate: str, mean: float, std: float) -> tuple[float, float]:
    """The only minimum of x Phi((x - mean) / std) below 0, by ever finer grids over Phi's argument."""

    def value(z: float) -> float:
        argument = z / math.sqrt(2) if approximate == "none" else math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
        gate = math.erfc(-argument) / 2 if approximate == "none" else 1 / (1 + math.exp(min(-2 * argument, 700)))
        return min(0.0, mean + std * z) * gate

    low, width = -14.0, 28.0
    for _ in range(6):
        best = min((low + width * step / 200 for step in range(201)), key=value)
        low, width = best - width / 200, width / 100
    return (value(best), inf)


@activation(formula="x", kernel=kernels.IDENTITY, reference="linear network")
def identity(x: Tensor) -> Tensor:
    """No nonlinearity: a stack of linear layers stays one linear layer."""
    return x


@activation(
    formula="1 / (1 + exp(-x))",
    bounds=(0, 1),
    kernel=kernels.SIGMOID,
    reference="Cox 1958; Rumelhart, Hinton & Williams 1986",
)
def sigmoid(x: Tensor) -> Tensor:
    """Logistic function."""
    return torch.sigmoid(x)


@activation(formula="-log(1 + exp(-x))", bounds=(-inf, 0), reference="torch.nn.LogSigmoid")
def logsigmoid(x: Tensor) -> Tensor:
    """Logarithm of the logistic function."""
    return torch.nn.functional.logsigmoid(x)


@activation(
    formula="(exp(x) - exp(-x)) / (exp(x) + exp(-x))", bounds=(-1, 1), kernel=kernels.TANH, reference=SquashingReference
)
def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent, the zero-centred logistic function."""
    return torch.tanh(x)


@activation(formula="max(0, x)", bounds=(0, inf), kernel=kernels.RELU, reference="Nair & Hinton 2010")
def relu(x: Tensor) -> Tensor:
    """Rectified linear unit."""
    return torch.relu(x)


@activation(formula="min(max(0, x), 6)", bounds=(0, 6), reference="Krizhevsky 2010")
def relu6(x: Tensor) -> Tensor:
    """ReLU cut at 6."""
    return torch.nn.functional.relu6(x)


@activation(formula="max(0, x) ** 2", bounds=(0, inf), reference="So et al. 2021, Primer")
def relu_squared(x: Tensor) -> Tensor:
    """Square of the ReLU."""
    return torch.relu(x).square()


@activation(
    formula="x if x > 0 else negative_slope * x",
    bounds=_leaky_bounds,
    kernel=kernels.LEAKY_RELU,
    reference="Maas, Hannun & Ng 2013",
)
def leaky_relu(x: Tensor, *, negative_slope: float = 0.01) -> Tensor:
    """ReLU that keeps a small gradient below zero."""
    return torch.nn.functional.leaky_relu(x, negative_slope)


@activation(
    formula="x if x > 0 else negative_slope * x",
    bounds=_leaky_bounds,
    learnable=("negative_slope",),
    learnt_by_default=True,
    kernel=kernels.LEAKY_RELU,
    reference="He, Zhang, Ren & Sun 2015",
)
def prelu(x: Tensor, *, negative_slope: Learnable = 0.25) -> Tensor:
    """Leaky ReLU whose slope is learnt, one for the layer or one per feature."""
    if isinstance(negative_slope, float):
        return torch.nn.functional.leaky_relu(x, negative_slope)
    with_slope_tensor = operator("_prelu_kernel")  # torch.prelu, but with a slope for each trial
    if with_slope_tensor is None:
        return torch.where(x > 0, x, negative_slope * x)
    value: Tensor = with_slope_tensor(x, negative_slope)
    return value


@activation(
    formula="x if x > 0 else alpha * (exp(x) - 1)",
    bounds=lambda alpha: (min(0.0, -alpha), inf),
    kernel=kernels.ELU,
    reference="Clevert, Unterthiner & Hochreiter 2016",
)
def elu(x: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Exponential linear unit."""
    return torch.nn.functional.elu(x, alpha)


@activation(
    formula="1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (exp(x) - 1))",
    bounds=(-1.0507009873554805 * 1.6732632423543772, inf),
    reference="Klambauer et al. 2017",
)
def selu(x: Tensor) -> Tensor:
    """Scaled ELU with the self-normalising constants."""
    return torch.selu(x)


@activation(
    formula="max(0, x) + min(0, alpha * (exp(x / alpha) - 1))",
    bounds=lambda alpha: (-alpha, inf),
    reference="Barron 2017",
)
def celu(x: Tensor, *, alpha: Positive = 1.0) -> Tensor:
    """Continuously differentiable ELU."""
    return torch.nn.functional.celu(x, alpha)


@activation(
    formula="x if beta * x > threshold else log(1 + exp(beta * x)) / beta",
    bounds=lambda beta, threshold: (min(0.0, threshold / beta), inf),
    reference="Dugas et al. 2001",
)
def softplus(x: Tensor, *, beta: Positive = 1.0, threshold: float = 20.0) -> Tensor:
    """Smooth ReLU; above the threshold it is computed as the straight line it has become."""
    return torch.nn.functional.softplus(x, beta, threshold)


@activation(
    formula="x / (1 + exp(-beta * x))",
    bounds=_swish_bounds,
    learnable=("beta",),
    kernel=kernels.SWISH,
    aliases=("silu",),
    reference="Ramachandran, Zoph & Le 2017; Elfwing, Uchibe & Doya 2018",
)
def swish(x: Tensor, *, beta: Learnable = 1.0) -> Tensor:
    """Input times its logistic gate, x * sigmoid(beta * x)."""
    if isinstance(beta, float) and beta == 1.0:
        return torch.nn.functional.silu(x)
    return x * torch.sigmoid(beta * x)


@activation(
    formula="x * tanh(log(1 + exp(x)))", bounds=(-0.30884341301725043, inf), kernel=kernels.MISH, reference="Misra 2019"
)
def mish(x: Tensor) -> Tensor:
    """Input times tanh of its softplus, which is h / (h + 1) with h = exp(x) + exp(x) ** 2 / 2."""
    # torch's own computes the logarithm and the tanh, and takes four times as long; beyond 20 the tanh is 1 in float32.
    e = x.clamp_max(20).exp()
    h = torch.addcmul(e, e, e, value=0.5)
    return x * (h / (h + 1))


@activation(
    formula=(
        "x * (1 + erf((x - mean) / std / sqrt(2))) / 2 if approximate == 'none' else "
        "x * (1 + tanh(sqrt(2 / pi) * ((x - mean) / std + 0.044715 * ((x - mean) / std) ** 3))) / 2"
    ),
    bounds=_gelu_bounds,
    learnable=("mean", "std"),
    kernel=kernels.GELU,
    reference="Hendrycks & Gimpel 2016",
)
def gelu(
    x: Tensor, *, approximate: Literal["none", "tanh"] = "none", mean: Learnable = 0.0, std: PositiveLearnable = 1.0
) -> Tensor:
    """Input times the normal distribution function, x * Phi((x - mean) / std), exact or by the tanh approximation."""
    if isinstance(mean, float) and isinstance(std, float) and (mean, std) == (0.0, 1.0):
        return torch.nn.functional.gelu(x, approximate=approximate)
    return 0.5 * x * (1 + kernels.gelu_gate((x - mean) / std, approximate))


@activation(formula="x / (1 + abs(x))", bounds=(-1, 1), reference="Bergstra et al. 2009")
def softsign(x: Tensor) -> Tensor:
    """Squashing function with polynomial tails."""
    return torch.nn.functional.softsign(x)


@activation(
    formula="min(max(min_val, x), max_val)",
    bounds=lambda min_val, max_val: (min_val, max_val),
    aliases=("clamp",),
    reference="Collobert 2004",
)
def hardtanh(x: Tensor, *, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Identity cut at both ends."""
    return torch.nn.functional.hardtanh(x, min_val, max_val)


@activation(formula="min(max(0, x / 6 + 0.5), 1)", bounds=(0, 1), reference="Howard et al. 2019, MobileNetV3")
def hardsigmoid(x: Tensor) -> Tensor:
    """Piecewise linear logistic function."""
    return torch.nn.functional.hardsigmoid(x)


@activation(
    formula="x * min(max(0, x / 6 + 0.5), 1)", bounds=(-0.375, inf), reference="Howard et al. 2019, MobileNetV3"
)
def hardswish(x: Tensor) -> Tensor:
    """Input times the piecewise linear logistic function."""
    return torch.nn.functional.hardswish(x)


@activation(formula="(x + sqrt(x ** 2 + b)) / 2", bounds=(0, inf), reference="Barron 2021")
def squareplus(x: Tensor, *, b: Positive = 4.0) -> Tensor:
    """Algebraic softplus; b sets the width of the bend."""
    return (x + torch.sqrt(x * x + b)) / 2


@activation(formula="x - tanh(x)", reference="torch.nn.Tanhshrink")
def tanhshrink(x: Tensor) -> Tensor:
    """What tanh leaves of its input."""
    return torch.nn.functional.tanhshrink(x)


@activation(formula="x - lambd if x > lambd else x + lambd if x < -lambd else 0", reference="Donoho & Johnstone 1994")
def softshrink(x: Tensor, *, lambd: Annotated[float, Field(ge=0)] = 0.5) -> Tensor:
    """Soft thresholding."""
    return torch.nn.functional.softshrink(x, lambd)


@activation(formula="atan(x)", bounds=(-math.pi / 2, math.pi / 2), reference="arc tangent")
def arctan(x: Tensor) -> Tensor:
    """Arc tangent."""
    return torch.atan(x)


@activation(
    formula="sin(omega * x)", bounds=lambda omega: (-1, 1) if omega else (0, 0), reference="Sitzmann et al. 2020, SIREN"
)
def sine(x: Tensor, *, omega: float = 1.0) -> Tensor:
    """Periodic activation."""
    return torch.sin(omega * x)


@activation(
    formula="x + sin(alpha * x) ** 2 / alpha", learnable=("alpha",), reference="Ziyin, Hartwig & Ueda 2020, Snake"
)
def snake(x: Tensor, *, alpha: PositiveLearnable = 1.0) -> Tensor:
    """Identity with a periodic part."""
    return x + torch.sin(alpha * x).square() / alpha
