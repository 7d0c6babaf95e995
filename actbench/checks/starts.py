"""Where a network starts: what its initialisers draw for its seed."""

from __future__ import annotations

from typing import Any

from actbench.experiment.records import Trial
from actbench.training.parameters import initial_parameters


def starting_weights(trial: Trial) -> dict[str, tuple[Any, ...]]:
    """The values of all parameters before training, by layer and row by row, as records keep those after it."""
    return {name: tuple(values.flatten().tolist()) for name, values in initial_parameters(trial).items()}
