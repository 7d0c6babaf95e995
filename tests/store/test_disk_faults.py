"""A disk that is full, broken or read-only at any moment: a clean stop, nothing torn, and the same command goes on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from actbench.errors import EXIT_ENVIRONMENT, UnusableEnvironmentError
from actbench.experiment.definition import Experiment
from actbench.report.tables import primary_comparison, table_texts, write_tables
from actbench.runs.log import LOG
from actbench.store.folder import read_environment
from actbench.store.lock import LOCK
from actbench.store.names import DAMAGED, ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from actbench.store.results import load_results
from builders import experiment_from
from fake_runs import Counting, run
from faults import Disk, Fault, Kind, Mode, failing

EXPERIMENT_TEXT = """
name: faulty
data: {dataset: cube}
train: {epochs: 2}
vary: {model.hidden: [[4], [5]]}
tune: {train.schedule: [constant, cosine]}
tuning_seeds: 1
seeds: 3
expect: [{claim: more than nothing is right, metric: test_accuracy, above: 0.1}]
"""
TABLES = ("trials.csv", "epochs.csv", "layers.csv", "table.csv", "table.md", "tuning.csv", "claims.csv")
FILES = (EXPERIMENT, ENVIRONMENT, PLAN, JOURNAL)
PART = b'{"schema":1,"trial":"0123'
KINDS: tuple[Kind, ...] = get_args(Kind)
State = dict[str, bytes]


@pytest.fixture(autouse=True)
def _describes_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs need not ask hundreds of times which versions there are."""
    monkeypatch.setattr("actbench.runs.environment.describe_machine", lambda: {"cores": 1})
    monkeypatch.setattr("actbench.runs.environment._commit", lambda: None)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return experiment_from(EXPERIMENT_TEXT, tmp_path_factory.mktemp("experiment"))


def state_of(folder: Path) -> State:
    """Every file of the folder, apart from the lock and the log; the journal's lines in an order of their own."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name not in (LOCK, LOG)]
    found = {path.name: path.read_bytes() for path in files}
    return found | {JOURNAL: b"\n".join(sorted(found.get(JOURNAL, b"").splitlines()))}


def faults(disk: Disk, step: int, *modes: Mode) -> Iterator[Fault]:
    """Calls of every kind as the one that fails, every `step`-th in each mode; only writes can fail after a part.

    The modes take turns, so that with a step of their number each call fails in one of them.
    """
    for kind in KINDS:
        for shift, mode in enumerate(modes):
            if kind == "write" or mode != "after a part":
                yield from (Fault(kind, number, mode) for number in range(1 + shift, disk.calls[kind] + 1, step))


def stop(experiment: Experiment, root: Path, fault: Fault, *, fresh: bool = False) -> bool:
    """Run with the fault; whether it stops the run, which then takes one sentence that says why."""
    with failing(root, fault):
        try:
            run(experiment, root, fresh=fresh)
        except UnusableEnvironmentError as problem:
            stopped = problem
        else:
            return False
    assert stopped.exit_code == EXIT_ENVIRONMENT
    assert os.strerror(fault.error()) in str(stopped), fault
    assert "\n" not in str(stopped)
    return True


def require_nothing_torn(folder: Path, before: State) -> None:
    """Tables are as they were, or as the journal now gives them; the journal holds all that it held, and no part line.

    Nothing else is there but what belongs there.
    """
    if not (folder / EXPERIMENT).exists():
        return
    results, state = load_results(folder, folder.parent), state_of(folder)
    derived = table_texts(results, primary_comparison(results))
    now = {name: text.encode() for name, text in derived.items() if text is not None}
    for name in TABLES:
        assert state.get(name) in (before.get(name), now.get(name)), name
    records = set(before.get(JOURNAL, b"").splitlines()) - {PART}
    assert records <= set(state[JOURNAL].splitlines())
    assert results.damaged_lines <= (PART in before.get(JOURNAL, b""))
    assert set(state) <= {*FILES, *TABLES, DAMAGED}


@pytest.mark.parametrize("step", [6, pytest.param(2, marks=pytest.mark.slow)])
def test_whatever_call_fails_the_run_stops_cleanly_and_the_same_command_finishes_it(
    step: int, experiment: Experiment, tmp_path: Path
) -> None:
    with failing(tmp_path, None) as disk:
        expected = state_of(run(experiment, tmp_path / "undisturbed").folder)
    assert set(expected) == {*FILES, *TABLES}
    stopped = 0
    for number, fault in enumerate(faults(disk, step, "once", "from then on", "after a part")):
        root = tmp_path / str(number)
        stopped += stop(experiment, root, fault)
        folder = root / "results" / "faulty"
        if folder.exists():
            require_nothing_torn(folder, {})
        with failing(root, None):
            run(experiment, root)
        assert state_of(folder) == expected, fault
        shutil.rmtree(root)
    assert stopped > 150 / step


@pytest.fixture
def begun(experiment: Experiment, tmp_path: Path) -> Path:
    """The folder of a run that was killed: some trials, a last line that was cut, old tables and an old environment."""
    with failing(tmp_path, None), pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path / "begun", Counting(stop_after=7))
    folder = tmp_path / "begun" / "results" / "faulty"
    write_tables(load_results(folder, folder.parent))
    with (folder / JOURNAL).open("ab") as journal:
        journal.write(PART)
    environment = read_environment(folder)
    (folder / ENVIRONMENT).write_text(json.dumps(environment | {"id": "earlier"}))
    return folder


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_call_fails_a_run_that_goes_on_loses_no_trial(
    step: int, experiment: Experiment, begun: Path, tmp_path: Path
) -> None:
    def copy_of_it(name: str) -> Path:
        shutil.copytree(begun, tmp_path / name / "results" / "faulty")
        return tmp_path / name

    with failing(tmp_path, None) as disk:
        expected = state_of(run(experiment, copy_of_it("undisturbed")).folder)
    assert expected[DAMAGED] == PART + b"\n"
    assert b"earlier" in expected[ENVIRONMENT]
    before, stopped = state_of(begun), 0
    for number, fault in enumerate(faults(disk, step, "once", "after a part")):
        root = copy_of_it(str(number))
        stopped += stop(experiment, root, fault)
        require_nothing_torn(root / "results" / "faulty", before)
        with failing(root, None):
            folder = run(experiment, root).folder
        after = state_of(folder)
        assert set(after.pop(DAMAGED).splitlines()) == {PART}
        assert after == {name: content for name, content in expected.items() if name != DAMAGED}, fault
        shutil.rmtree(root)
    assert stopped > 100 / step


def test_whatever_call_fails_starting_afresh_keeps_the_old_results_together(
    experiment: Experiment, begun: Path, tmp_path: Path
) -> None:
    before = state_of(begun)
    with failing(tmp_path, None) as disk:
        shutil.copytree(begun, tmp_path / "undisturbed" / "results" / "faulty")
        expected = state_of(run(experiment, tmp_path / "undisturbed", fresh=True).folder)
    moves = disk.calls["rename"]
    assert moves == len([*before, LOG])
    for number in range(1, moves + 1):
        root = tmp_path / str(number)
        folder = shutil.copytree(begun, root / "results" / "faulty")
        assert stop(experiment, root, Fault("rename", number), fresh=True)
        assert state_of(folder) == before
        assert not folder.with_name("faulty.1").exists()
        with failing(root, None):
            run(experiment, root, fresh=True)
        assert state_of(folder) == expected
        assert state_of(folder.with_name("faulty.1")) == before
