"""`actbench run benchmarks/activations.yaml` as a user types it, from the start of the program to its table.

Start-up, data, workers, evaluation after each epoch, the test images, per-layer probes, the journal and all tables are
counted. 40 trials: eight activations with five seeds, or relu with 40 seeds, which is what the others train.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from actbench.errors import EXIT_USAGE
from benchmarks.job import FULL, Job
from benchmarks.measurement import LeftOutError, Measurement, measurement_of, require_bf16

EXPERIMENT = Path(__file__).parent.parent / "activations.yaml"
LONG_EPOCHS = 10
VARIANTS = {
    "relu": ("vary.model.activation=[relu]", "seeds=40"),
    "long": (f"train.epochs={LONG_EPOCHS}", "seeds=3"),
    "bf16": ("train.precision=bf16",),
}


def measure(job: Job, name: str, variant: Literal["relu", "long", "bf16"] | None = None) -> Measurement:
    """The whole command, divided by its trials and epochs."""
    overrides = (*(VARIANTS[variant] if variant else ()), *settings_of(job))
    settings = [part for override in overrides for part in ("--set", override)]
    if variant == "bf16":
        require_bf16()
    if variant == "bf16" and actbench("validate", EXPERIMENT, *settings).returncode == EXIT_USAGE:
        raise LeftOutError("this actbench does not know train.precision=bf16")
    with tempfile.TemporaryDirectory() as results:
        started = time.perf_counter()
        finished = actbench("run", EXPERIMENT, *settings, "--device", "cpu", "--results", results)
        seconds = time.perf_counter() - started
        if finished.returncode:
            raise RuntimeError(f"actbench run ended with exit code {finished.returncode}: {finished.stderr.strip()}")
        with (Path(results) / "benchmark" / "trials.csv").open(encoding="utf-8", newline="") as file:
            trials = list(csv.DictReader(file))
    lowest = min(float(trial["validation_accuracy"]) for trial in trials)
    epochs = LONG_EPOCHS if variant == "long" and job == FULL else job.max_epochs
    return measurement_of(name, seconds, len(trials), epochs, lowest)


def settings_of(job: Job) -> list[str]:
    """Overrides of the experiment file for another job than the full one."""
    if job == FULL:
        return []
    return [
        f"data.dataset={job.dataset}",
        f"data.train={job.train_count + job.validation_count}",
        f"data.validation={job.validation_count}",
        f"train.batch_size={job.batch_images}",
        f"train.epochs={job.max_epochs}",
    ]


def actbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command line of this repository's actbench."""
    command = [sys.executable, "-m", "actbench", *map(str, arguments)]
    return subprocess.run(command, cwd=EXPERIMENT.parent.parent, capture_output=True, text=True, check=False)
