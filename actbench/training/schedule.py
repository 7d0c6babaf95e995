"""Learning-rate schedules."""

from __future__ import annotations

import math

from actbench.experiment.settings import TrainSettings


def schedule_factor(train: TrainSettings, step: int, total_steps: int) -> float:
    """The factor of the learning rate at a step, with s = step / total_steps.

    `constant`: 1; `cosine`: (1 + cos(pi * s)) / 2 (Loshchilov & Hutter 2017); `linear`: 1 - s.
    """
    progress = step / total_steps
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1 - progress if train.schedule == "linear" else 1.0
