"""The optimizer's step for a stack whose trials have different learning rates and weight decays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from actbench.catalogue.optimizers import Group
from actbench.experiment.choices import Choice
from actbench.experiment.settings import TrainSettings
from actbench.training.adam import CompiledAdam, compiled_adam
from actbench.training.network import LayerValues, Network, backward
from actbench.training.sparse import SparseBatch


@dataclass(frozen=True)
class Stepper:
    """The stack's optimizer, its parameter groups with their learning rates, and the settings with the schedule.

    `adam` takes the steps where it is available.
    """

    optimizer: Choice
    groups: tuple[tuple[float, Group], ...]
    train: TrainSettings
    adam: CompiledAdam | None = None


def create_stepper(network: Network) -> Stepper:
    """Parameter groups by learning rate and weight decay.

    Without weight decay, neighbouring trials share one tensor. With it, each trial has a tensor of weights, which
    decay, and one of everything else, which does not.
    """
    parameters = network.parameters
    groups: dict[tuple[float, float], tuple[list[Tensor], list[Tensor]]] = {}

    def add(lr: float, decay: float, *index: int | slice) -> None:
        tensors, gradients = groups.setdefault((lr, decay), ([], []))
        tensors.append(parameters.rows[index])
        gradients.append(parameters.gradient_rows[index])

    rates = [(trial.settings.train.lr, trial.settings.train.resolved_weight_decay()) for trial in network.trials]
    start = 0
    for (lr, decay), run in groupby(rates):
        end = start + len(list(run))
        if decay == 0:
            add(lr, 0.0, slice(start, end))
        else:
            for trial in range(start, end):
                add(lr, decay, trial, slice(0, parameters.weights_end))
                add(lr, 0.0, trial, slice(parameters.weights_end, None))
        start = end
    train = network.trials[0].settings.train
    return Stepper(
        train.optimizer,
        tuple((lr, Group(tensors, gradients, decay)) for (lr, decay), (tensors, gradients) in groups.items()),
        train,
        compiled_adam(network),
    )


def descend(
    network: Network, stepper: Stepper, layers: Sequence[LayerValues], grad: Tensor, step: int, total_steps: int
) -> None:
    """Compute every parameter's gradient, given that by the scores, and move the parameters along them."""
    factor = schedule_factor(stepper.train, step, total_steps)
    if stepper.adam is None:
        backward(network, layers, grad)
        take_step(stepper, factor)
        return
    stepper.adam.begin_step(factor)
    if isinstance(layers[0].inputs, SparseBatch):
        backward(network, layers, grad, stepper.adam.first_layer())
        stepper.adam.end_step(start=network.parameters.named[0, "weight"].values[0].numel())
    else:
        backward(network, layers, grad)
        stepper.adam.end_step(start=0)


def schedule_factor(train: TrainSettings, step: int, total_steps: int) -> float:
    """The factor of the learning rate at a step, with s = step / total_steps.

    `constant`: 1; `cosine`: (1 + cos(pi * s)) / 2 (Loshchilov & Hutter 2017); `linear`: 1 - s.
    """
    progress = step / total_steps
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1 - progress if train.schedule == "linear" else 1.0


def take_step(stepper: Stepper, factor: float) -> None:
    """Move the parameters of every trial along their gradients, at the learning rates times `factor`."""
    for lr, group in stepper.groups:
        stepper.optimizer.entry.function(group, lr * factor, **dict(stepper.optimizer.parameters))
