"""Streams: pipes, closed and full outputs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from program import MADE_UP, TINY, actbench, actbench_alone


def test_piped_output_is_plain_and_never_cut(tiny: Path) -> None:
    narrow = actbench_alone(
        "report", "results/tiny", folder=tiny, environment={"COLUMNS": "20", "PYTHONIOENCODING": "ascii"}
    )
    assert narrow.returncode == 0, narrow.stderr
    assert "\x1b" not in narrow.stdout
    assert "\r" not in narrow.stdout
    assert {"tanh,", "xavier_normal"} <= set(narrow.stdout.split())
    assert max(map(len, narrow.stdout.splitlines())) <= len("kaiming_normal, xavier_normal")
    assert "…" not in narrow.stdout


@pytest.mark.parametrize("verb", ["list", "list --format json"])
def test_a_reader_who_leaves_is_no_error(verb: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m actbench {verb} | head -1; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_an_answer_that_cannot_be_written_or_is_not_wanted_is_exit_4(redirection: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    for arguments in ("list", "run tiny.yaml --dry-run"):
        command = f"{sys.executable} -m actbench {arguments} {redirection}"
        finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert finished.returncode == 4, finished.stderr
        assert re.search(r"actbench: the output cannot be written \(.*\)\n$", finished.stderr)
    training = f"{sys.executable} {MADE_UP} 'at once' run tiny.yaml --jobs 1 {redirection}"
    finished = subprocess.run(["bash", "-c", training], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == (4 if redirection == ">/dev/full" else 0)
    assert (tmp_path / "results" / "tiny" / "trials.jsonl").read_text(encoding="utf-8").count("\n") == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["", "run -h", "--version"])
def test_help_that_cannot_be_written_is_exit_4_as_well(arguments: str, tmp_path: Path) -> None:
    command = f"{sys.executable} -m actbench {arguments} >/dev/full"
    finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 4
    assert finished.stderr == "actbench: the output cannot be written (No space left on device)\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("arguments", "exit_code"), [("run tiny.yaml --jobs 1", 0), ("compare nowhere", 2)])
def test_a_log_on_a_full_disk_changes_neither_what_is_done_nor_the_exit_code(
    arguments: str, exit_code: int, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    command = f"{sys.executable} {MADE_UP} 'at once' {arguments} 2>/dev/full"
    finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == exit_code
    assert ("Which activation" in finished.stdout) == (exit_code == 0)


def test_a_quiet_run_prints_its_answer_and_says_only_warnings(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    finished = actbench("run", "tiny.yaml", "--jobs", "1", "-q", folder=tmp_path)
    hint = "warning: 1 seed cannot decide 2 comparisons, 7 can: --set seeds=7"
    assert (finished.returncode, finished.stderr.splitlines()) == (0, [hint])
    assert finished.stdout.startswith("Which ")
    with (tmp_path / "results" / "tiny" / "trials.jsonl").open("a", encoding="utf-8") as journal:
        journal.write("junk\n")
    again = actbench("run", "tiny.yaml", "-q", "--set", "seeds=2", "--jobs", "1", folder=tmp_path)
    assert [re.sub(":.*", "", line) for line in again.stderr.splitlines()] == ["warning"] * 3
    moved = "trials.jsonl: 1 damaged line moved to trials.damaged.jsonl; the trials that this loses are trained again"
    assert f"warning: results/tiny/{moved}\n" in again.stderr
    assert moved in (tmp_path / "results" / "tiny" / "run.log").read_text(encoding="utf-8")
    assert "final trials of other seeds: nothing is judged" in again.stderr
    refused = actbench("run", "tiny.yaml", "-q", "-v", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "actbench: --quiet and --verbose: give one of them\n"


def test_a_quiet_shard_prints_one_line(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 7"), encoding="utf-8")
    finished = actbench("run", "tiny.yaml", "--jobs", "1", "--shard", "1/14", "-q", folder=tmp_path)
    line = "results/tiny.shard-1-of-14: 2 trials, 2 trained now, 0 diverged, 0 collapsed, 0 failed\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, line, "")


def test_a_run_ends_with_where_the_results_are_the_counts_and_what_to_type_next(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    finished = actbench("run", "tiny.yaml", "--jobs", "1", "-vv", folder=tmp_path)
    assert finished.returncode == 0
    said = finished.stderr.splitlines()
    assert said[-2:] == [
        "results/tiny: 4 trials, 4 trained now, 0 diverged, 0 collapsed, 0 failed",
        "Next: actbench report results/tiny",
    ]
    assert re.fullmatch(r"4 trials to train on 1 worker, perhaps 0:\d\d with the start", said[3])
    begun = [line.split()[0] for line in said[4:-2]]
    assert begun == ["run", "started", "trained", "4/4", "run"]


ONE_TRIAL = """
name: one
data: {dataset: digits, train: 60, test: 40}
model: {hidden: [1]}
train: {epochs: 1}
seeds: 1
"""


def test_one_is_no_plural(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(ONE_TRIAL, encoding="utf-8")
    lines = (
        "validate one.yaml", "summary one.yaml", "plan one.yaml", "run one.yaml --dry-run", "run one.yaml -vv --jobs 1",
        "run one.yaml --shard 1/1 --jobs 1", "merge results/one.shard-1-of-1", "status results/one",
        "verify results/one", "report results/one", "predictions results/one --hardest 1",
        "show kaiming_normal --shape 1x1",
    )  # fmt: skip
    for line in lines:
        finished = actbench(*line.split(), folder=tmp_path)
        assert finished.returncode == 0, finished.stderr
        assert re.findall(r"\b1 (?:[a-z]+ )?[a-z]+s\b", finished.stdout + finished.stderr) == [], line
