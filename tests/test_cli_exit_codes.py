"""Every exit code of the table; 130 and 143 are in test_interruption."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actbench import errors
from program import actbench

CONTRADICTED = "expect=[{claim: the loss is huge, metric: test_loss, above: 100}]"
FAILING = """
import sys
from dataclasses import replace
import actbench.runner
from actbench.cli import main

run = actbench.runner.run_experiment
actbench.runner.run_experiment = lambda *arguments: replace(run(*arguments), failed=2)
sys.argv = ["actbench", "run", "tiny.yaml"]
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "tiny.yaml"], 0),
        (["run", "tiny.yaml", "--gate", "--set", CONTRADICTED], errors.EXIT_CHECK_FAILED),
        (["compare", "results/tiny", "--baseline", "sine"], errors.EXIT_USAGE),
        (["run", "tiny.yaml", "--no-such-option"], errors.EXIT_USAGE),
        (["run"], errors.EXIT_USAGE),
        (["run", "tiny.yaml", "--device", "gpu"], errors.EXIT_USAGE),
        (["init", "missing/a.yaml"], errors.EXIT_ENVIRONMENT),
    ],
)
def test_what_becomes_of_a_command_is_its_exit_code(arguments: list[str], code: int, tiny: Path) -> None:
    finished = actbench(*arguments, folder=tiny)
    assert finished.returncode == code, finished.stderr
    assert "Traceback" not in finished.stderr


def test_failed_trials_are_exit_3_after_the_table(tiny: Path) -> None:
    finished = subprocess.run([sys.executable, "-c", FAILING], cwd=tiny, capture_output=True, text=True, check=False)
    assert finished.returncode == errors.EXIT_TRIALS_FAILED, finished.stderr
    assert finished.stdout.startswith("test_accuracy by arm")
    assert "2 failed" in finished.stderr
    assert "the same command tries the failed trials again" in finished.stderr
