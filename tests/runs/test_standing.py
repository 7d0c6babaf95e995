"""The counts that a run or `status` keeps beside a long journal: what the journal gives, or of no use."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actbench.experiment.definition import Experiment
from actbench.plan.stacks import Stack
from actbench.runs.options import RunOptions
from actbench.runs.progress import RunState
from actbench.runs.runner import run_experiment
from actbench.runs.status import (
    STANDING,
    Standing,
    kept_standing,
    read_status,
    standing_of,
    status_document,
    status_sections,
)
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL
from actbench.store.results import load_results, plan_and_finished_trials
from builders import TWO_ACTIVATIONS, experiment_from
from fake_runs import Counting, run
from tuned_runs import TUNED

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the counts of short journals too."""
    monkeypatch.setattr("actbench.runs.status.MIN_JOURNAL_BYTES", 1)
    monkeypatch.setattr("actbench.runs.progress.WORK_SHARE", 1e9)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


@pytest.fixture
def folder(experiment: Experiment, tmp_path: Path) -> Path:
    """A finished experiment's folder."""
    return run(experiment, tmp_path).folder


def from_journal(folder: Path) -> Standing:
    results = load_results(folder, folder.parent)
    plan, known = plan_and_finished_trials(results)
    return standing_of(results.experiment, plan, known, results.records)


def test_status_says_the_same_from_the_kept_counts_without_reading_the_journal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_standing(folder)
    (folder / STANDING).rename(folder / "aside")
    expected = status_document(read_status(folder, folder.parent, NOW))
    assert (folder / STANDING).read_bytes() == (folder / "aside").read_bytes()
    assert kept == from_journal(folder)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("actbench.store.reading.raw_lines", refuse)
    monkeypatch.setattr("actbench.store.results.load_experiment", refuse)
    assert status_document(read_status(folder, folder.parent, NOW)) == expected


def test_status_of_a_run_at_work_says_the_latest_counts_and_when_they_were_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lines = kept_standing(folder), (folder / JOURNAL).read_bytes()
    os.utime(folder / STANDING, (NOW.timestamp() - 60,) * 2)
    (folder / JOURNAL).write_bytes(lines + lines[: lines.index(b"\n") + 1])
    assert kept_standing(folder) is None
    monkeypatch.setattr("actbench.runs.status.is_locked", lambda _folder: True)
    monkeypatch.setattr("actbench.runs.status.load_results", None)
    status = read_status(folder, folder.parent, NOW)
    assert status.standing == kept
    assert status_document(status)["counted"] == "2029-12-31T23:59:00Z"
    assert ["counted", "1:00 ago"] in [[row[0], row[1][-8:]] for row in status_sections(status)[0].rows]
    for other in (lines[:-1], lines[: len(lines) // 2], b"x" + lines[1:-2] + b"x\n" + lines):
        (folder / JOURNAL).write_bytes(other)
        assert kept_standing(folder, may_lag=True) is None


def keeping_times(path: Path, change: Callable[[bytes], bytes]) -> None:
    status = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a line gone": lambda folder: keeping_times(folder / JOURNAL, lambda text: text[: text.rindex(b"\n", 0, -1) + 1]),
    "another time": lambda folder: os.utime(folder / JOURNAL),
    "other last bytes": lambda folder: keeping_times(folder / JOURNAL, lambda text: text[:-9] + b"x" + text[-8:]),
    "no journal": lambda folder: (folder / JOURNAL).unlink(),
    "another experiment": lambda folder: keeping_times(
        folder / EXPERIMENT, lambda text: text.replace(b"seeds: 3", b"seeds: 2")
    ),
    "another environment": lambda folder: keeping_times(folder / ENVIRONMENT, lambda text: text + b" "),
    "another name": lambda folder: None,
    "a link": lambda folder: make_link(folder / STANDING),
    "garbage": lambda folder: (folder / STANDING).write_bytes(b'["sha'),
    "other counts of the right key": lambda folder: (folder / STANDING).write_bytes(
        json.dumps([json.loads((folder / STANDING).read_bytes())[0], {"planned": "many"}]).encode()
    ),
    "a folder": lambda folder: make_folder(folder / STANDING),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_counts_of_other_files_are_not_believed(change: Callable[[Path], object], folder: Path) -> None:
    change(folder)
    if change is CHANGES["another name"]:
        folder = folder.rename(folder.with_name("another"))
    assert kept_standing(folder) is None
    assert read_status(folder, folder.parent, NOW).standing == from_journal(folder)


@pytest.mark.parametrize("text", [TWO_ACTIVATIONS, TUNED], ids=["untuned", "tuned"])
def test_a_run_keeps_the_counts_with_every_stack_of_its_final_phase(text: str, tmp_path: Path) -> None:
    experiment = experiment_from(text, tmp_path)
    folder = tmp_path / "results" / experiment.name
    compared: list[bool] = []

    def show(state: RunState) -> None:
        if (kept := kept_standing(folder)) is not None:
            compared.append(kept == from_journal(folder))

    def fails(stack: Stack) -> Exception | None:
        return ValueError("poison") if stack[0].phase == "final" and any(trial.seed == 1 for trial in stack) else None

    def attempt(train: Counting) -> None:
        options = RunOptions(results=tmp_path / "results", data_folder=tmp_path / "data", device="cpu", jobs=1)
        run_experiment(experiment, options, show, lambda line: None, train)

    attempt(Counting(fails))
    assert kept_standing(folder) == from_journal(folder)
    with contextlib.suppress(KeyboardInterrupt):
        attempt(Counting(stop_after=1))
    attempt(Counting())
    assert kept_standing(folder) == from_journal(folder)
    assert len(compared) >= 2
    assert all(compared)


def test_a_trial_that_fails_again_has_both_causes_after_the_run(experiment: Experiment, tmp_path: Path) -> None:
    causes = iter(range(100))

    def fails(stack: Stack) -> Exception | None:
        return ValueError(f"cause {next(causes)}") if any(trial.seed == 1 for trial in stack) else None

    folder = run(experiment, tmp_path, Counting(fails)).folder
    run(experiment, tmp_path, Counting(fails))
    kept = kept_standing(folder)
    assert kept == from_journal(folder)
    assert kept is not None
    assert all(row[-1].count("cause") == 2 for row in kept.failures)


def test_short_journals_and_custom_functions_leave_nothing_behind(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    folder = run(experiment, tmp_path).folder
    read_status(folder, folder.parent, NOW)
    assert not (folder / STANDING).exists()
