"""Named gains of custom activations are computed before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from custom_files import EXPERIMENT, TENT, custom_file
from program import actbench

ZERO = (
    TENT.replace("max(0, 1 - abs(x))", "0 * x").replace("(0, 1)", "(0, 0)").replace("torch.relu(1 - x.abs())", "0 * x")
)
FITTED = EXPERIMENT.replace("hidden: [8]", "hidden: [8], init: fitted_normal")


@pytest.mark.parametrize(("text", "exit_code"), [(TENT, 0), (ZERO, 2)], ids=["tent", "zero"])
def test_validate_computes_the_gain_that_an_initialiser_takes(text: str, exit_code: int, tmp_path: Path) -> None:
    custom_file(tmp_path, text)
    custom_file(tmp_path, FITTED, "own.yaml")
    finished = actbench("validate", "own.yaml", "--use", "tent.py", "--format", "json", folder=tmp_path)
    assert finished.returncode == exit_code, finished.stderr
    assert json.loads(finished.stdout)["valid"] is (exit_code == 0)
    if exit_code:
        assert "tent has no derived gain: give a number" in finished.stdout


def test_run_computes_it_before_training(tmp_path: Path) -> None:
    custom_file(tmp_path, ZERO)
    custom_file(tmp_path, FITTED, "own.yaml")
    finished = actbench("run", "own.yaml", "--use", "tent.py", folder=tmp_path)
    assert finished.returncode == 2, finished.stderr
    assert "tent has no derived gain: give a number" in finished.stderr
    assert not (tmp_path / "results").exists()
