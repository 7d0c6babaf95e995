"""Optimizers: one step of torch.optim's own functions over parameters that share a learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Callable
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
        """What is remembered under this name, one tensor like each parameter, zeros before the first step."""
        if name not in self.memory:
            self.memory[name] = [torch.zeros_like(parameter) for parameter in self.parameters]
        tensors: list[Tensor] = self.memory[name]
        return tensors

    def steps(self) -> list[Tensor]:
        """How many steps have been taken, one number for each parameter, as torch's functions count them."""
        if "steps" not in self.memory:
            self.memory["steps"] = [torch.zeros((), device=parameter.device) for parameter in self.parameters]
        counts: list[Tensor] = self.memory["steps"]
        return counts


def _take_step(
    class_name: str,
    group: Group,
    lr: float,
    states: Callable[[], tuple[list[Tensor], ...]],
    settings: dict[str, Any],
    **function_settings: Any,
) -> None:
    """One step by the function behind a torch.optim class, which keeps `states`, or by the class itself.

    `function_settings` are what the function needs and the class does not, or says otherwise.
    """
    name = {"AdamW": "adam"}.get(class_name, class_name.lower())
    keywords = {key: value for key, value in settings.items() if key != "betas"} | function_settings
    function = optimizer_function(name, tuple(keywords))
    if function is not None:
        states_now = states()
        function(group.parameters, group.gradients, *states_now, lr=lr, weight_decay=group.weight_decay, **keywords)
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
    buffers = group.memory.setdefault("momentum_buffer", [None] * len(group.parameters))
    _take_step("SGD", group, lr, lambda: (buffers,), settings)


@optimizer(formula="w -= lr * m / (sqrt(v) + eps)", reference="Kingma & Ba 2015")
def adam(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Steps scaled by running moments of the gradient."""
    _take_adam_step("Adam", group, lr, {"betas": betas, "eps": eps, "amsgrad": amsgrad})


@optimizer(formula="w -= lr * (m / (sqrt(v) + eps) + weight_decay * w)", reference="Loshchilov & Hutter 2019")
def adamw(group: Group, lr: float, *, betas: Betas = (0.9, 0.999), eps: Positive = 1e-8, amsgrad: bool = False) -> None:
    """Adam with decoupled weight decay, 0.01 unless `train.weight_decay` says otherwise."""
    _take_adam_step("AdamW", group, lr, {"betas": betas, "eps": eps, "amsgrad": amsgrad})


def _take_adam_step(class_name: str, group: Group, lr: float, settings: dict[str, Any]) -> None:
    _take_step(
        class_name,
        group,
        lr,
        lambda: (
            group.zeros("exp_avg"),
            group.zeros("exp_avg_sq"),
            group.zeros("max_exp_avg_sq") if settings["amsgrad"] else [],
            group.steps(),
        ),
        settings | {"fused": True, "maximize": False},
        beta1=settings["betas"][0],
        beta2=settings["betas"][1],
        decoupled_weight_decay=class_name == "AdamW",
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
    _take_step(
        "RMSprop",
        group,
        lr,
        lambda: (
            group.zeros("square_avg"),
            group.zeros("grad_avg") if centered else [],
            group.zeros("momentum_buffer") if momentum else [],
            group.steps(),
        ),
        {"alpha": alpha, "eps": eps, "momentum": momentum, "centered": centered, "foreach": True},
    )
