"""`actbench status`: how far a run is, seen from outside while it runs, after it stopped, and when it is finished."""

from __future__ import annotations

import errno
import json
import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actbench import errors
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.plan.plan import make_plan
from actbench.plan.trials import Shard
from actbench.runs.log import LOG, write_log
from actbench.runs.status import read_status, status_sections
from actbench.store.folder import write_environment, write_experiment
from actbench.store.journal import append_records
from actbench.store.lock import LOCK, is_locked, locked
from actbench.store.names import EXPERIMENT, JOURNAL
from actbench.store.results import result_folder
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from custom_files import EXPERIMENT as OWN_EXPERIMENT
from custom_files import custom_file
from fake_runs import Counting, run
from in_process import Answer, invoke
from program import TINY
from shard_runs import merge_shards, run_shards
from tuned_runs import TUNED


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


@pytest.fixture
def folder(experiment: Experiment, tmp_path: Path) -> Path:
    """A run in progress, or one that was stopped: 3 of 6 trials, one of which failed and one of which diverged."""
    folder = tmp_path / "results" / "made-up"
    folder.mkdir(parents=True)
    write_experiment(folder, experiment_to_yaml(experiment))
    write_environment(folder, {"id": "e", "device": "cpu", "workers": 2})
    first, second, third, *_ = make_plan(experiment).trials().values()
    changes: list[dict[str, Any]] = [
        {"wall_seconds": 30.0}, {"outcome": "failed", "cause": "ValueError: poison"},
        {"outcome": "diverged", "diverged_epoch": 2},
    ]  # fmt: skip
    records = [record_of(trial, **change) for trial, change in zip((first, second, third), changes, strict=True)]
    write_log(folder, "run started: actbench")
    append_records(folder, records)
    write_log(folder, "trained 3 trials")
    return folder


def seen(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its contents and its time."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def document(folder: Path) -> dict[str, Any]:
    answer = invoke("status", folder, "--format", "json")
    assert (answer.exit_code, answer.stderr) == (0, "")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_a_run_in_progress_is_seen_while_it_holds_the_lock_and_nothing_is_changed(folder: Path) -> None:
    with locked(folder):
        before = seen(folder)
        found = document(folder)
        answer = invoke("status", folder)
        assert seen(folder) == before
    assert (found["state"], found["running"]) == ("running", True)
    assert found["trials"] == {"planned": 6, "done": 2, "failed": 2, "diverged": 1, "collapsed": 0, "crashed": 1}
    assert [(arm["label"], arm["planned"], arm["done"]) for arm in found["arms"]] == [("relu", 3, 2), ("tanh", 3, 0)]
    assert found["last_in_the_log"] == "trained 3 trials"
    assert found["started"].startswith("20")
    assert 0 < found["seconds_left"] <= 60  # four trials of 30 s on two workers
    assert "from 1 trial " in found["seconds_basis"]
    (failed, diverged) = sorted(found["failures"], key=lambda one: str(one["what"]), reverse=True)
    assert (failed["arm"], failed["seed"], failed["cause"]) == ("relu", "1", "ValueError: poison")
    assert (diverged["what"], diverged["epoch"]) == ("diverged", "2")
    assert answer.exit_code == 0
    for part in ("running", "2 of 6 done, 1 diverged, 0 collapsed, 1 failed", "ValueError: poison", "time left"):
        assert part in answer.stdout


def test_a_run_that_stopped_is_told_from_one_at_work_and_how_it_goes_on(folder: Path) -> None:
    before = seen(folder)
    found = document(folder)
    assert (found["state"], found["running"], found["seconds_left"]) == ("stopped", False, None)
    answer = invoke("status", folder)
    assert f"Continue with: actbench run {folder / EXPERIMENT} --results {folder.parent} --set name=made-up" in (
        answer.stdout
    )
    assert seen(folder) == before
    assert LOCK not in before


def test_a_finished_experiment_is_finished_and_has_no_time_left(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    found = document(folder)
    assert (found["state"], found["trials"]["done"], found["failures"]) == ("finished", 6, [])
    assert "Next: actbench report" in invoke("status", folder).stdout


# ----- a shard's folder


def command_in(answer: Answer) -> list[str]:
    """The words behind `Continue with: actbench`, which are wrapped in a table's notes like any others."""
    (line,) = (line for line in answer.stdout.splitlines() if "Continue with: " in line)
    return shlex.split(line.partition("Continue with: actbench ")[2])


def test_a_shard_is_told_by_its_own_share_and_how_it_goes_on_and_then_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, encoding="utf-8")
    stopped = invoke("run", "tiny.yaml", "--jobs", "1", "--shard", "1/5", "--max-time", "0.000001")
    assert stopped.exit_code == errors.EXIT_TRIALS_FAILED
    assert "--max-time: 3 trials left." in stopped.stderr
    folder = Path("results", "tiny.shard-1-of-5")
    found = document(folder)
    assert (found["state"], found["trials"]["planned"], found["trials"]["done"]) == ("stopped", 3, 0)
    assert sum(arm["planned"] for arm in found["arms"]) == 3
    assert invoke(*command_in(invoke("status", folder)), "--jobs", "1").exit_code == 0
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    found = document(folder)
    assert (found["state"], found["trials"]["planned"], found["trials"]["done"]) == ("finished", 3, 3)
    assert "done: actbench merge results/tiny.shard-*-of-5" in invoke("status", folder).stdout


def test_a_shard_that_waits_for_the_tuning_of_others_has_stopped_and_says_what_it_waits_for(tmp_path: Path) -> None:
    experiment = experiment_from(TUNED, tmp_path)
    run_shards(experiment, tmp_path, 2)
    folder = result_folder(tmp_path, experiment, Shard(1, 2))
    found = document(folder)
    assert (found["state"], found["trials"]["planned"], found["trials"]["done"]) == ("stopped", 6, 6)
    assert "then the same command again" in invoke("status", folder).stdout
    merge_shards(experiment, tmp_path, 2)
    found = document(folder)
    assert (found["state"], found["trials"]["planned"] - found["trials"]["done"]) == ("stopped", 3)
    assert "Continue with: " in invoke("status", folder).stdout


def test_a_folder_that_is_only_called_like_a_shard_of_another_experiment_is_a_whole_one(
    folder: Path, tmp_path: Path
) -> None:
    renamed = folder.rename(folder.with_name("other.shard-1-of-2"))
    assert document(renamed)["trials"]["planned"] == 6


# ----- whatever it is of


def test_how_it_goes_on_is_right_wherever_it_is_typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    command = command_in(invoke("status", "."))
    assert command[command.index("--results") + 1] == str(folder.parent)


def test_the_custom_files_needed_to_continue_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    custom_file(tmp_path)
    custom_file(tmp_path, OWN_EXPERIMENT, "own.yaml")
    stopped = invoke("run", "own.yaml", "--use", "tent.py", "--jobs", "1", "--max-time", "0.000001")
    assert stopped.exit_code == errors.EXIT_TRIALS_FAILED
    answer = invoke("status", "results/own")
    assert "Add --use FILE for the custom tent." in answer.stdout
    assert invoke(*command_in(answer), "--jobs", "1").exit_code == errors.EXIT_USAGE
    assert "4 trained now" in invoke(*command_in(answer), "--jobs", "1", "--use", "tent.py").stderr


def test_a_run_that_ends_while_it_is_looked_at_is_not_taken_for_a_stopped_one(
    folder: Path, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends_when_looked_at(found: Path) -> bool:
        assert run(experiment, tmp_path).folder == found
        return False

    monkeypatch.setattr("actbench.runs.status.is_locked", ends_when_looked_at)
    assert document(folder)["state"] == "finished"


def test_the_latest_folder_is_meant_where_none_is_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke("status").stdout.startswith("results/made-up\n")
    assert invoke("status", "--results", "elsewhere").exit_code == 2


def test_a_run_that_was_stopped_before_its_first_trial_is_the_latest(folder: Path, experiment: Experiment) -> None:
    (folder / JOURNAL).unlink()
    assert read_status(None, folder.parent, datetime.now(UTC)).folder == folder
    begun = folder.with_name("begun")
    begun.mkdir()
    write_experiment(begun, experiment_to_yaml(experiment))
    os.utime(folder / EXPERIMENT, (0, 0))
    assert read_status(None, folder.parent, datetime.now(UTC)).folder == begun


def test_before_the_first_trial_has_ended_the_time_left_is_a_guess(folder: Path) -> None:
    (folder / JOURNAL).unlink()
    with locked(folder):
        found = document(folder)
    assert found["trials"] == {"planned": 6, "done": 0, "failed": 0, "diverged": 0, "collapsed": 0, "crashed": 0}
    assert "a guess" in found["seconds_basis"]


def test_tuning_trials_are_counted_for_their_arm(tmp_path: Path) -> None:
    experiment = experiment_from(TUNED, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, Counting(stop_after=1))
    found = document(tmp_path / "results" / "made-up")
    assert all(arm["tuning"] >= 6 and arm["planned"] == arm["tuning"] + 3 for arm in found["arms"])


def test_times_are_told_as_so_long_ago(folder: Path) -> None:
    later = datetime.now(UTC) + timedelta(minutes=65)
    rows = {row[0]: row[1] for row in status_sections(read_status(folder, folder.parent, later))[0].rows}
    assert rows["started"].endswith((", 1:05:00 ago", ", 1:05:01 ago", ", 1:05:02 ago"))
    (folder / LOG).unlink()
    rows = {row[0]: row[1] for row in status_sections(read_status(folder, folder.parent, later))[0].rows}
    assert (rows["started"], rows["last in the log"]) == ("-", "-")
    assert rows["last activity"] == "-"  # the journal's time may be that of a copy


def test_whether_a_folder_is_locked_is_seen_without_a_trace(tmp_path: Path) -> None:
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        assert is_locked(tmp_path)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_where_there_are_no_locks_nobody_is_said_to_hold_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / LOCK).touch()
    monkeypatch.setattr("fcntl.flock", refuse)
    assert not is_locked(tmp_path)


def test_a_folder_that_is_none_is_exit_2(tmp_path: Path) -> None:
    answer = invoke("status", tmp_path)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "not a result folder" in answer.stderr
