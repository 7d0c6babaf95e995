"""A result folder that vanishes, is full, may not be written, or is in use: one sentence, exit code 4, nothing lost."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.errors import EXIT_ENVIRONMENT, UnusableEnvironmentError
from actbench.experiment.definition import Experiment
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs import runner
from actbench.runs.verify import is_whole, verify_folder
from actbench.store.files import replace_file
from actbench.store.folder import freeze_plan
from actbench.store.journal import read_journal
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from builders import experiment_from, fake_train
from fake_runs import Counting, run
from in_process import invoke
from program import MADE_UP, TINY, actbench

NOBODY = 65534
TWO_STACKS = "name: made-up\nvary: {model.hidden: [[4], [5]]}\nseeds: 3\n"
HOLDER = """
import sys
from pathlib import Path
from typing import Any
from actbench.runs import runner
from actbench.store.lock import locked
with locked(Path(sys.argv[1])):
    print("inside", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_STACKS, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results" / "made-up"


class Disturbing:
    """Fake training; before its second stack something happens to the folder."""

    def __init__(self, disturb: Callable[[], object]) -> None:
        self.disturb = disturb
        self.stacks = 0

    def __call__(self, stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
        self.stacks += 1
        if self.stacks == 2:
            self.disturb()
        return fake_train(stack, arrays, device, on_epoch)


def test_a_folder_that_is_removed_while_it_is_written_ends_the_run(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UnusableEnvironmentError, match=r"made-up: removed or renamed while .* put it back") as stopped:
        run(experiment, tmp_path, Disturbing(lambda: shutil.rmtree(folder)))
    assert "\n" not in str(stopped.value)
    assert not folder.exists()
    assert run(experiment, tmp_path).trained == 6


def test_a_folder_that_is_renamed_while_it_is_written_loses_nothing_when_it_is_put_back(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    away = folder.with_name("away")
    with pytest.raises(UnusableEnvironmentError, match="removed or renamed"):
        run(experiment, tmp_path, Disturbing(lambda: folder.rename(away)))
    kept = len(read_journal(away).records)
    assert kept == 3
    away.rename(folder)
    assert run(experiment, tmp_path).trained == 6 - kept
    assert is_whole(verify_folder(folder))


@contextmanager
def another_process_in(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A second process that has the folder locked."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "inside\n"
            yield holder
        finally:
            holder.kill()


def test_a_second_process_stays_out_of_the_folder_until_the_first_is_gone_or_dead(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path, Counting(stop_after=1))
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with another_process_in(folder) as holder:
        for fresh in (False, True):
            with pytest.raises(UnusableEnvironmentError, match="another actbench is running in this folder") as refused:
                run(experiment, tmp_path, fresh=fresh)
            assert refused.value.exit_code == EXIT_ENVIRONMENT
        assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
        assert list(read_journal(folder).records)
        holder.kill()
        holder.wait()
        assert run(experiment, tmp_path).trained == 3


def test_a_second_run_beside_another_is_exit_code_4(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    with another_process_in(tmp_path / "results" / "tiny"):
        refused = actbench("run", "tiny.yaml", folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (EXIT_ENVIRONMENT, "")
    assert "another actbench is running in this folder; wait for it or choose another --results" in refused.stderr
    assert "Traceback" not in refused.stderr


@contextmanager
def as_somebody_whom_permissions_keep_out(folder: Path) -> Iterator[None]:
    """Root, whom no permission keeps out, is nobody meanwhile, who owns the folder."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user can get to, as pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(os.name != "posix", reason="needs permissions of a POSIX system")
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_folder_that_may_not_be_written_ends_the_run_before_it_trains(
    is_begun: bool, experiment: Experiment, reachable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(experiment, tmp_path)  # whatever is imported on the way is imported by a user who may read it
    images = load(DATASETS["digits"], tmp_path)  # and so is what scikit-learn keeps beside its modules
    monkeypatch.setattr(runner, "load", lambda dataset, folder: images)
    closed = reachable / "results"
    if is_begun:
        with pytest.raises(KeyboardInterrupt):
            run(experiment, reachable, Counting(stop_after=1))
        closed /= experiment.name
    closed.mkdir(exist_ok=True, parents=True)
    closed.chmod(0o555)
    trained = Counting()
    with (
        as_somebody_whom_permissions_keep_out(reachable),
        pytest.raises(UnusableEnvironmentError, match="cannot be written"),
    ):
        run(experiment, reachable, trained)
    assert trained.trained == []
    closed.chmod(0o755)
    assert run(experiment, reachable).trained == (3 if is_begun else 6)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_real_limit_on_the_size_of_files_stops_the_program_which_goes_on_without_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("[8]", "[9000]"), encoding="utf-8")  # in several stacks

    def run_to(results: str, limit: str = "") -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(MADE_UP), "at once", "run", "tiny.yaml", "--jobs", "1", "--results", results]
        command = f"{limit} {shlex.join(words)}"
        variables = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # Python would keep a module that it wrote in part
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )

    stopped = run_to("stopped", "ulimit -f 8; exec")
    assert (stopped.returncode, stopped.stdout) == (EXIT_ENVIRONMENT, ""), stopped.stderr
    assert "cannot be written (File too large); make room, or mend the disk" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    folder = tmp_path / "stopped" / "tiny"
    journal = read_journal(folder)
    assert (0 < len(journal.records) < 12, journal.damaged_lines) == (True, 0)
    assert run_to("stopped").returncode == run_to("undisturbed").returncode == 0
    assert is_whole(verify_folder(folder))
    assert (folder / "table.csv").read_bytes() == (tmp_path / "undisturbed" / "tiny" / "table.csv").read_bytes()


def test_what_stands_in_the_place_of_a_table_is_named_and_not_the_file_that_was_to_replace_it(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path).folder
    (folder / "table.csv").unlink()
    (folder / "table.csv").mkdir()
    with pytest.raises(UnusableEnvironmentError) as refused:
        run(experiment, tmp_path)
    assert str(refused.value).startswith(f"{folder / 'table.csv'}: cannot be written (Is a directory); ")


@pytest.mark.parametrize("verb", ["compare", "report", "status", "verify", "merge"])
def test_a_folder_that_may_not_be_read_is_no_mistake_in_usage(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / EXPERIMENT).touch()

    def kept_out(self: Path, **_options: bool) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(os, "access", lambda path, mode, **options: False)
    monkeypatch.setattr(Path, "stat", kept_out)
    answer = invoke(verb, tmp_path)
    assert (answer.exit_code, answer.stdout) == (EXIT_ENVIRONMENT, "")
    assert answer.stderr.startswith(f"actbench: {tmp_path}/")
    assert answer.stderr.endswith(": cannot be used (Permission denied)\n")


def test_results_that_may_not_be_read_are_not_said_to_be_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept_out(*_arguments: object) -> object:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    for function in ("scandir", "listdir"):  # pathlib uses one or the other
        monkeypatch.setattr(os, function, kept_out)
    answer = invoke("status", "--results", tmp_path)
    assert (answer.exit_code, answer.stderr) == (4, f"actbench: {tmp_path}: cannot be used (Permission denied)\n")


@pytest.mark.parametrize("name", [JOURNAL, EXPERIMENT, ENVIRONMENT, PLAN])
@pytest.mark.parametrize("verb", ["compare", "report"])
def test_a_file_that_cannot_be_read_is_one_sentence_and_exit_code_4(
    verb: str, name: str, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(experiment, tmp_path).folder
    real = Path.open

    def broken(self: Path, mode: str = "r", buffering: int = -1, encoding: str | None = None) -> object:
        if self == folder / name:
            raise OSError(5, "Input/output error", str(self))
        return real(self, mode, buffering, encoding)

    monkeypatch.setattr(Path, "open", broken)
    answer = invoke(verb, folder)
    assert (answer.exit_code, answer.stdout) == (EXIT_ENVIRONMENT, "")
    assert answer.stderr == f"actbench: {folder / name}: cannot be read (Input/output error)\n"


def test_temporary_files_of_a_killed_run_are_removed_by_the_next_and_nothing_else_is(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir(parents=True)
    ours = [
        ".trials.csv-abcd1234",
        ".plan.json-a_b_c_d_",
        ".trials.jsonl-00000000",
        ".experiment.yaml-zzzzzzzz",
        ".run.log-abcd1234",
    ]
    others = [".notes", "trials.csv-abcd1234", ".trials.csv-abc", ".report.html-abcd1234", ".trials.csv-ABCD1234"]
    for name in (*ours, *others):
        (folder / name).touch()
    run(experiment, tmp_path)
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names & {*ours, *others} == {*others}


def cut(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))


def replace_with_fewer(journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    replace_file(journal, lines[1:])


CHANGES: list[Callable[[Path], object]] = [
    lambda journal: journal.unlink(),
    lambda journal: journal.write_bytes(b""),
    cut,
    replace_with_fewer,
]


@pytest.mark.parametrize("change", CHANGES, ids=["removed", "emptied", "cut", "replaced"])
def test_a_journal_that_is_changed_under_a_run_ends_it_and_the_same_command_trains_what_is_missing(
    change: Callable[[Path], object], experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    expected = (run(experiment, tmp_path / "undisturbed").folder / "table.csv").read_bytes()
    with pytest.raises(UnusableEnvironmentError, match=r"trials\.jsonl: removed, replaced or changed while") as stopped:
        run(experiment, tmp_path, Disturbing(lambda: change(folder / JOURNAL)))
    assert "\n" not in str(stopped.value)
    assert stopped.value.exit_code == EXIT_ENVIRONMENT
    kept = len(read_journal(folder).records)
    assert kept < 3
    assert run(experiment, tmp_path).trained == 6 - kept
    assert is_whole(verify_folder(folder))
    assert (folder / "table.csv").read_bytes() == expected


@pytest.mark.parametrize("change", CHANGES, ids=["removed", "emptied", "cut", "replaced"])
def test_a_journal_that_is_changed_after_the_last_trial_is_noticed_before_anything_is_said_of_it(
    change: Callable[[Path], object],
    experiment: Experiment,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freeze = freeze_plan

    def freeze_and_change(*arguments: Any, has_begun: bool) -> None:
        freeze(*arguments, has_begun=has_begun)
        if (folder / JOURNAL).exists() and len(read_journal(folder).records) == 6:
            change(folder / JOURNAL)

    monkeypatch.setattr("actbench.runs.runner.freeze_plan", freeze_and_change)
    with pytest.raises(UnusableEnvironmentError, match=r"trials\.jsonl: removed, replaced or changed while"):
        run(experiment, tmp_path)


def test_numbers_that_are_changed_in_a_journal_of_the_same_length_are_noticed(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    def change() -> None:
        content = (folder / JOURNAL).read_bytes()
        (folder / JOURNAL).write_bytes(content.replace(b'"wall_seconds":0.25', b'"wall_seconds":0.26', 1))

    with pytest.raises(UnusableEnvironmentError, match=r"trials\.jsonl: removed, replaced or changed while"):
        run(experiment, tmp_path, Disturbing(change))
    assert run(experiment, tmp_path).trained == 1


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("is_link", [True, False], ids=["link", "folder"])
def test_nothing_is_written_into_what_takes_the_place_of_the_folder(
    is_link: bool, experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    stranger, away = tmp_path / "stranger", tmp_path / "away"
    run(experiment, stranger)
    theirs = stranger / "results" / "made-up"
    before = {path.name: path.read_bytes() for path in theirs.iterdir()}

    def swap() -> None:
        folder.rename(away)
        folder.symlink_to(theirs) if is_link else theirs.rename(folder)

    with pytest.raises(UnusableEnvironmentError, match="another folder or a link took its place") as stopped:
        run(experiment, tmp_path, Disturbing(swap))
    assert stopped.value.exit_code == EXIT_ENVIRONMENT
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    folder.unlink() if is_link else shutil.rmtree(folder)
    away.rename(folder)
    assert run(experiment, tmp_path).trained == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_run_through_a_link_to_a_folder_elsewhere_is_not_disturbed(
    experiment: Experiment, folder: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.parent.mkdir()
    folder.symlink_to(elsewhere)
    assert run(experiment, tmp_path).trained == 6
    assert is_whole(verify_folder(elsewhere))


def test_a_lock_that_is_deleted_lets_nobody_else_in(experiment: Experiment, folder: Path, tmp_path: Path) -> None:
    def start_again() -> None:
        for path in folder.glob(".*"):
            path.unlink()
        with pytest.raises(UnusableEnvironmentError, match="another actbench is running in this folder"):
            run(experiment, tmp_path)

    assert run(experiment, tmp_path, Disturbing(start_again)).trained == 6
    assert len((folder / JOURNAL).read_bytes().splitlines()) == 6


def test_where_files_are_opened_by_path_only_a_changed_folder_is_noticed_too(
    experiment: Experiment, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set())
    with pytest.raises(UnusableEnvironmentError, match="removed, replaced or changed"):
        run(experiment, tmp_path, Disturbing(lambda: cut(folder / JOURNAL)))
    with pytest.raises(UnusableEnvironmentError, match="removed or renamed"):
        run(experiment, tmp_path, Disturbing(lambda: folder.rename(tmp_path / "away")))
    (tmp_path / "away").rename(folder)
    assert run(experiment, tmp_path).trained > 0
    assert is_whole(verify_folder(folder))
