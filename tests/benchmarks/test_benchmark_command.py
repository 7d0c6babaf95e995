"""`python -m benchmarks` from its start to its files, on tiny data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contest import CONTESTANTS
from benchmarks.rounds import ROOT


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_quick_round_leaves_a_table_and_the_same_table_in_a_file(tmp_path: Path) -> None:
    finished = benchmarks(
        "--quick", "--rounds", "1", "--only", "floor,actbench,careful-loop", "--out", str(tmp_path / "out")
    )
    assert finished.returncode == 0, finished.stderr
    content = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    measured = {one["contestant"]: one["measurement"] for one in content["measurements"]}
    assert list(measured) == ["floor", "actbench", "careful-loop"]
    assert measured["actbench"]["models"] == 40
    assert measured["floor"]["accuracy"] is None
    assert measured["careful-loop"]["accuracy"] > 0.5
    assert 0 < measured["floor"]["seconds"]["floor"] < measured["floor"]["seconds"]["floor+evaluation"]
    page = (tmp_path / "out" / "results.md").read_text(encoding="utf-8")
    for row in ("floor", "floor+evaluation", "actbench", "careful-loop"):
        assert f"\n{row} " in finished.stdout
        assert f"\n| {row} |" in page
    everything = finished.stdout + page + json.dumps(content)
    assert str(ROOT) not in everything
    assert str(tmp_path) not in everything


def test_help_names_every_option_and_contestant() -> None:
    shown = benchmarks("--help")
    assert shown.returncode == 0, shown.stderr
    text = "".join(shown.stdout.split())
    for word in ("--rounds", "--only", "--out", "--quick", *(f"{name}(" for name in CONTESTANTS)):
        assert word in text


def test_an_unknown_contestant_is_a_usage_error() -> None:
    finished = benchmarks("--only", "flor")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "'flor' is no contestant" in finished.stderr


def test_missing_data_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "floor", "--out", str(tmp_path / "out")]
    finished = subprocess.run(
        command, cwd=ROOT, env={"ACTBENCH_DATA": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 4, finished.stderr
    assert "actbench data fetch mnist" in finished.stderr
    assert not (tmp_path / "out").exists()
