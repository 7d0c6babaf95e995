"""Plans that change after they were frozen, and the progress of a run whose plan grows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Trial
from actbench.plan.plan import plan_checksum
from actbench.runs.progress import RunState
from actbench.runs.runner import RunResult
from actbench.store.folder import read_plan
from builders import experiment_from
from tuned_runs import FROZEN, ONE_ARM, TUNED, Fake, chosen, interrupt, is_best_of_relu, is_worst_of_relu, phases, run


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TUNED, tmp_path)


def _frozen(seeds: list[int]) -> dict[str, Any]:
    plan = FROZEN | {"seeds": seeds}
    return plan | {"checksum": plan_checksum(plan)}


# ----- plans that change after they were frozen


def test_more_seeds_after_looking_keep_the_choice_and_the_earlier_plan(experiment: Experiment, tmp_path: Path) -> None:
    run(experiment, tmp_path)
    fake = Fake()
    folder = run(experiment_from(TUNED.replace("seeds: 3", "seeds: 5"), tmp_path), tmp_path, fake).folder
    assert phases(fake.trained) == {"final": 4}
    five = _frozen([0, 1, 2, 3, 4])
    assert read_plan(folder) == five | {"earlier": [FROZEN]}
    run(experiment_from(TUNED.replace("seeds: 3", "seeds: 6"), tmp_path), tmp_path)
    run(experiment_from(TUNED.replace("seeds: 3", "seeds: 6"), tmp_path), tmp_path)
    assert read_plan(folder) == _frozen([0, 1, 2, 3, 4, 5]) | {"earlier": [FROZEN, five]}


@pytest.mark.parametrize(("text", "tuning_stacks"), [(TUNED, 5), (ONE_ARM, 2)], ids=["two arms", "one arm"])
def test_a_grid_changed_before_any_final_trial_leaves_no_earlier_plan(
    text: str, tuning_stacks: int, tmp_path: Path
) -> None:
    first = interrupt(experiment_from(text, tmp_path), tmp_path, before=tuning_stacks)
    assert {trial.phase for trial in first.trained} == {"tune"}
    assert read_plan(tmp_path / "results" / "made-up")["seeds"] == [0, 1, 2]
    folder = run(experiment_from(text.replace("1e-3, 1e-2, 1e-1", "1e-4, 1e-3, 1e-1"), tmp_path), tmp_path).folder
    assert chosen(folder) == ([1e-3, 1e-1] if text == TUNED else [1e-3])
    assert "earlier" not in read_plan(folder)


@pytest.mark.parametrize("text", [TUNED, ONE_ARM], ids=["two arms", "one arm"])
def test_a_grid_changed_after_final_trials_keeps_the_earlier_plan_even_if_no_choice_stays(
    text: str, tmp_path: Path
) -> None:
    folder = run(experiment_from(text, tmp_path), tmp_path).folder
    first = read_plan(folder)
    fake = Fake(right=lambda trial: 200 if trial.settings.train.lr == 3e-3 else 100)
    run(experiment_from(text.replace("1e-3, 1e-2, 1e-1", "1e-4, 3e-3, 3"), tmp_path), tmp_path, fake)
    assert set(chosen(folder)) == {3e-3}
    assert read_plan(folder)["earlier"] == [first]


def test_the_plan_says_what_is_asked_for_where_only_a_failed_tuning_trial_was_left_to_train(
    experiment: Experiment, tmp_path: Path
) -> None:
    run(experiment, tmp_path, Fake(fails=is_worst_of_relu))
    fewer = experiment_from(TUNED.replace("seeds: 3\n", "seeds: 2\n"), tmp_path)
    assert fewer.tuning_seeds == experiment.tuning_seeds
    fake = Fake()
    folder = run(fewer, tmp_path, fake).folder
    assert phases(fake.trained) == {"tune": 1}
    assert read_plan(folder) == _frozen([0, 1]) | {"earlier": [FROZEN]}


# ----- progress


def assert_consistent(states: list[RunState], result: RunResult, trained: int) -> None:
    last = states[-1]
    assert (last.done, last.done - last.before) == (last.total, trained)
    assert (last.epochs, last.epochs_to_do) == (3 * trained, 3 * trained)
    assert (result.total, result.trained) == (last.total, trained)
    assert (result.endings["diverged"], result.endings["failed"]) == (last.endings["diverged"], last.endings["failed"])
    for state in states:
        assert state.before <= state.done <= state.total
        assert state.epochs <= state.epochs_to_do
    assert [state.epochs for state in states] == sorted(state.epochs for state in states)
    assert [state.done for state in states] == sorted(state.done for state in states)
    assert sum(state.done == state.total for state in states) == 1


def test_progress_counts_the_final_trials_from_the_start_and_extensions_as_they_come(
    experiment: Experiment, tmp_path: Path
) -> None:
    states: list[RunState] = []
    result = run(experiment, tmp_path, states=states)
    assert (states[0].total, states[0].epochs_to_do, states[0].done) == (18, 54, 0)
    assert list(dict.fromkeys((state.total, state.epochs_to_do) for state in states)) == [(18, 54), (20, 60)]
    assert_consistent(states, result, trained=20)


@pytest.mark.parametrize("before", [2, 4, 5, 6])
def test_progress_of_a_continued_run_ends_where_it_should(before: int, experiment: Experiment, tmp_path: Path) -> None:
    first = interrupt(experiment, tmp_path, before=before)
    states: list[RunState] = []
    result = run(experiment, tmp_path, states=states)
    assert states[0].before == len(first.trained)
    assert_consistent(states, result, trained=20 - len(first.trained))


@pytest.mark.parametrize(("first", "second", "trained", "failed"), [
    (is_worst_of_relu, None, 1, 0),
    (is_worst_of_relu, is_worst_of_relu, 1, 1),
    (is_best_of_relu, None, 4, 0),
    (is_best_of_relu, is_best_of_relu, 1, 1),
    (None, is_best_of_relu, 0, 0),
])  # fmt: skip
def test_progress_counts_earlier_final_trials_where_a_failed_tuning_trial_is_tried_again(
    first: Callable[[Trial], bool] | None,
    second: Callable[[Trial], bool] | None,
    trained: int,
    failed: int,
    experiment: Experiment,
    tmp_path: Path,
) -> None:
    states: list[RunState] = []
    result = run(experiment, tmp_path, Fake(fails=first) if first else Fake(), states=states)
    assert_consistent(states, result, trained=result.total)
    again: list[RunState] = []
    result = run(experiment, tmp_path, Fake(fails=second) if second else Fake(), states=again)
    assert (result.trained, result.endings["failed"]) == (trained, failed)
    if trained:
        assert_consistent(again, result, trained)
    else:
        assert again == []
