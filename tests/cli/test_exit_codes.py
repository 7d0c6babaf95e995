"""Every exit code of the table; 130 and 143 are in test_interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench import errors
from actbench.runs import runner as actbench_runner
from program import actbench

CONTRADICTED = "expect=[{claim: the loss is huge, metric: test_loss, above: 100}]"


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


def test_failed_trials_are_exit_3_after_the_table(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = actbench_runner.run_experiment

    def run_with_two_failures(*arguments: Any, **options: Any) -> actbench_runner.RunResult:
        return replace(real(*arguments, **options), failed=2)

    monkeypatch.setattr(actbench_runner, "run_experiment", run_with_two_failures)
    finished = actbench("run", "tiny.yaml", folder=tiny)
    assert finished.returncode == errors.EXIT_TRIALS_FAILED, finished.stderr
    assert finished.stdout.startswith("test_accuracy by arm")
    assert "2 failed" in finished.stderr
    assert "the same command tries the failed trials again" in finished.stderr
