"""Links in a result folder lead no writing out of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actbench.config.reader import load_experiment
from actbench.experiment.definition import experiment_to_yaml
from actbench.plan.plan import make_plan, plan_to_json
from actbench.runs.log import LOG
from actbench.store import files as disk
from actbench.store.folder import freeze_plan, write_experiment
from actbench.store.journal import append_records
from actbench.store.lock import LOCK
from actbench.store.names import DAMAGED, ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from builders import record_of
from in_process import invoke

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
EXPERIMENT_TEXT = "name: f\ndata: {train: 60, test: 30}\nmodel: {hidden: [2]}\ntrain: {epochs: 1}\nseeds: 2\n"
PRECIOUS = "precious\n"
READ = (JOURNAL, PLAN, ENVIRONMENT)
WRITTEN = (
    EXPERIMENT, PLAN, "trials.csv", "epochs.csv", "layers.csv", "table.csv", "table.md",
)  # fmt: skip


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result folder that lacks nothing, beside which there is a file of the user's."""
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text(EXPERIMENT_TEXT, encoding="utf-8")
    Path("precious").write_text(PRECIOUS, encoding="utf-8")
    folder = tmp_path / "results" / "f"
    folder.mkdir(parents=True)
    experiment = load_experiment(Path("f.yaml")).experiment
    plan = make_plan(experiment)
    write_experiment(folder, experiment_to_yaml(experiment))
    freeze_plan(folder, plan_to_json(experiment, plan), has_begun=False)
    append_records(folder, [record_of(trial, 20) for trial in plan.trials().values()])
    return folder


def link_out(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("../../precious")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_link_that_leads_out_is_replaced_and_not_followed(name: str, finished: Path) -> None:
    link_out(finished / name)
    answer = invoke("run", "f.yaml", "--jobs", "1")
    assert Path("precious").read_text(encoding="utf-8") == PRECIOUS
    assert answer.exit_code == 0, answer.stderr
    assert not (finished / name).is_symlink()


@pytest.mark.parametrize("folders_can_be_locked", [True, False])
def test_a_lock_that_leads_out_is_not_followed(
    folders_can_be_locked: bool, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link_out(finished / LOCK)
    if not folders_can_be_locked:
        monkeypatch.setattr("actbench.store.lock._flock", lambda descriptor: False)
    answer = invoke("run", "f.yaml", "--jobs", "1")
    assert Path("precious").read_text(encoding="utf-8") == PRECIOUS
    assert answer.exit_code == (0 if folders_can_be_locked else 4)


def test_damaged_lines_are_not_put_aside_into_another_file(finished: Path) -> None:
    link_out(finished / DAMAGED)
    with (finished / JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write("a line of the attacker's own\n")
    invoke("run", "f.yaml", "--jobs", "1")
    assert Path("precious").read_text(encoding="utf-8") == PRECIOUS


def test_trials_are_not_appended_to_another_file(finished: Path) -> None:
    Path("precious").write_text("", encoding="utf-8")
    link_out(finished / JOURNAL)
    invoke("run", "f.yaml", "--jobs", "1", "--set", "data.train=61")
    assert Path("precious").read_text(encoding="utf-8") == ""


def test_a_page_and_pictures_replace_a_link_of_their_name(finished: Path) -> None:
    Path("page.html").symlink_to("precious")
    assert invoke("report", "results/f", "--html", "page.html").exit_code == 0
    assert Path("precious").read_text(encoding="utf-8") == PRECIOUS


def test_a_page_takes_no_devices_place(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo("pipe")
    Path("devices").mkdir()
    Path("devices/stdout").symlink_to("../precious")
    monkeypatch.setattr(disk, "DEVICES", Path("devices").absolute())
    for path, why in (
        ("pipe", "Neither a file nor a folder"),
        ("devices/stdout", "A device is not replaced by a file"),
    ):
        answer = invoke("report", "results/f", "--html", path)
        assert (answer.exit_code, answer.stdout) == (4, "")
        assert f"--html {path}: cannot be written ({why})" in answer.stderr
    assert Path("pipe").is_fifo()
    assert Path("devices/stdout").is_symlink()


@pytest.fixture
def impatience() -> Iterator[None]:
    """Whatever takes longer than a while is stopped, even where it waits for the system."""

    def give_up(_number: int, _frame: object) -> None:
        pytest.fail("waits for what never ends")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "put", [lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
@pytest.mark.parametrize("name", [*READ, LOG, "table.csv"])
@pytest.mark.parametrize("verb", ["status", "verify", "compare", "run"])
@pytest.mark.usefixtures("impatience")
def test_what_never_ends_keeps_nobody_waiting(
    verb: str, name: str, put: Callable[[Path], None], finished: Path
) -> None:
    (finished / name).unlink(missing_ok=True)
    put(finished / name)
    arguments = ["f.yaml", "--jobs", "1", "--set", "seeds=3"] if verb == "run" else [str(finished)]
    answer = invoke(verb, *arguments)
    if name in READ and verb != "verify":
        assert answer.exit_code == 4
        assert f"{name}: cannot be read (Neither a file nor a folder)" in answer.stderr
