"""Training that never ends after its first stack, in a program of its own: what stops it was no patience."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from actbench.catalogue.datasets import Arrays
from actbench.cli.app import main
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs import runner
from actbench.store.results import Results
from builders import fake_train


def train(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    """Finish the first stack, and no other."""
    on_epoch(1)
    try:
        Path("first").touch(exist_ok=False)
    except FileExistsError:
        while True:
            sum(range(10_000))
    return fake_train(stack, arrays, device, on_epoch)


def write_tables_for_ever(results: Results, *others: object) -> None:
    """Take no notice of Ctrl-C, as a library may while it is imported."""
    said = "writing"
    while True:
        try:
            print(said, flush=True)
            time.sleep(3600)
        except KeyboardInterrupt:
            said = "not yet"


if __name__ == "__main__":
    from stuck_training import train as train_stuck  # workers are to find it by name

    what = sys.argv.pop(1)
    if what == "stuck":
        runner.run_experiment = functools.partial(runner.run_experiment, train=train_stuck)
    elif what == "tables":
        runner.run_experiment = functools.partial(runner.run_experiment, train=fake_train)
        setattr(runner, "write_tables", write_tables_for_ever)  # noqa: B010 (a name of the runner's own)
    main()
