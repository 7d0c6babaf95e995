"""The result folder: the journal keeps whole records and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.experiment.definition import smoke_version
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.store.files import write_atomically
from actbench.store.folder import latest_folder, read_environment, require_result_folder, set_aside, write_environment
from actbench.store.journal import append_records, read_journal, set_damaged_lines_aside
from actbench.store.lines import journal_line
from actbench.store.lock import LOCK, is_locked, locked
from actbench.store.names import DAMAGED, EXPERIMENT, JOURNAL
from builders import TWO_ACTIVATIONS, experiment_from, record_of


@pytest.fixture
def records(tmp_path: Path) -> list[TrialRecord]:
    plan = make_plan(experiment_from(TWO_ACTIVATIONS, tmp_path))
    return [record_of(trial) for trial in plan.trials().values()]


def test_what_is_appended_is_read_back_equal(tmp_path: Path, records: list[TrialRecord]) -> None:
    append_records(tmp_path, records[:2])
    append_records(tmp_path, records[2:])
    journal = read_journal(tmp_path)
    assert list(journal.records.values()) == records
    assert journal.damaged_lines == 0


def test_every_line_is_one_json_object_with_schema_and_checksum(tmp_path: Path, records: list[TrialRecord]) -> None:
    append_records(tmp_path, records)
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    assert len(lines) == len(records)
    assert all({"schema", "trial", "checksum"} <= json.loads(line).keys() for line in lines)


def test_a_finished_trial_counts_rather_than_a_failed_one(tmp_path: Path, records: list[TrialRecord]) -> None:
    failed = records[0].model_copy(update={"outcome": "failed"})
    append_records(tmp_path, [failed])
    append_records(tmp_path, [records[0]])
    assert list(read_journal(tmp_path).records.values()) == [records[0]]


def test_a_locked_folder_says_that_another_run_is_in_it(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(UnusableEnvironmentError, match="another actbench"),
        locked(tmp_path),
    ):
        pass


def test_where_folders_cannot_be_locked_a_file_in_them_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actbench.store.lock._flock", lambda descriptor: False)
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(UnusableEnvironmentError, match="another actbench"), locked(tmp_path):
            pass
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)


def test_a_file_system_without_any_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("actbench.store.lock._flock", lambda descriptor: False)
    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(UnusableEnvironmentError, match="the file system has no locks"), locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UnusableEnvironmentError, match="cannot be written"),
        locked(tmp_path / "file" / "results"),
    ):
        pass


def test_replacing_a_file_leaves_the_old_one_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.md"
    write_atomically(path, "old")

    def refuse(*_names: object, **_folders: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_environments_of_earlier_runs_are_kept(tmp_path: Path) -> None:
    for name in ("first", "second", "second"):
        write_environment(tmp_path, {"id": name})
    assert read_environment(tmp_path) == {"id": "second", "earlier": [{"id": "first"}]}


def test_setting_aside_never_overwrites(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    (folder / LOCK).touch()
    with locked(folder) as held:
        assert set_aside(held) is None
    for number in (1, 2):
        (folder / JOURNAL).write_text(f"{number}")
        with locked(folder) as held:
            assert set_aside(held) == tmp_path / f"mnist.{number}"
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert [(tmp_path / f"mnist.{number}" / JOURNAL).read_text() for number in (1, 2)] == ["1", "2"]


def test_damaged_lines_move_to_a_file_of_their_own_and_windows_line_ends_are_no_damage(
    tmp_path: Path, records: list[TrialRecord]
) -> None:
    lines = [journal_line(record).encode() for record in records[:3]]
    (tmp_path / JOURNAL).write_bytes(lines[0].replace(b"\n", b"\r\n") + lines[1][:40] + b"\n" + lines[2])
    assert set_damaged_lines_aside(tmp_path) == 1
    assert (tmp_path / JOURNAL).read_bytes() == lines[0] + lines[2]
    assert (tmp_path / DAMAGED).read_bytes() == lines[1][:40] + b"\n"
    assert set_damaged_lines_aside(tmp_path) == 0


def test_the_latest_folder_is_the_one_whose_journal_was_written_last(tmp_path: Path) -> None:
    for age, name in ((100, "b"), (300, "c"), (200, "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / JOURNAL).write_text("")
        os.utime(tmp_path / name / JOURNAL, (age, age))
    assert latest_folder(tmp_path).name == "c"
    smoke = smoke_version(experiment_from(TWO_ACTIVATIONS, tmp_path)).name
    (tmp_path / "c").rename(tmp_path / smoke)
    assert latest_folder(tmp_path).name == "a"
    (tmp_path / smoke).rename(tmp_path / f"{smoke}.shard-1-of-2")
    assert latest_folder(tmp_path).name == "a"


def test_a_folder_without_results_is_refused_and_its_result_folders_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no results here"):
        latest_folder(tmp_path)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / EXPERIMENT).write_text("")
    with pytest.raises(ConfigurationError, match="result folders mnist"):
        require_result_folder(tmp_path)
    (tmp_path / "mnist.yaml").touch()
    for asked, reason in ((tmp_path / "mnist.yaml", "a file"), (tmp_path / "no" / "mnist", "it does not exist")):
        with pytest.raises(ConfigurationError, match=rf"\({reason}\); did you mean {tmp_path}/mnist\?$"):
            require_result_folder(asked, tmp_path)


def test_a_journal_is_read_again_only_after_it_has_changed(tmp_path: Path, records: list[TrialRecord]) -> None:
    first, second = records[:2]
    nothing = read_journal(tmp_path)
    assert read_journal(tmp_path, nothing) is nothing
    append_records(tmp_path, [first])
    one = read_journal(tmp_path, nothing)
    assert list(one.records) == [first.trial]
    assert read_journal(tmp_path, one) is one
    append_records(tmp_path, [second])
    assert list(read_journal(tmp_path, one).records) == [first.trial, second.trial]
