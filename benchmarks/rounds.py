"""Rounds: every contestant once per round, each in a separate process, in rotating order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actbench.catalogue.datasets import data_folder
from actbench.errors import EXIT_CHECK_FAILED, EXIT_TRIALS_FAILED, ExpectedError
from benchmarks.job import FULL, QUICK, Job
from benchmarks.measurement import LeftOutError, Measurement

ROOT = Path(__file__).parent.parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XLA_FLAGS")

Measure = Callable[[str], tuple[Measurement, float]]


class ContestantFailedError(ExpectedError):
    """A contestant ended without a measurement."""

    exit_code = EXIT_TRIALS_FAILED


class NotLearntError(ExpectedError):
    """A contestant's models did not learn."""

    exit_code = EXIT_CHECK_FAILED


@dataclass(frozen=True)
class Entry:
    """One contestant in one round; `total_seconds` is its whole process, start-up and compilation included."""

    round: int
    contestant: str
    measurement: Measurement
    total_seconds: float


@dataclass
class Course:
    """The measurements so far, and the contestants left out, with reasons."""

    entries: list[Entry] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def order_of(names: Sequence[str], number: int) -> list[str]:
    """The contestants in the order of round `number`, counted from 1: each round starts one contestant later."""
    start = (number - 1) % len(names)
    return [*names[start:], *names[:start]]


def run_rounds(
    names: Sequence[str], rounds: int, job: Job, measure: Measure, say: Callable[[str], None]
) -> Iterator[Course]:
    """Measure all contestants in every round; yields the course after each measurement.

    Raises `ContestantFailedError` and `NotLearntError`.
    """
    course = Course()
    for number in range(1, rounds + 1):
        for name in order_of(names, number):
            if name in course.left_out:
                continue
            try:
                measurement, total_seconds = measure(name)
            except LeftOutError as reason:
                course.left_out[name] = str(reason)
                say(f"{name} is left out: {reason}")
                continue
            require_learnt(name, measurement, job)
            course.entries.append(Entry(number, name, measurement, total_seconds))
            seconds = ", ".join(f"{row} {value:.4g} s" for row, value in measurement.seconds.items())
            say(f"round {number} of {rounds}: {seconds} per model and epoch")
            yield course


def require_learnt(name: str, measurement: Measurement, job: Job) -> None:
    """Raise `NotLearntError` if a model's validation accuracy is below what the job requires, or not a number."""
    accuracy = measurement.accuracy
    if accuracy is not None and not accuracy >= job.required_accuracy:
        raise NotLearntError(
            f"{name} has not learnt: validation accuracy {accuracy:.4f} after {measurement.epochs} epochs, "
            f"expected at least {job.required_accuracy:.2f}; its time means nothing, so nothing more is measured"
        )


def measure_in_process(name: str, job: Job) -> tuple[Measurement, float]:
    """One contestant's measurement in a separate process, and the total seconds of that process.

    Raises `LeftOutError` and `ContestantFailedError`.
    """
    assert job in (FULL, QUICK)
    command = [sys.executable, "-m", "benchmarks.contestants", name, *(["--quick"] if job == QUICK else [])]
    variables = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables["ACTBENCH_DATA"] = str(data_folder(None).resolve())
    started = time.perf_counter()
    finished = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    total_seconds = time.perf_counter() - started
    if finished.returncode:
        last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        again = " ".join(["python", *command[1:]])
        raise ContestantFailedError(f"{name} ended with code {finished.returncode}: {last}; run `{again}` to see more")
    answer = json.loads(finished.stdout.splitlines()[-1])
    if "left_out" in answer:
        raise LeftOutError(answer["left_out"])
    return Measurement(**answer), total_seconds
