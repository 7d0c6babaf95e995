"""The program that is run where a GPU is at hand, tried on the CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu import CONTESTANTS, Load
from benchmarks.job import Job
from benchmarks.rounds import ROOT

CPU = torch.device("cpu")
SCRIPT = ROOT / "benchmarks" / "gpu.sh"


@pytest.fixture
def load() -> Load:
    return Load(*gpu.random_images(Job(train_count=600), CPU), trials=3, precision="float32")


@pytest.mark.parametrize("name", [name for name in CONTESTANTS if name != "torch.compile"])
def test_every_contestant_takes_steps(name: str, load: Load) -> None:
    step = CONTESTANTS[name](load)
    for _ in range(6):
        step()
    assert gpu.seconds_of(step, CPU, 0.0) > 0


def test_what_cannot_be_measured_leaves_its_reason_in_the_table(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_load: Load) -> gpu.Step:
        raise RuntimeError("out of memory\nTried to allocate")

    monkeypatch.setitem(CONTESTANTS, "torch.func", broken)
    assert gpu.measure(load, "torch.func", 0.0) == "out of memory"
    cells: dict[tuple[str, int], float | str] = {(name, 8): 4e-3 for name in CONTESTANTS}
    cells |= {("careful loop", 8): 0.4, ("torch.func", 8): "out of memory"}
    section = gpu.table("float32", [8], cells)
    rows = {row[0]: row[1] for row in section.rows}
    assert (rows["actbench"], rows["careful loop"], rows["torch.func"]) == ("500", "5e+04", "-")
    assert section.notes == [
        "actbench against the careful loop, by networks: 8: 100 x.", "torch.func: out of memory.",
    ]  # fmt: skip


def test_networks_of_a_sweep_have_eight_activations_and_seeds_and_share_learning_rates() -> None:
    trials = gpu.trials_of(128, 600)
    assert len({trial.id for trial in trials}) == 128
    assert len({trial.seed for trial in trials}) == 8
    assert len({trial.settings.train.lr for trial in trials}) == 2
    assert len(gpu.trials_of(1024, 600)) == 1024


def run_script(*arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": python}
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_script_tests_and_measures_on_the_cpu_and_says_that_it_was_no_gpu(tmp_path: Path) -> None:
    options = "--device cpu --trials 2 --precisions float32 --images 600 --seconds 60"
    finished = run_script(*options.split(), "--out", str(tmp_path / "gpu.md"))
    assert finished.returncode == 0, finished.stderr
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "nothing here was measured on a GPU" in page
    assert re.search(r"\| actbench \| [\d.e+]+ \|", page)
    assert "## profile of actbench, 2 networks" in page
    assert str(ROOT) not in page


@pytest.mark.slow
def test_without_a_gpu_the_script_says_how_to_try_it(tmp_path: Path) -> None:
    python = tmp_path / "python"  # everything can be imported, and torch finds no GPU
    python.write_text('#!/bin/sh\ncase "$*" in *is_available*) exit 1 ;; esac\n', encoding="utf-8")
    python.chmod(0o755)
    finished = run_script(python=str(python))
    assert (finished.returncode, finished.stdout) == (4, "")
    assert "torch finds no GPU here; --device cpu tries the program" in finished.stderr
