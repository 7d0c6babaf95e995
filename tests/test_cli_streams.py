"""Streams and signals: pipes, closed and full outputs, Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas
import pytest

from program import TINY, actbench


def test_piped_output_is_plain_and_never_cut(tiny: Path) -> None:
    narrow = actbench("report", "results/tiny", folder=tiny, environment={"COLUMNS": "20", "PYTHONIOENCODING": "ascii"})
    assert narrow.returncode == 0, narrow.stderr
    assert "\x1b" not in narrow.stdout
    assert "\r" not in narrow.stdout
    assert "activation=tanh, init=xavier_normal" in narrow.stdout
    assert "…" not in narrow.stdout


@pytest.mark.parametrize("verb", ["report results/tiny", "list", "compare results/tiny --format json"])
def test_a_reader_who_leaves_is_no_error(verb: str, tiny: Path) -> None:
    command = f"{sys.executable} -m actbench {verb} | head -1; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(["bash", "-c", command], cwd=tiny, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_exit_4_and_a_closed_one_is_ignored(tiny: Path) -> None:
    for redirection, exit_code, said in ((">/dev/full", 4, "cannot be written"), (">&-", 0, "")):
        command = f"{sys.executable} -m actbench report results/tiny {redirection}"
        finished = subprocess.run(["bash", "-c", command], cwd=tiny, capture_output=True, text=True, check=False)
        assert finished.returncode == exit_code, finished.stderr
        assert said in finished.stderr
        assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_keeps_its_trials_and_says_how_to_go_on(
    sent: signal.Signals, exit_code: int, tmp_path: Path
) -> None:
    (tmp_path / "long.yaml").write_text(
        TINY.replace("hidden: [8]", "hidden: [1500]").replace("seeds: 3", "seeds: 40"), encoding="utf-8"
    )
    command = [sys.executable, "-m", "actbench", "run", "long.yaml", "--jobs", "1", "--set", "name=long"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    journal = tmp_path / "results" / "long" / "trials.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=0.05)
            break
    running.send_signal(sent)
    _, said = running.communicate(timeout=30)
    assert running.returncode == exit_code, said
    assert "Continue with: actbench run long.yaml --jobs 1 --set name=long" in said
    assert "Traceback" not in said
    kept = len(journal.read_text().splitlines())
    assert 0 < kept < 160
    assert len(pandas.read_csv(journal.with_name("trials.csv"))) == kept
