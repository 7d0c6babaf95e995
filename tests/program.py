"""The program, run as users and scripts run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TINY = """
name: tiny
data: {dataset: digits, train: 120, test: 60}
model: {hidden: [8]}
train: {epochs: 2, batch_size: 32}
vary: {model.activation: [relu, tanh], model.init: [he_normal, xavier_normal]}
seeds: 3
baseline: {model.activation: relu}
"""
Finished = subprocess.CompletedProcess[str]


def actbench(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> Finished:
    """Run a command line in a folder, without the data folder that the tests themselves were told."""
    command = [sys.executable, "-m", "actbench", *map(str, arguments)]
    variables = {key: value for key, value in os.environ.items() if key != "ACTBENCH_DATA"} | dict(environment or {})
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def assert_one_message(finished: Finished, exit_code: int, *parts: str) -> None:
    """The exit code, nothing on standard output, and a message with these parts instead of a traceback."""
    assert finished.returncode == exit_code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    for part in parts:
        assert part in finished.stderr
