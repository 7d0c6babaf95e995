"""Stacks that take long continue from a checkpoint, with the bits of an undisturbed run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actbench.config.reader import load_experiment
from actbench.experiment.records import Trial
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, make_stacks
from actbench.store import checkpoints
from actbench.store.checkpoints import Checkpoints
from actbench.store.files import hold
from program import Finished, actbench

EXPERIMENT = """
name: long
data: {dataset: digits, train: 260}
model: {hidden: [8], dropout: 0.1}
train: {epochs: 6, batch_size: 50, optimizer: adam}
vary: {model.activation: [relu, gelu], train.lr: [1e-3, 1e-2]}
seeds: 2
"""
KILLED_AFTER = 3
# Saves after every epoch, and ends itself, and so its workers, once a stack has saved so many epochs.
PROGRAM = """
import os, signal, sys
from actbench.runs.progress import RunProgress
from actbench.store import checkpoints
checkpoints.SECONDS = 0.0
if __name__ == "__main__":
    handle = RunProgress.handle
    def handle_and_die(self, event):
        handle(self, event)
        if getattr(event, "epochs", 0) > {epoch}:
            os.kill(os.getpid(), signal.SIGKILL)
    RunProgress.handle = handle_and_die
    from actbench.cli.app import main
    sys.argv = ["actbench", "run", "long.yaml", "--device", "cpu", "--jobs", sys.argv[-1]]
    main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "long.yaml").write_text(EXPERIMENT, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM.format(epoch=KILLED_AFTER), encoding="utf-8")
    return tmp_path


def run(folder: Path, jobs: int) -> Finished:
    return actbench("run", "long.yaml", "--device", "cpu", "--jobs", str(jobs), folder=folder)


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of the journal by trial, without times, the checksum over them, and how many trials were in a stack.

    What no checkpoint is of is put into stacks anew.
    """
    clocks = ("wall_seconds", "epoch_seconds", "checksum", "stack_trials")
    lines = map(json.loads, (folder / "results" / "long" / "trials.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["trial"]: {key: value for key, value in line.items() if key not in clocks} for line in lines}


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "results" / "long" / checkpoints.FOLDER).glob("*"))


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_killed_run_continues_from_checkpoints_with_the_bits_of_an_undisturbed_one(jobs: int, folder: Path) -> None:
    killed = subprocess.run([sys.executable, "program.py", str(jobs)], cwd=folder, capture_output=True, check=False)
    assert killed.returncode == -9
    checkpoint = kept(folder)[0]
    assert actbench("status", "results/long", folder=folder).returncode == 0
    assert "8 of 8 trials are not trained yet" in actbench("compare", "results/long", folder=folder).stderr
    continued = run(folder, jobs)
    assert continued.returncode == 0, continued.stderr
    assert "from a checkpoint." in continued.stderr
    assert not checkpoint.parent.exists()
    resumed = records(folder)
    (folder / "results").rename(folder / "earlier")
    undisturbed = run(folder, jobs)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert "from a checkpoint" not in undisturbed.stderr
    assert resumed == records(folder)


@pytest.fixture
def missing(folder: Path) -> list[Trial]:
    return make_plan(load_experiment(folder / "long.yaml").experiment, {}).missing({})


@pytest.fixture
def here(folder: Path) -> Checkpoints:
    return prepared(folder, "here")


def prepared(folder: Path, environment: str) -> Checkpoints:
    """The checkpoints of a run in this folder."""
    kept = Checkpoints(folder / checkpoints.FOLDER, environment, 0.0)
    with hold(folder) as held:
        kept.prepare(held)
    return kept


def path_of(kept: Checkpoints, stack: Stack) -> Path:
    return kept.folder / kept.name(stack)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def make_foreign(path: Path) -> None:
    header, _, snapshot = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(header) | {"environment": "another"}).encode() + b"\n" + snapshot)


def make_stale(path: Path) -> None:
    header, _, snapshot = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(header) | {"trials": ["0" * 16]}).encode() + b"\n" + snapshot)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (damage, "since it is damaged"),
        (lambda path: path.write_bytes(b"[]"), "since it is damaged"),
        (make_foreign, "since it was made with other versions or on another machine"),
        (make_stale, "since its trials are finished or no longer planned"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_ignored_and_named(
    change: Any, reason: str, here: Checkpoints, missing: list[Trial]
) -> None:
    stacks = make_stacks(missing, workers=2)
    for stack in stacks:
        here.save(stack, b"state" * 100, 3)
    change(path_of(here, stacks[0]))
    (here.folder / ".half-written").touch()
    told: list[str] = []
    assert set(here.resume(missing, told.append)) == set(stacks[1:])
    assert f"warning: {path_of(here, stacks[0])}: checkpoint ignored, {reason}." in told
    kept = {path_of(here, stack) for stack in stacks[1:]}
    assert set(here.folder.iterdir()) == {*kept, here.folder / here.mark}


def test_a_snapshot_of_other_trials_or_another_machine_is_not_loaded(here: Checkpoints, missing: list[Trial]) -> None:
    one, other = make_stacks(missing, workers=2)[:2]
    here.save(one, b"state", 1)
    assert here.load(one) == b"state"
    assert here.load(other) is None
    assert prepared(here.folder.parent, "there").load(one) is None
    here.discard(one)
    here.discard(one)
    assert here.load(one) is None
    Checkpoints(here.folder / "absent", "here", 0.0).save(one, b"state", 1)
    assert not (here.folder / "absent").exists()


def test_links_have_no_checkpoints(folder: Path, missing: list[Trial]) -> None:
    (folder / "results").mkdir()
    kept = prepared(folder / "results", "here")
    with hold(folder / "results") as held:
        kept.prepare(held)
        kept.save(missing, b"state", 1)
        checkpoints.clear(held)
        assert list((folder / "results").iterdir()) == []
        (folder / "elsewhere").mkdir()
        kept.folder.symlink_to(folder / "elsewhere")
        kept.prepare(held)
        kept.save(missing, b"state", 1)
        assert kept.resume(missing, print) == []
        checkpoints.clear(held)
    assert list((folder / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_that_takes_the_place_of_the_result_folder_is_neither_read_nor_written(
    is_link: bool, folder: Path, missing: list[Trial]
) -> None:
    results, strangers = folder / "results", folder / "strangers"
    results.mkdir()
    strangers.mkdir()
    kept, others = prepared(results, "here"), prepared(strangers, "here")
    others.save(missing, b"others", 1)
    before = {path: path.read_bytes() for path in others.folder.iterdir()}
    results.rename(folder / "moved")
    if is_link:
        results.symlink_to(strangers)
    else:
        strangers.rename(results)
    kept.save(missing, b"state", 2)
    assert kept.load(missing) is None
    assert kept.resume(missing, print) == []
    kept.discard(missing)
    there = results / checkpoints.FOLDER
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        path.name: content for path, content in before.items()
    }
