"""The run loop of an experiment that tunes: its stages, and what happens when it is cut short."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actbench.experiment.definition import Experiment
from actbench.experiment.records import CLOCK_FIELDS, Trial
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack
from actbench.runs.log import LOG
from actbench.runs.progress import RunState
from actbench.store.folder import read_plan
from actbench.store.journal import read_journal
from actbench.store.names import EXPERIMENT, JOURNAL, PLAN
from builders import TWO_ACTIVATIONS, experiment_from
from tuned_runs import (
    FINAL_TRIALS,
    FIRST_TRIALS,
    FROZEN,
    MANY,
    STACKS,
    TUNED,
    TUNING_TRIALS,
    Fake,
    chosen,
    interrupt,
    is_best_of_relu,
    is_worst_of_relu,
    phases,
    right_of,
    run,
)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TUNED, tmp_path)


# ----- stages and the frozen plan


def test_no_final_trial_is_trained_before_every_tuning_trial_of_every_arm_is_recorded(
    experiment: Experiment, tmp_path: Path
) -> None:
    before_final: list[set[str]] = []

    def look(stack: Stack) -> None:
        if stack[0].phase == "final":
            before_final.append(set(read_journal(tmp_path / "results" / "made-up").records))

    fake = Fake(look=look)
    result = run(experiment, tmp_path, fake)
    assert (result.total, result.trained, result.endings["diverged"], result.endings["failed"]) == (20, 20, 0, 0)
    assert [trial.phase for trial in fake.trained] == ["tune"] * TUNING_TRIALS + ["final"] * FINAL_TRIALS
    assert {trial.settings.train.lr for trial in fake.trained[:FIRST_TRIALS]} == {1e-3, 1e-2, 1e-1}
    extension = [
        (one.settings.model.activation.name, one.settings.train.lr) for one in fake.trained[FIRST_TRIALS:TUNING_TRIALS]
    ]
    assert extension == [("tanh", 1.0)] * 2
    assert before_final[0] == {trial.id for trial in fake.trained[:TUNING_TRIALS]}
    assert (len(before_final), fake.calls) == (2, STACKS)


def test_the_plan_is_frozen_before_the_first_final_trial_and_not_before_it_is_known(
    experiment: Experiment, tmp_path: Path
) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def look(stack: Stack) -> None:
        seen.append((stack[0].phase, read_plan(tmp_path / "results" / "made-up")))

    folder = run(experiment, tmp_path, Fake(look=look)).folder
    assert seen == [*[("tune", {})] * 5, *[("final", FROZEN)] * 2]
    assert json.loads((folder / PLAN).read_text()) == FROZEN


def test_the_plan_and_the_messages_name_the_settings_that_are_at_their_edge(
    experiment: Experiment, tmp_path: Path
) -> None:
    said: list[str] = []

    def right(trial: Trial) -> int:
        is_tanh = trial.settings.model.activation.name == "tanh"
        return round(10 * trial.settings.train.lr) if is_tanh else right_of(trial)

    folder = run(experiment, tmp_path, Fake(right), said=said).folder
    assert [arm["at_edge"] for arm in read_plan(folder)["arms"]] == [[], ["train.lr"]]
    extended = [f"tanh: best train.lr at the edge of what was tried, trying {value} too" for value in ("1.0", "10.0")]
    assert all(any(line.endswith(f"Z {text}") for line in (folder / LOG).read_text().splitlines()) for text in extended)
    assert said[1:] == [
        *extended,
        "tuned relu: train.lr 0.01",
        "tuned tanh: train.lr 10.0 (at the edge of what was tried: train.lr)",
    ]


def test_an_experiment_that_tunes_nothing_freezes_its_plan_too(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    untuned = experiment_from(TWO_ACTIVATIONS, tmp_path)
    fake = Fake(right=lambda trial: 100, look=lambda stack: seen.append(read_plan(tmp_path / "results/made-up")))
    folder = run(untuned, tmp_path, fake).folder
    assert phases(fake.trained) == {"final": 6}
    assert seen == [read_plan(folder)]
    assert (seen[0]["tuning_seeds"], seen[0]["seeds"]) == (0, [0, 1, 2])
    assert [arm["tuned"] for arm in seen[0]["arms"]] == [{}, {}]
    assert not (folder / "tuning.csv").exists()


# ----- continuing


def results_of(folder: Path) -> dict[str, bytes]:
    """Everything derived, and the plan; of the trials all but times and where they were trained."""
    names = ("table.csv", "table.md", "tuning.csv", "epochs.csv", PLAN, EXPERIMENT)
    trials = pd.read_csv(folder / "trials.csv").drop(columns=["environment", *CLOCK_FIELDS], errors="ignore")
    return {name: (folder / name).read_bytes() for name in names} | {"trials.csv": trials.to_csv().encode()}


@pytest.mark.parametrize("before", range(STACKS))
def test_a_run_interrupted_in_any_stage_goes_on_with_what_is_missing_and_ends_the_same(
    before: int, experiment: Experiment, tmp_path: Path
) -> None:
    undisturbed = run(experiment, tmp_path / "other").folder
    first = interrupt(experiment, tmp_path, before=before)
    folder = tmp_path / "results" / "made-up"
    assert len(read_journal(folder).records) == len(first.trained)
    assert (folder / PLAN).exists() == (len(first.trained) >= TUNING_TRIALS)
    second = Fake()
    result = run(experiment, tmp_path, second)
    assert (result.total, result.trained) == (20, 20 - len(first.trained))
    assert Counter(trial.id for trial in first.trained + second.trained) == Counter(
        make_plan(experiment, read_journal(folder).records).trials().keys()
    )
    assert results_of(folder) == results_of(undisturbed)


def test_a_finished_experiment_trains_nothing_and_derives_the_same_tables(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path).folder
    before = results_of(folder)
    for name in ("table.csv", "tuning.csv", "trials.csv"):
        (folder / name).unlink()
    again = Fake()
    result = run(experiment, tmp_path, again)
    assert (result.total, result.trained, again.calls) == (20, 0, 0)
    assert results_of(folder) == before


def test_fresh_sets_plan_and_tuning_aside_and_tunes_again(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    before = results_of(folder)
    fake = Fake(right=lambda trial: 200 if trial.settings.train.lr == 1e-2 else 100)
    assert run(experiment, tmp_path, fake, fresh=True).trained == FIRST_TRIALS + FINAL_TRIALS
    assert chosen(folder) == [1e-2, 1e-2]
    assert "earlier" not in read_plan(folder)
    assert results_of(folder.with_name("made-up.1")) == before


def test_a_damaged_tuning_record_is_trained_again_and_nothing_else(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    before = results_of(folder)
    journal = folder / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0][:50] + b"\n", *lines[1:]]))
    fake, states = Fake(), list[RunState]()
    result = run(experiment, tmp_path, fake, states=states)
    assert [trial.phase for trial in fake.trained] == ["tune"]
    assert (result.total, result.trained) == (20, 1)
    assert (states[-1].done, states[-1].total, states[-1].before) == (20, 20, 19)
    assert results_of(folder) == before


# ----- failures


def test_a_failed_tuning_trial_ranks_last_and_is_tried_again_by_the_next_run_only(
    experiment: Experiment, tmp_path: Path
) -> None:
    failing = Fake(fails=is_best_of_relu)
    result = run(experiment, tmp_path, failing)
    assert failing.calls < MANY
    assert (result.total, result.trained, result.endings["failed"]) == (22, 22, 1)
    assert chosen(result.folder) == [1e-3, 1e-1]
    still = Fake(fails=is_best_of_relu)
    result = run(experiment, tmp_path, still)
    assert (result.total, result.trained, result.endings["failed"], still.calls) == (22, 1, 1, 2)
    assert chosen(result.folder) == [1e-3, 1e-1]
    assert "earlier" not in read_plan(result.folder)


def test_a_failed_tuning_trial_that_then_succeeds_may_change_the_choice(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Fake(fails=is_best_of_relu)).folder
    first = read_plan(folder)
    healed = Fake()
    result = run(experiment, tmp_path, healed)
    assert (result.total, result.trained, result.endings["failed"]) == (20, 4, 0)
    assert phases(healed.trained) == {"tune": 1, "final": 3}
    assert {trial.settings.model.activation.name for trial in healed.trained} == {"relu"}
    assert read_plan(folder) == FROZEN | {"earlier": [first]}
    never_failed = results_of(run(experiment, tmp_path / "other").folder)
    has_a_history = {PLAN, "table.md", "trials.csv"}  # a trial names the plan it was trained under
    assert {name for name, text in results_of(folder).items() if text != never_failed[name]} <= has_a_history


def test_a_failed_tuning_trial_on_which_nothing_depends_leaves_choice_and_final_trials(
    experiment: Experiment, tmp_path: Path
) -> None:
    run(experiment, tmp_path, Fake(fails=is_worst_of_relu))
    healed = Fake()
    result = run(experiment, tmp_path, healed)
    assert (result.total, result.trained, result.endings["failed"]) == (20, 1, 0)
    assert list(map(is_worst_of_relu, healed.trained)) == [True]
    assert read_plan(result.folder) == FROZEN


def test_where_all_tuning_trials_fail_the_final_trials_are_trained_all_the_same(
    experiment: Experiment, tmp_path: Path
) -> None:
    fake = Fake(fails=lambda trial: trial.phase == "tune")
    result = run(experiment, tmp_path, fake)
    assert fake.calls < MANY
    assert phases(fake.trained) == {"final": FINAL_TRIALS}
    assert (result.total, result.endings["failed"]) == (26, 20)
    assert chosen(result.folder) == [1e-5, 1e-5]
    assert [arm["at_edge"] for arm in read_plan(result.folder)["arms"]] == [["train.lr"]] * 2
