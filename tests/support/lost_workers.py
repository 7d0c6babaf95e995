"""Training functions whose worker is lost, and whether a process is there."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from actbench.catalogue.datasets import Arrays
from actbench.experiment.records import Report, TrialRecord
from actbench.plan.stacks import Stack
from builders import fake_train


def _end(how: str) -> None:
    if how == "hang":
        time.sleep(3600)
    elif how == "out of memory":
        raise MemoryError
    elif how == "exception":
        raise ValueError("poison")
    elif how == "exit":
        sys.exit(0)
    else:
        os.kill(os.getpid(), {"killed": signal.SIGKILL, "segfault": signal.SIGSEGV}[how])


def lost_once(
    how: str, markers: Path, stack: Stack, arrays: Arrays, device: str, on_epoch: Report
) -> list[TrialRecord]:
    """Ends badly at the first try of the stack with seed 1, and never again."""
    marker = markers / "tried"
    if any(trial.seed == 1 for trial in stack) and not marker.exists():
        marker.touch()
        _end(how)
    return fake_train(stack, arrays, device, on_epoch)


def poisoned(how: str, markers: Path, stack: Stack, arrays: Arrays, device: str, on_epoch: Report) -> list[TrialRecord]:
    """Ends badly whenever seed 1 of the first arm is among the trials; every try leaves its mark."""
    if any(trial.seed == 1 and trial.settings.model.activation.name == "relu" for trial in stack):
        (markers / f"{len(stack)}-{time.monotonic_ns()}").touch()
        _end(how)
    return fake_train(stack, arrays, device, on_epoch)


def busy_forever(stack: Stack, arrays: Arrays, device: str, on_epoch: Report) -> list[TrialRecord]:
    """A worker that never comes back to its connection."""
    on_epoch(0)
    while True:
        sum(range(10_000))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
