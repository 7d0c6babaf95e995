"""The run loop, with training that takes no time: what is trained, stored, continued and counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError
from actbench.experiment.definition import Experiment
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, make_stacks
from actbench.runs.options import RunOptions
from actbench.runs.progress import RunState
from actbench.runs.runner import run_experiment
from actbench.store.journal import read_journal
from actbench.store.lock import locked
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL
from builders import TWO_ACTIVATIONS, experiment_from, fake_train
from fake_runs import Counting, run

pytestmark = pytest.mark.oldest

TABLES = ("trials.csv", "epochs.csv", "layers.csv", "table.csv", "table.md")


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TWO_ACTIVATIONS, tmp_path)


def test_a_run_leaves_the_folder_of_the_design(experiment: Experiment, tmp_path: Path) -> None:
    result = run(experiment, tmp_path)
    assert (result.total, result.trained, result.endings["failed"]) == (6, 6, 0)
    names = {path.name for path in result.folder.iterdir()}
    assert {EXPERIMENT, ENVIRONMENT, JOURNAL, *TABLES} <= names


def test_a_finished_experiment_trains_nothing(experiment: Experiment, tmp_path: Path) -> None:
    run(experiment, tmp_path)
    again = Counting()
    assert run(experiment, tmp_path, again).trained == 0
    assert again.trained == []


def test_tables_derived_again_have_the_same_bytes(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    before = {name: (folder / name).read_bytes() for name in TABLES}
    for name in TABLES:
        (folder / name).unlink()
    run(experiment, tmp_path)
    assert {name: (folder / name).read_bytes() for name in TABLES} == before


def test_an_interrupted_run_keeps_what_is_finished_and_continues(tmp_path: Path) -> None:
    many = experiment_from(TWO_ACTIVATIONS.replace("hidden: [4]", "hidden: [9000]"), tmp_path)
    assert len(make_stacks(make_plan(many).trials().values())) > 1
    first = Counting(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        run(many, tmp_path, first)
    second = Counting()
    assert run(many, tmp_path, second).trained == 6 - len(first.trained)
    assert sorted(first.trained + second.trained) == sorted(make_plan(many).trials())
    undisturbed = run(many, tmp_path / "other").folder
    for name in ("table.csv", "epochs.csv", "table.md"):
        assert (tmp_path / "results" / "made-up" / name).read_bytes() == (undisturbed / name).read_bytes()


def test_a_failing_trial_costs_only_itself_and_is_tried_again(experiment: Experiment, tmp_path: Path) -> None:
    poison = next(iter(make_plan(experiment).trials()))

    def fail(stack: Stack) -> Exception | None:
        return ValueError("poison") if poison in [trial.id for trial in stack] else None

    result = run(experiment, tmp_path, Counting(fail))
    assert (result.trained, result.endings["failed"]) == (6, 1)
    record = read_journal(result.folder).records[poison]
    assert (record.outcome, record.cause) == ("failed", "ValueError: poison")
    again = Counting()
    assert run(experiment, tmp_path, again).endings["failed"] == 0
    assert again.trained == [poison]


def test_adding_an_arm_trains_only_that_arm(experiment: Experiment, tmp_path: Path) -> None:
    run(experiment, tmp_path)
    more = experiment_from(TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu, gelu, tanh]"), tmp_path)
    added = Counting()
    assert run(more, tmp_path, added).trained == 3
    assert {make_plan(more).trials()[id].settings.model.activation.name for id in added.trained} == {"gelu"}  # noqa: A001


def test_fresh_sets_the_old_folder_aside_and_trains_everything(experiment: Experiment, tmp_path: Path) -> None:
    old = run(experiment, tmp_path).folder
    said: list[str] = []
    assert run(experiment, tmp_path, fresh=True, said=said).trained == 6
    assert (old.with_name("made-up.1") / JOURNAL).is_file()
    assert "made-up.1" in said[1]


def test_damaged_lines_are_told_and_their_trials_redone(experiment: Experiment, tmp_path: Path) -> None:
    journal = run(experiment, tmp_path).folder / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0][:50], *lines[1:]]))
    said: list[str] = []
    assert run(experiment, tmp_path, said=said).trained in (1, 2)
    assert "damaged" in said[1]


def test_a_full_disk_stops_the_run_as_an_environment_problem(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actbench.runs.progress.append_records", full)
    with pytest.raises(UnusableEnvironmentError, match="No space left"):
        run(experiment, tmp_path)
    monkeypatch.undo()
    assert run(experiment, tmp_path).trained == 6


def test_data_that_are_not_there_stop_the_run_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from actbench.catalogue import datasets

    def no_network(dataset: datasets.Dataset, folder: Path) -> None:
        raise UnusableEnvironmentError(f"{dataset.name} could not be downloaded")

    monkeypatch.setattr("actbench.runs.runner.fetch", no_network)
    mnist = experiment_from(TWO_ACTIVATIONS + "data: {dataset: mnist}\n", tmp_path)
    counting = Counting()
    with pytest.raises(UnusableEnvironmentError, match="could not be downloaded"):
        run(mnist, tmp_path, counting)
    assert counting.trained == []


def test_progress_counts_epochs_and_trials_up_to_the_end(experiment: Experiment, tmp_path: Path) -> None:
    states: list[RunState] = []
    options = RunOptions(results=tmp_path / "results", data_folder=tmp_path, device="cpu", jobs=1)
    run_experiment(experiment, options, states.append, lambda line: None, fake_train)
    assert (states[0].done, states[0].epochs) == (0, 0)
    assert states[0].seconds_left() is None
    assert (states[-1].done, states[-1].epochs, states[-1].epochs_to_do) == (6, 18, 18)
    assert [state.epochs for state in states] == sorted(state.epochs for state in states)
    assert states[-1].seconds_left() == 0


def test_progress_counts_parts_of_epochs(experiment: Experiment, tmp_path: Path) -> None:
    states: list[RunState] = []

    def train(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[float], None]) -> list[TrialRecord]:
        on_epoch(0.25)
        return fake_train(stack, arrays, device, on_epoch)

    options = RunOptions(results=tmp_path / "results", data_folder=tmp_path, device="cpu", jobs=1)
    run_experiment(experiment, options, states.append, lambda line: None, train)
    assert [state.epochs for state in states if 0 < state.epochs < 6] == [6 * 0.25]
    assert states[-1].measured_from is not None
    assert states[-1].measured_from[0] == 6 * 0.25
    assert states[-1].epochs == 18


def test_fresh_waits_for_no_one_and_takes_nothing_from_a_run_in_progress(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path).folder
    with locked(folder), pytest.raises(UnusableEnvironmentError, match="another actbench"):
        run(experiment, tmp_path, fresh=True)
    assert len(read_journal(folder).records) == 6


def test_fresh_keeps_the_old_results_where_the_new_run_cannot_start(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(experiment, tmp_path).folder

    def damaged(*arguments: Any) -> None:
        raise UnusableEnvironmentError("the data are damaged")

    monkeypatch.setattr("actbench.runs.runner.load", damaged)
    with pytest.raises(UnusableEnvironmentError, match="damaged"):
        run(experiment, tmp_path, fresh=True)
    assert len(read_journal(folder).records) == 6
    assert not folder.with_name("made-up.1").exists()


def test_an_error_while_telling_of_progress_is_no_trials_failure(experiment: Experiment, tmp_path: Path) -> None:
    def nobody_listens(state: RunState) -> None:
        if state.epochs:
            raise BrokenPipeError

    options = RunOptions(results=tmp_path / "results", data_folder=tmp_path, device="cpu", jobs=1)
    with pytest.raises((BrokenPipeError, UnusableEnvironmentError)):
        run_experiment(experiment, options, nobody_listens, lambda line: None, fake_train)
    assert all(record.outcome == "done" for record in read_journal(options.results / "made-up").records.values())
