"""Optimizers: one step of torch.optim's own functions over parameters that share a learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from actbench.catalogue.registry import optimizer
from actbench.catalogue.torch_private import optimizer_function
from actbench.lazy import Tensor, torch

Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Betas = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Group:
    """Parameters that share a weight decay, their gradients, and what an optimizer remembers of each.

    Steps are taken by torch.optim's functions, not its classes, whose constructor imports torch's compiler (1.7 s, and
    memory in every worker); by the classes where the functions are missing.
    """

    parameters: list[Tensor]
    gradients: list[Tensor]
    weight_decay: float = 0.0
    memory: dict[str, Any] = field(default_factory=dict)

    def zeros(self, name: str) -> list[Tensor]:
        """What is remembered of each parameter, zeros before the first step: a tensor like it, or a number of steps."""
        if name not in self.memory:
            likes = (parameter.new_zeros(() if name == "steps" else parameter.shape) for parameter in self.parameters)
            self.memory[name] = list(likes)
        tensors: list[Tensor] = self.memory[name]
        return tensors


def _take_step(
    class_name: str, group: Group, lr: float, states: Sequence[str], settings: dict[str, Any], **function_settings: Any
) -> None:
    """One step by the function behind a torch.optim class, which keeps `states` (empty: unused), or by the class.

    `function_settings` are what the function needs and the class does not, or says otherwise.
    """
    name = {"AdamW": "adam"}.get(class_name, class_name.lower())
    keywords = {key: value for key, value in settings.items() if key != "betas"} | function_settings
    function = optimizer_function(name, tuple(keywords))
    if function is not None:
        kept = [group.zeros(state) if state else [] for state in states]
        function(group.parameters, group.gradients, *kept, lr=lr, weight_decay=group.weight_decay, **keywords)
        return
    if "optimizer" not in group.memory:
        make = getattr(torch.optim, class_name)
        group.memory["optimizer"] = make(group.parameters, lr=lr, weight_decay=group.weight_decay, **settings)
    group.memory["optimizer"].param_groups[0]["lr"] = lr
    for parameter, gradient in zip(group.parameters, group.gradients, strict=True):
        parameter.grad = gradient
    group.memory["optimizer"].step()


@optimizer(formula="w -= lr * (momentum * v + g)", reference="Robbins & Monro 1951; Sutskever et al. 2013")
def sgd(
    group: Group, lr: float, *, momentum: NonNegative = 0.0, dampening: NonNegative = 0.0, nesterov: bool = False
) -> None:
    """Stochastic gradient descent, with momentum where it is set."""
    settings = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "fused": True, "maximize": False}
    group.memory.setdefault("momentum_buffer", [None] * len(group.parameters))
    _take_step("SGD", group, lr, ["momentum_buffer"], settings)


@optimizer(formula="w -= lr * m / (sqrt(v) + eps)", reference="Kingma & Ba 2015")
def adam(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Steps scaled by running moments of the gradient."""
    _take_adam_step("Adam", group, lr, {"betas": betas, "eps": eps, "amsgrad": amsgrad})


@optimizer(formula="w -= lr * (m / (sqrt(v) + eps) + weight_decay * w)", reference="Loshchilov & Hutter 2019")
def adamw(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Adam with decoupled weight decay, 0.01 unless `train.weight_decay` says otherwise."""
    _take_adam_step("AdamW", group, lr, {"betas": betas, "eps": eps, "amsgrad": amsgrad})


def _take_adam_step(class_name: str, group: Group, lr: float, settings: dict[str, Any]) -> None:
    states = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq" if settings["amsgrad"] else "", "steps"]
    beta1, beta2 = settings["betas"]
    of_function = {"beta1": beta1, "beta2": beta2, "decoupled_weight_decay": class_name == "AdamW"}
    _take_step(class_name, group, lr, states, settings | {"fused": True, "maximize": False}, **of_function)


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
    states = ["square_avg", "grad_avg" if centered else "", "momentum_buffer" if momentum else "", "steps"]
    settings = {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered, "foreach": True}
    _take_step("RMSprop", group, lr, states, settings)
