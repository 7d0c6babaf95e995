"""The program with training that takes no time, takes its time, or never ends: nothing of it needs torch."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path

from actbench.__main__ import main
from actbench.catalogue.datasets import Arrays
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs import runner
from actbench.store.results import Results
from builders import fake_train

LEISURE_SECONDS = 1.0


def train_at_leisure(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[float], None]) -> list[TrialRecord]:
    """Take a moment for each stack."""
    time.sleep(LEISURE_SECONDS)
    return fake_train(stack, arrays, device, on_epoch)


def train_without_end(
    stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[float], None]
) -> list[TrialRecord]:
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
    import made_up_training as ours  # workers are to find the functions by name

    what = sys.argv.pop(1)
    train = {"stuck": ours.train_without_end, "leisure": ours.train_at_leisure}.get(what, fake_train)
    if what != "real":
        runner.run_experiment = functools.partial(runner.run_experiment, train=train)
    if what == "tables":
        setattr(runner, "write_tables", write_tables_for_ever)  # noqa: B010 (a name of the runner's own)
    main()
