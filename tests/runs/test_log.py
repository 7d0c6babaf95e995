"""`run.log`: what runs did and when, in plain lines that say nothing private, stay bounded and change no result."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.errors import UnusableEnvironmentError
from actbench.experiment.definition import Experiment
from actbench.plan.stacks import Stack
from actbench.runs import log as run_log
from actbench.runs.log import LOG, last_run, read_log, write_log
from actbench.runs.options import RunOptions
from actbench.runs.runner import run_experiment
from actbench.runs.verify import is_whole, verify_folder
from builders import TWO_ACTIVATIONS, experiment_from, fake_train
from fake_runs import Counting, run


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


def texts(folder: Path) -> list[str]:
    return [line.text for line in read_log(folder)]


def poisoned(seed: int) -> Callable[[Stack], Exception | None]:
    return lambda stack: ValueError("poi\x1b[31mson") if any(trial.seed == seed for trial in stack) else None


def test_a_run_says_how_it_began_what_it_trained_and_how_it_ended(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    begun, started, trained, ended = texts(folder)
    assert begun.startswith("run started: actbench 0.1.0, training code ")
    assert begun.endswith(", cpu, 1 worker; 6 trials, 0 done")
    assert started == "started 6 trials (relu and tanh; final, seeds 0 to 2)"
    assert trained == "trained 6 trials (relu and tanh; final, seeds 0 to 2) in 1.50 s"
    assert ended.startswith("run finished after 0:0")
    assert ended.endswith(": 6/6 trials, 100% of all epochs, 0 diverged, 0 collapsed, 0 failed")


def test_failures_are_there_with_their_cause_which_steers_no_terminal(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Counting(poisoned(1))).folder
    found = texts(folder)
    cause = "ValueError: poi\\x1b[31mson"
    assert f"failed: relu, final, seed 1: {cause}" in found
    assert f"failed: tanh, final, seed 1: {cause}" in found
    assert found.count(f"trying again 6 trials (relu and tanh; final, seeds 0 to 2): {cause}") == 2
    assert "2 failed" in found[-1]
    assert b"\x1b" not in (folder / LOG).read_bytes()


def test_an_interruption_is_there_and_the_next_run_is_added(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, Counting(stop_after=0))
    folder = tmp_path / "results" / "made-up"
    assert texts(folder)[-1] == "run interrupted"
    run(experiment, tmp_path)
    assert [text.split(":")[0] for text in texts(folder) if text.startswith("run ")][:3] == [
        "run started", "run interrupted", "run started",
    ]  # fmt: skip
    assert last_run(read_log(folder)) == read_log(folder)[-4:]


def test_a_finished_experiment_adds_nothing_and_the_log_changes_no_table(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run(experiment, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert is_whole(verify_folder(folder))
    (folder / LOG).unlink()
    run(experiment, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: content for name, content in before.items() if name != LOG
    }


def test_it_names_no_folder(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Counting(poisoned(0))).folder
    assert os.fsencode(tmp_path) not in (folder / LOG).read_bytes()
    assert tmp_path.name.encode() not in (folder / LOG).read_bytes()


@pytest.mark.parametrize(("verbosity", "expected"), [
    (-1, []), (0, ["failed"]), (1, ["run", "trying", "trained", "failed"]),
    (2, ["run", "started", "trying", "trained", "failed"]),
])  # fmt: skip
def test_more_of_it_is_said_the_more_is_asked_for(
    verbosity: int, expected: list[str], experiment: Experiment, tmp_path: Path
) -> None:
    options = RunOptions(tmp_path / "results", tmp_path, device="cpu", jobs=1, verbosity=verbosity)
    said: list[str] = []
    run_experiment(experiment, options, lambda state: None, said.append, Counting(poisoned(0)))
    assert {line.split()[0].rstrip(":") for line in said[1:]} == set(expected)


def test_a_log_that_has_grown_long_loses_its_older_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "MAX_LOG_BYTES", 2000)
    for number in range(200):
        write_log(tmp_path, f"line {number} {'x' * 1000 if number == 100 else ''}")
        assert (tmp_path / LOG).stat().st_size <= 2000
    found = texts(tmp_path)
    assert found[-1].split()[:2] == ["line", "199"]
    numbers = [int(text.split()[1]) for text in found]
    assert numbers == list(range(numbers[0], 200))


@pytest.mark.parametrize("content", [
    b"", b"\x00\xff\n", b"2026-11-21T15:00:00Z\n", b"2026-99-21T15:00:00Z run started\n", b"no time\n" * 1000,
])  # fmt: skip
def test_what_is_no_line_of_a_log_is_left_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(content)
    assert read_log(tmp_path) == []
    assert last_run(read_log(tmp_path)) == []
    write_log(tmp_path, "run started: x")
    assert [line.text for line in last_run(read_log(tmp_path))] == ["run started: x"]


def test_a_line_that_was_cut_spoils_none_after_it(tmp_path: Path) -> None:
    write_log(tmp_path, "one\ntwo")
    whole = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(whole + whole[:12])
    write_log(tmp_path, "three")
    assert texts(tmp_path) == ["one two", "three"]


def test_a_log_that_cannot_be_written_ends_the_run_cleanly(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "made-up"
    (folder / LOG).mkdir(parents=True)
    with pytest.raises(UnusableEnvironmentError, match=r"run\.log: cannot be written"):
        run(experiment, tmp_path)
    shutil.rmtree(folder / LOG)
    assert run(experiment, tmp_path, fake_train).trained == 6


def test_a_log_that_leads_out_is_not_followed(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "made-up"
    folder.mkdir(parents=True)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (folder / LOG).symlink_to(tmp_path / "mine")
    with pytest.raises(UnusableEnvironmentError):
        run(experiment, tmp_path)
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    assert read_log(folder) == []
