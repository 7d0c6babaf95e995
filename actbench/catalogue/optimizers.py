"""Optimizers: torch.optim's own, over parameter groups that each carry their learning rate and weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actbench.catalogue.registry import optimizer
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer
else:
    torch = LazyModule("torch")

Groups = list[dict[str, Any]]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Betas = tuple[Fraction, Fraction]


@optimizer(formula="w -= lr * (momentum * v + g)", reference="Robbins & Monro 1951; Sutskever et al. 2013")
def sgd(
    groups: Groups, *, momentum: NonNegative = 0.0, dampening: NonNegative = 0.0, nesterov: bool = False
) -> Optimizer:
    """Stochastic gradient descent, with momentum where it is set."""
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum, dampening=dampening, nesterov=nesterov, fused=True)


@optimizer(formula="w -= lr * m / (sqrt(v) + eps)", reference="Kingma & Ba 2015")
def adam(groups: Groups, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> Optimizer:
    """Steps scaled by running moments of the gradient."""
    return torch.optim.Adam(groups, lr=0.0, betas=betas, eps=eps, amsgrad=amsgrad, fused=True)


@optimizer(formula="w -= lr * (m / (sqrt(v) + eps) + weight_decay * w)", reference="Loshchilov & Hutter 2019")
def adamw(groups: Groups, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> Optimizer:
    """Adam with decoupled weight decay, 0.01 unless `train.weight_decay` says otherwise."""
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps, amsgrad=amsgrad, fused=True)


@optimizer(formula="w -= lr * g / (sqrt(v) + eps)", reference="Tieleman & Hinton 2012")
def rmsprop(
    groups: Groups,
    *,
    alpha: Fraction = 0.99,
    eps: Positive = 1e-8,
    momentum: NonNegative = 0.0,
    centered: bool = False,
) -> Optimizer:
    """Steps scaled by the running mean square of the gradient."""
    return torch.optim.RMSprop(groups, lr=0.0, alpha=alpha, eps=eps, momentum=momentum, centered=centered, foreach=True)
