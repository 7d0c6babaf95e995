"""Runs of an experiment that tunes, with training that takes no time and knows which rate suits which arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import Arrays
from actbench.experiment.definition import Experiment
from actbench.experiment.records import Curves, Trial, TrialRecord
from actbench.plan.plan import plan_checksum
from actbench.plan.stacks import Stack
from actbench.runs.options import RunOptions
from actbench.runs.progress import RunState
from actbench.runs.runner import RunResult, run_experiment
from actbench.store.folder import read_plan
from builders import record_of

TUNED = """
name: made-up
model: {hidden: [9000]}
train: {epochs: 3}
vary: {model.activation: [relu, tanh]}
tune: {train.lr: [1e-3, 1e-2, 1e-1]}
tuning_seeds: 2
seeds: 3
baseline: {model.activation: relu}
margin: 0.002
"""
ONE_ARM = "\n".join(line for line in TUNED.splitlines() if not line.startswith(("vary", "baseline")))
FIRST_TRIALS, TUNING_TRIALS, FINAL_TRIALS, STACKS = 12, 14, 6, 7
RIGHT = {
    "relu": {1e-4: 40, 1e-3: 150, 1e-2: 200, 1e-1: 120},
    "tanh": {1e-3: 50, 1e-2: 60, 1e-1: 180, 1.0: 30},
}
VALIDATION_IMAGES = 239
MANY = 100

FROZEN: dict[str, Any] = {
    "schema": 1,
    "metric": "test_accuracy",
    "margin": 0.002,
    "baseline": {"model.activation": "relu"},
    "seeds": [0, 1, 2],
    "tuning_seeds": 2,
    "arms": [
        {"arm": {"model.activation": "relu"}, "tuned": {"train.lr": 0.01}, "at_edge": []},
        {"arm": {"model.activation": "tanh"}, "tuned": {"train.lr": 0.1}, "at_edge": []},
    ],
    "claims": [],
    "warnings": [],
}
FROZEN["checksum"] = plan_checksum(FROZEN)


def right_of(trial: Trial) -> int:
    """Validation images right in the end: the best rate of tanh is the largest of its grid, that of relu is not."""
    return RIGHT[trial.settings.model.activation.name].get(trial.settings.train.lr, 20) + trial.seed


def is_best_of_relu(trial: Trial) -> bool:
    """The tuning trial whose failure makes relu look best at another rate."""
    settings = trial.settings
    return (trial.phase, trial.seed, settings.model.activation.name, settings.train.lr) == ("tune", 0, "relu", 1e-2)


def is_worst_of_relu(trial: Trial) -> bool:
    """A tuning trial on which no choice depends."""
    settings = trial.settings
    return (trial.phase, trial.seed, settings.model.activation.name, settings.train.lr) == ("tune", 0, "relu", 1e-1)


@dataclass
class Fake:
    """Training that takes no time and remembers its trials; some of them fail, and Ctrl-C comes before some stack.

    `look` is called before each stack. More than `MANY` stacks are as good as infinitely many.
    """

    right: Callable[[Trial], int] = right_of
    fails: Callable[[Trial], bool] = lambda trial: False
    stop_before: int = MANY
    look: Callable[[Stack], None] = lambda stack: None
    trained: list[Trial] = field(default_factory=list)
    calls: int = 0

    def __call__(self, stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
        if self.calls == self.stop_before:
            raise KeyboardInterrupt
        self.calls += 1
        self.look(stack)
        if any(map(self.fails, stack)):
            raise ValueError("poison")
        for epoch in range(1, stack[0].settings.train.epochs + 1):
            on_epoch(epoch)
        self.trained += stack
        return [self.record(trial) for trial in stack]

    def record(self, trial: Trial) -> TrialRecord:
        """A record as training leaves it in each phase."""
        epochs, data = trial.settings.train.epochs, trial.settings.data
        right = self.right(trial) * data.validation_count() // VALIDATION_IMAGES
        curves = Curves(
            train_loss=(0.5,) * epochs,
            train_correct_count=(min(300, data.train_count()),) * epochs,
            validation_loss=(0.5,) * epochs,
            validation_correct_count=(data.validation_count() - right,) * (epochs - 1) + (right,),
        )
        tested = record_of(trial, 200 + int(trial.id[:2], 16) % 100, curves=curves)
        unseen = {"test_correct_count": None, "test_loss": None}
        return tested.model_copy(update=unseen) if trial.phase == "tune" else tested


def run(
    experiment: Experiment,
    root: Path,
    train: Fake | None = None,
    *,
    fresh: bool = False,
    said: list[str] | None = None,
    states: list[RunState] | None = None,
) -> RunResult:
    options = RunOptions(results=root / "results", data_folder=root / "data", device="cpu", jobs=1, fresh=fresh)
    show = [] if states is None else states
    say = [] if said is None else said
    return run_experiment(experiment, options, show.append, say.append, Fake() if train is None else train)


def interrupt(experiment: Experiment, root: Path, *, before: int) -> Fake:
    """A run that Ctrl-C ends before a stack."""
    fake = Fake(stop_before=before)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, root, fake)
    return fake


def phases(trials: list[Trial]) -> dict[str, int]:
    return dict(Counter(trial.phase for trial in trials))


def chosen(folder: Path) -> list[float]:
    """The learning rates in a folder's plan."""
    return [arm["tuned"]["train.lr"] for arm in read_plan(folder)["arms"]]


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
