"""The optimizer's step over a stack: each trial with its own learning rate, schedule and weight decay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from actbench.catalogue.optimizers import Group
from actbench.experiment.choices import Choice
from actbench.experiment.settings import TrainSettings
from actbench.training.network import Network


@dataclass(frozen=True)
class Stepper:
    """The stack's optimizer, its groups by learning rate, and the schedule that all its trials share."""

    optimizer: Choice
    groups: tuple[tuple[float, Group], ...]
    train: TrainSettings


def create_stepper(network: Network) -> Stepper:
    """Groups of parameters by learning rate and weight decay: neighbouring rows as one tensor where they have no decay.

    Weights that decay and the biases beside them, which do not, are a tensor of each trial's own.
    """
    parameters = network.parameters
    groups: dict[tuple[float, float], tuple[list[Tensor], list[Tensor]]] = {}

    def add(lr: float, decay: float, *where: int | slice) -> None:
        tensors, gradients = groups.setdefault((lr, decay), ([], []))
        tensors.append(parameters.rows[where])
        gradients.append(parameters.gradient_rows[where])

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
    )


def take_step(stepper: Stepper, step: int, total_steps: int) -> None:
    """Move the parameters of every trial along their gradients."""
    factor = schedule_factor(stepper.train, step, total_steps)
    for lr, group in stepper.groups:
        stepper.optimizer.entry.function(group, lr * factor, **dict(stepper.optimizer.parameters))


def schedule_factor(train: TrainSettings, step: int, total_steps: int) -> float:
    """What the learning rate is multiplied by at a step: 1, (1 + cos(pi * s)) / 2 or 1 - s, s = step / total_steps."""
    progress = step / total_steps
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1 - progress if train.schedule == "linear" else 1.0
