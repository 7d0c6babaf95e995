"""A run that is killed at any moment goes on with the same command, and ends with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from places import SUPPORT

KILLS = int(os.environ.get("ACTBENCH_SOAK_KILLS", "3"))
TABLES = ("trials.csv", "epochs.csv", "layers.csv", "table.csv", "table.md")
EXPERIMENT = """
name: long
model: {hidden: [4]}
train: {epochs: 3}
vary: {model.activation: [relu, tanh, gelu, mish], train.lr: [1e-3, 1e-2]}
seeds: 5
"""
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from actbench.config.reader import load_experiment
from actbench.runs.runner import RunOptions, run_experiment
from builders import fake_train
if __name__ == "__main__":
    options = RunOptions(Path("results"), Path(), device="cpu", jobs=2)
    run_experiment(load_experiment(Path("long.yaml")).experiment, options, lambda state: None, print, fake_train)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "long.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM.format(tests=str(SUPPORT)), encoding="utf-8")
    return tmp_path


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "program.py"], cwd=folder, stderr=subprocess.PIPE, text=True)


def finish(folder: Path) -> dict[str, bytes]:
    """The tables after running to the end."""
    running = start(folder)
    said = running.communicate(timeout=120)[1]
    assert running.returncode == 0, said
    return {name: (folder / "results" / "long" / name).read_bytes() for name in TABLES}


def test_a_run_killed_at_random_moments_ends_with_the_bytes_of_an_undisturbed_one(folder: Path) -> None:
    """The soak kills more often: ACTBENCH_SOAK_KILLS=50."""
    begun = time.monotonic()
    undisturbed = finish(folder)
    seconds = time.monotonic() - begun
    shutil.rmtree(folder / "results")
    moments, kills = random.Random(0), 0
    while kills < KILLS:
        running = start(folder)
        try:
            said = running.communicate(timeout=moments.uniform(0.1, 1.0) * seconds)[1]
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.communicate()  # Python complains in a worker that was just being started
            kills += 1
        else:
            assert (running.returncode, "Traceback" in said) == (0, False), said
            assert {name: (folder / "results" / "long" / name).read_bytes() for name in TABLES} == undisturbed
            shutil.rmtree(folder / "results")
    assert finish(folder) == undisturbed
