"""The optimizer's step for a stack whose trials have different learning rates and weight decays."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from actbench.catalogue.optimizers import Group
from actbench.experiment.choices import Choice
from actbench.experiment.settings import TrainSettings
from actbench.training.network import Network
from actbench.training.schedule import schedule_factor


@dataclass(frozen=True)
class Stepper:
    """The stack's optimizer, its parameter groups with their learning rates, and the settings with the schedule."""

    optimizer: Choice
    groups: tuple[tuple[float, Group], ...]
    train: TrainSettings


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
    )


def take_step(stepper: Stepper, step: int, total_steps: int) -> None:
    """Move the parameters of every trial along their gradients."""
    factor = schedule_factor(stepper.train, step, total_steps)
    for lr, group in stepper.groups:
        stepper.optimizer.entry.function(group, lr * factor, **dict(stepper.optimizer.parameters))
