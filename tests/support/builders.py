"""Made-up experiments and records for tests that need no training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actbench.catalogue.datasets import Arrays
from actbench.config.reader import load_experiment
from actbench.experiment.definition import Experiment
from actbench.experiment.records import CLOCK_FIELDS, SCHEMA, Curves, Trial, TrialRecord
from actbench.plan.stacks import Stack

TWO_ACTIVATIONS = """
name: made-up
model: {hidden: [4]}
train: {epochs: 3}
vary: {model.activation: [relu, tanh]}
seeds: 3
baseline: {model.activation: relu}
"""


def experiment_from(text: str, folder: Path) -> Experiment:
    """The experiment that a file with this text describes."""
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path).experiment


def record_of(trial: Trial, test_correct_count: int | None = 300, **changes: Any) -> TrialRecord:
    """A record as training could have left it."""
    data, epochs = trial.settings.data, trial.settings.train.epochs
    fields: dict[str, Any] = {
        "trial": trial.id,
        "phase": trial.phase,
        "seed": trial.seed,
        "settings": trial.settings,
        "outcome": "done",
        "train_count": data.train_count(),
        "validation_count": data.validation_count(),
        "test_count": data.test_count(),
        "curves": Curves(
            train_loss=tuple(1 / (epoch + 1) for epoch in range(epochs)),
            train_correct_count=tuple(min(100 * (epoch + 1), data.train_count()) for epoch in range(epochs)),
            validation_loss=tuple(1.5 / (epoch + 1) for epoch in range(epochs)),
            validation_correct_count=tuple(min(50 * (epoch + 1), data.validation_count()) for epoch in range(epochs)),
        ),
        "test_correct_count": None if test_correct_count is None else min(test_correct_count, data.test_count()),
        "test_loss": 0.5,
        "wall_seconds": 0.25,
        "stack_trials": 1,
        "device": "cpu",
    }
    return TrialRecord.model_validate({"schema": SCHEMA} | fields | changes)


def fake_train(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    """Training that takes no time; its numbers depend on the trial alone, as real ones do."""
    for epoch in range(1, stack[0].settings.train.epochs + 1):
        on_epoch(epoch)
    return [record_of(trial, 200 + int(trial.id[:2], 16) % 100) for trial in stack]


def without_times(records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Records without what depends on the clock and on how they were stacked, in the order of their ids."""
    kept = [record.model_dump(exclude={*CLOCK_FIELDS, "stack_trials", "environment"}) for record in records]
    return sorted(kept, key=lambda record: str(record["trial"]))
