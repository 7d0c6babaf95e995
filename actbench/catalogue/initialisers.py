"""Initialisers: values of the given shape, as unit draws scaled, so that one seed gives all of them the same draws.

Every function takes the shape of one layer's weight `[in, out]` or bias `[out]`, the layer's fans, and a generator.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from actbench.catalogue.gains import Gain
from actbench.catalogue.registry import initialiser
from actbench.lazy import Generator, Tensor, torch

Shape = tuple[int, ...]
Mode = Literal["fan_in", "fan_out"]
NonNegative = Annotated[float, Field(ge=0)]
GlorotReference = "Glorot & Bengio 2010"
HeReference = "He, Zhang, Ren & Sun 2015"
LeCunReference = "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp"
FittedReference = "the argument of He, Zhang, Ren & Sun 2015 with E f(z)^2 by quadrature"


def variance_scaling(
    shape: Shape, generator: Generator, variance: float, distribution: Literal["normal", "uniform"]
) -> Tensor:
    """Draws with mean 0 and the given variance: sd * N(0, 1), or uniform within sqrt(3 * variance)."""
    if distribution == "normal":
        return torch.randn(shape, generator=generator) * math.sqrt(variance)
    return (torch.rand(shape, generator=generator) * 2 - 1) * math.sqrt(3 * variance)


def _fan(mode: str, fan_in: int, fan_out: int) -> int:
    return fan_in if mode == "fan_in" else fan_out


def _number(gain: Gain) -> float:
    if isinstance(gain, str):
        raise ValueError(f"gain {gain} depends on an activation: `gains.with_gain` puts its number there")
    return gain


@initialiser(formula="uniform(a, b)", reference="torch.nn.init.uniform_")
def uniform(shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, a: float = 0.0, b: float = 1.0) -> Tensor:
    """Uniform on [a, b), by default [0, 1)."""
    return torch.rand(shape, generator=generator) * (b - a) + a


@initialiser(formula="normal(mean, std)", reference="torch.nn.init.normal_")
def normal(
    shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, mean: float = 0.0, std: NonNegative = 1.0
) -> Tensor:
    """Normal, by default with mean 0 and standard deviation 1."""
    return torch.randn(shape, generator=generator) * std + mean


@initialiser(formula="normal(mean, std) within [a, b]", reference="torch.nn.init.trunc_normal_")
def trunc_normal(
    shape: Shape,
    fan_in: int,
    fan_out: int,
    generator: Generator,
    *,
    mean: float = 0.0,
    std: Annotated[float, Field(gt=0)] = 1.0,
    a: float = -2.0,
    b: float = 2.0,
) -> Tensor:
    """Normal, values outside [a, b] redrawn."""
    return torch.nn.init.trunc_normal_(torch.empty(shape), mean, std, a, b, generator=generator)


@initialiser(formula="0", reference="no symmetry breaking")
def zeros(shape: Shape, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """All values 0."""
    return torch.zeros(shape)


@initialiser(formula="1", reference="no symmetry breaking")
def ones(shape: Shape, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """All values 1."""
    return torch.ones(shape)


@initialiser(formula="val", reference="no symmetry breaking")
def constant(shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, val: float = 0.5) -> Tensor:
    """All values the same constant."""
    return torch.full(shape, val)


@initialiser(formula="normal(0, sqrt(2 / (1 + a ** 2) / fan))", aliases=("he_normal",), reference=HeReference)
def kaiming_normal(
    shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, a: float = 0.0, mode: Mode = "fan_in"
) -> Tensor:
    """Keeps the variance through rectifiers with slope a below zero: sd sqrt(2 / fan_in)."""
    return variance_scaling(shape, generator, 2 / (1 + a**2) / _fan(mode, fan_in, fan_out), "normal")


@initialiser(
    formula="uniform(-sqrt(6 / (1 + a ** 2) / fan), sqrt(6 / (1 + a ** 2) / fan))",
    aliases=("he_uniform",),
    reference=HeReference,
)
def kaiming_uniform(
    shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, a: float = 0.0, mode: Mode = "fan_in"
) -> Tensor:
    """Keeps the variance through rectifiers with slope a below zero: within sqrt(6 / fan_in)."""
    return variance_scaling(shape, generator, 2 / (1 + a**2) / _fan(mode, fan_in, fan_out), "uniform")


@initialiser(
    formula="normal(0, gain * sqrt(2 / (fan_in + fan_out)))", aliases=("glorot_normal",), reference=GlorotReference
)
def xavier_normal(shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, gain: Gain = 1.0) -> Tensor:
    """A balance of forward and backward variance: sd sqrt(2 / (fan_in + fan_out))."""
    return variance_scaling(shape, generator, _number(gain) ** 2 * 2 / (fan_in + fan_out), "normal")


@initialiser(
    formula="uniform(-gain * sqrt(6 / (fan_in + fan_out)), gain * sqrt(6 / (fan_in + fan_out)))",
    aliases=("glorot_uniform",),
    reference=GlorotReference,
)
def xavier_uniform(shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, gain: Gain = 1.0) -> Tensor:
    """A balance of forward and backward variance: within sqrt(6 / (fan_in + fan_out))."""
    return variance_scaling(shape, generator, _number(gain) ** 2 * 2 / (fan_in + fan_out), "uniform")


@initialiser(formula="normal(0, sqrt(1 / fan_in))", reference=LeCunReference)
def lecun_normal(shape: Shape, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """Keeps the variance of linear and self-normalising layers: sd sqrt(1 / fan_in)."""
    return variance_scaling(shape, generator, 1 / fan_in, "normal")


@initialiser(formula="uniform(-sqrt(3 / fan_in), sqrt(3 / fan_in))", reference=LeCunReference)
def lecun_uniform(shape: Shape, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """Keeps the variance of linear layers: within sqrt(3 / fan_in)."""
    return variance_scaling(shape, generator, 1 / fan_in, "uniform")


@initialiser(formula="normal(0, gain * sqrt(1 / fan))", reference=FittedReference)
def fitted_normal(
    shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, gain: Gain = "derived", mode: Mode = "fan_in"
) -> Tensor:
    """Keeps the second moment through any activation, whose gain it takes: sd gain / sqrt(fan_in)."""
    return variance_scaling(shape, generator, _number(gain) ** 2 / _fan(mode, fan_in, fan_out), "normal")


@initialiser(formula="uniform(-gain * sqrt(3 / fan), gain * sqrt(3 / fan))", reference=FittedReference)
def fitted_uniform(
    shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, gain: Gain = "derived", mode: Mode = "fan_in"
) -> Tensor:
    """Keeps the second moment through any activation, whose gain it takes: within gain * sqrt(3 / fan_in)."""
    return variance_scaling(shape, generator, _number(gain) ** 2 / _fan(mode, fan_in, fan_out), "uniform")


@initialiser(formula="uniform(-sqrt(1 / fan_in), sqrt(1 / fan_in))", aliases=("pytorch",), reference="torch.nn.Linear")
def torch_default(shape: Shape, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """What torch.nn.Linear does to weights and biases: uniform within 1 / sqrt(fan_in)."""
    return variance_scaling(shape, generator, 1 / (3 * fan_in), "uniform")


@initialiser(formula="gain * Q, Q orthogonal", reference="Saxe, McClelland & Ganguli 2014")
def orthogonal(shape: Shape, fan_in: int, fan_out: int, generator: Generator, *, gain: Gain = 1.0) -> Tensor:
    """A random matrix with orthonormal rows or columns, times the gain; a bias becomes a vector of that length."""
    matrix = torch.empty(shape if len(shape) > 1 else (1, *shape))
    return torch.nn.init.orthogonal_(matrix, _number(gain), generator=generator).reshape(shape)
