"""Optimizers: one step of torch.optim's own functions over parameters that share a learning rate and weight decay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from actbench.catalogue.registry import optimizer
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = LazyModule("torch")

# torch.optim hides these modules behind its classes' names, so that no attribute of torch.optim leads to them.
torch_sgd: Any = LazyModule("torch.optim.sgd")
torch_adam: Any = LazyModule("torch.optim.adam")
torch_rmsprop: Any = LazyModule("torch.optim.rmsprop")

Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Betas = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Group:
    """Parameters that share a weight decay, their gradients, and what an optimizer remembers of each.

    The steps are taken by torch.optim's functions, not its classes, whose constructor alone imports torch's compiler
    (1.7 s, and memory in every worker).
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    weight_decay: float = 0.0
    memory: dict[str, list[Tensor]] = field(default_factory=dict)

    def zeros(self, name: str) -> list[Tensor]:
        """What is remembered under this name, one tensor like each parameter, zeros before the first step."""
        if name not in self.memory:
            self.memory[name] = [torch.zeros_like(parameter) for parameter in self.parameters]
        return self.memory[name]

    def steps(self) -> list[Tensor]:
        """How many steps have been taken, one number for each parameter, as torch's functions count them."""
        if "steps" not in self.memory:
            self.memory["steps"] = [torch.zeros((), device=parameter.device) for parameter in self.parameters]
        return self.memory["steps"]


@optimizer(formula="w -= lr * (momentum * v + g)", reference="Robbins & Monro 1951; Sutskever et al. 2013")
def sgd(
    group: Group, lr: float, *, momentum: NonNegative = 0.0, dampening: NonNegative = 0.0, nesterov: bool = False
) -> None:
    """Stochastic gradient descent, with momentum where it is set."""
    torch_sgd.sgd(
        group.parameters,
        group.gradients,
        group.memory.setdefault("momentum_buffer", [None] * len(group.parameters)),  # type: ignore[list-item]
        weight_decay=group.weight_decay,
        momentum=momentum,
        lr=lr,
        dampening=dampening,
        nesterov=nesterov,
        maximize=False,
        fused=True,
    )


@optimizer(formula="w -= lr * m / (sqrt(v) + eps)", reference="Kingma & Ba 2015")
def adam(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Steps scaled by running moments of the gradient."""
    _adam(group, lr, betas, eps, amsgrad=amsgrad, decoupled=False)


@optimizer(formula="w -= lr * (m / (sqrt(v) + eps) + weight_decay * w)", reference="Loshchilov & Hutter 2019")
def adamw(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Adam with decoupled weight decay, 0.01 unless `train.weight_decay` says otherwise."""
    _adam(group, lr, betas, eps, amsgrad=amsgrad, decoupled=True)


def _adam(group: Group, lr: float, betas: Betas, eps: float, *, amsgrad: bool, decoupled: bool) -> None:
    torch_adam.adam(
        group.parameters,
        group.gradients,
        group.zeros("exp_avg"),
        group.zeros("exp_avg_sq"),
        group.zeros("max_exp_avg_sq") if amsgrad else [],
        group.steps(),
        fused=True,
        amsgrad=amsgrad,
        beta1=betas[0],
        beta2=betas[1],
        lr=lr,
        weight_decay=group.weight_decay,
        eps=eps,
        maximize=False,
        decoupled_weight_decay=decoupled,
    )


@optimizer(formula="w -= lr * g / (sqrt(v) + eps)", reference="Tieleman & Hinton 2012")
def rmsprop(
    group: Group,
    lr: float,
    *,
    alpha: Fraction = 0.99,
    eps: Positive = 1e-8,
    momentum: NonNegative = 0.0,
    centered: bool = False,
) -> None:
    """Steps scaled by the running mean square of the gradient."""
    torch_rmsprop.rmsprop(
        group.parameters,
        group.gradients,
        group.zeros("square_avg"),
        group.zeros("grad_avg") if centered else [],
        group.zeros("momentum_buffer") if momentum else [],
        group.steps(),
        foreach=True,
        lr=lr,
        alpha=alpha,
        eps=eps,
        weight_decay=group.weight_decay,
        momentum=momentum,
        centered=centered,
    )
