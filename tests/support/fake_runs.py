"""Runs of a whole experiment with a training function that trains nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from actbench.catalogue.datasets import Arrays
from actbench.experiment.definition import Experiment
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs.executors.worker import TrainStack
from actbench.runs.options import RunOptions
from actbench.runs.runner import RunResult, run_experiment
from builders import fake_train


def run(
    experiment: Experiment,
    root: Path,
    train: TrainStack = fake_train,
    *,
    fresh: bool = False,
    said: list[str] | None = None,
) -> RunResult:
    options = RunOptions(results=root / "results", data_folder=root / "data", device="cpu", jobs=1, fresh=fresh)
    messages: list[str] = [] if said is None else said
    return run_experiment(experiment, options, lambda state: None, messages.append, train)


class Counting:
    """Fake training that remembers what it was given, and can fail or be interrupted."""

    def __init__(self, fail: Callable[[Stack], Exception | None] = lambda stack: None, stop_after: int = 10**9) -> None:
        self.trained: list[str] = []
        self.fail = fail
        self.stop_after = stop_after

    def __call__(self, stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
        if len(self.trained) >= self.stop_after:
            raise KeyboardInterrupt
        if error := self.fail(stack):
            raise error
        self.trained += [trial.id for trial in stack]
        return fake_train(stack, arrays, device, on_epoch)
