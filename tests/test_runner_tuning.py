"""The run loop of an experiment that tunes: its stages, its frozen plan, and what happens when it is cut short."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from actbench import store
from actbench.catalogue.datasets import Arrays
from actbench.config import load_experiment
from actbench.errors import ConfigurationError
from actbench.experiment import Experiment, experiment_to_yaml, smoke_version
from actbench.plan import make_plan
from actbench.records import CLOCK_FIELDS, Curves, RunState, Trial, TrialRecord
from actbench.report.dry_run import dry_run_section
from actbench.report.sections import Section
from actbench.results import load_results
from actbench.runner import RunOptions, RunResult, run_experiment
from actbench.stacks import Stack
from builders import TWO_ACTIVATIONS, experiment_from, record_of

TUNED = """
name: made-up
model: {hidden: [4000]}
train: {epochs: 3}
vary: {model.activation: [relu, tanh]}
tune: {train.lr: [1e-3, 1e-2, 1e-1]}
tuning_seeds: 2
seeds: 3
baseline: {model.activation: relu}
margin: 0.002
"""
ONE_ARM = "\n".join(line for line in TUNED.splitlines() if not line.startswith(("vary", "baseline")))
FIRST_TRIALS, TUNING_TRIALS, FINAL_TRIALS, STACKS = 12, 14, 6, 7
RIGHT = {
    "relu": {1e-4: 40, 1e-3: 150, 1e-2: 200, 1e-1: 120},
    "tanh": {1e-3: 50, 1e-2: 60, 1e-1: 180, 1.0: 30},
}
VALIDATION_IMAGES = 239
MANY = 100

FROZEN = {
    "schema": 1,
    "metric": "test_accuracy",
    "margin": 0.002,
    "baseline": {"model.activation": "relu"},
    "seeds": [0, 1, 2],
    "tuning_seeds": 2,
    "arms": [
        {"arm": {"model.activation": "relu"}, "tuned": {"train.lr": 0.01}, "at_edge": []},
        {"arm": {"model.activation": "tanh"}, "tuned": {"train.lr": 0.1}, "at_edge": []},
    ],
}


def right_of(trial: Trial) -> int:
    """Validation images right in the end: the best rate of tanh is the largest of its grid, that of relu is not."""
    return RIGHT[trial.settings.model.activation.name].get(trial.settings.train.lr, 20) + trial.seed


def is_best_of_relu(trial: Trial) -> bool:
    """The tuning trial whose failure makes relu look best at another rate."""
    settings = trial.settings
    return (trial.phase, trial.seed, settings.model.activation.name, settings.train.lr) == ("tune", 0, "relu", 1e-2)


def is_worst_of_relu(trial: Trial) -> bool:
    """A tuning trial on which no choice depends."""
    settings = trial.settings
    return (trial.phase, trial.seed, settings.model.activation.name, settings.train.lr) == ("tune", 0, "relu", 1e-1)


@dataclass
class Fake:
    """Training that takes no time and remembers its trials; some of them fail, and Ctrl-C comes before some stack.

    `look` is called before each stack. More than `MANY` stacks are as good as infinitely many.
    """

    right: Callable[[Trial], int] = right_of
    fails: Callable[[Trial], bool] = lambda trial: False
    stop_before: int = MANY
    look: Callable[[Stack], None] = lambda stack: None
    trained: list[Trial] = field(default_factory=list)
    calls: int = 0

    def __call__(self, stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
        if self.calls == self.stop_before:
            raise KeyboardInterrupt
        self.calls += 1
        self.look(stack)
        if any(map(self.fails, stack)):
            raise ValueError("poison")
        for epoch in range(1, stack[0].settings.train.epochs + 1):
            on_epoch(epoch)
        self.trained += stack
        return [self.record(trial) for trial in stack]

    def record(self, trial: Trial) -> TrialRecord:
        """A record as training leaves it in each phase."""
        epochs, right = trial.settings.train.epochs, self.right(trial)
        curves = Curves(
            train_loss=(0.5,) * epochs,
            train_correct_count=(300,) * epochs,
            validation_loss=(0.5,) * epochs,
            validation_correct_count=(VALIDATION_IMAGES - right,) * (epochs - 1) + (right,),
        )
        tested = record_of(trial, 200 + int(trial.id[:2], 16) % 100, curves=curves)
        unseen = {"test_correct_count": None, "test_loss": None}
        return tested.model_copy(update=unseen) if trial.phase == "tune" else tested


def run(
    experiment: Experiment,
    root: Path,
    train: Fake | None = None,
    *,
    fresh: bool = False,
    said: list[str] | None = None,
    states: list[RunState] | None = None,
) -> RunResult:
    options = RunOptions(results=root / "results", data_folder=root / "data", device="cpu", jobs=1, fresh=fresh)
    show = [] if states is None else states
    say = [] if said is None else said
    return run_experiment(experiment, options, show.append, say.append, Fake() if train is None else train)


def interrupt(experiment: Experiment, root: Path, *, before: int) -> Fake:
    """A run that Ctrl-C ends before a stack."""
    fake = Fake(stop_before=before)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, root, fake)
    return fake


def phases(trials: list[Trial]) -> dict[str, int]:
    return dict(Counter(trial.phase for trial in trials))


def chosen(folder: Path) -> list[float]:
    """The learning rates in a folder's plan."""
    return [arm["tuned"]["train.lr"] for arm in store.read_plan(folder)["arms"]]


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


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
            before_final.append(set(store.read_journal(tmp_path / "results" / "made-up").records))

    fake = Fake(look=look)
    result = run(experiment, tmp_path, fake)
    assert (result.total, result.trained, result.diverged, result.failed) == (20, 20, 0, 0)
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
        seen.append((stack[0].phase, store.read_plan(tmp_path / "results" / "made-up")))

    folder = run(experiment, tmp_path, Fake(look=look)).folder
    assert seen == [*[("tune", {})] * 5, *[("final", FROZEN)] * 2]
    assert json.loads((folder / store.PLAN).read_text()) == FROZEN


def test_the_plan_and_the_messages_name_the_settings_that_are_at_their_edge(
    experiment: Experiment, tmp_path: Path
) -> None:
    said: list[str] = []

    def right(trial: Trial) -> int:
        is_tanh = trial.settings.model.activation.name == "tanh"
        return round(10 * trial.settings.train.lr) if is_tanh else right_of(trial)

    folder = run(experiment, tmp_path, Fake(right), said=said).folder
    assert [arm["at_edge"] for arm in store.read_plan(folder)["arms"]] == [[], ["train.lr"]]
    assert said == [
        "tuned relu: train.lr 0.01",
        "tuned tanh: train.lr 10.0 (at the edge of what was tried: train.lr)",
    ]


def test_an_experiment_that_tunes_nothing_freezes_its_plan_too(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    untuned = experiment_from(TWO_ACTIVATIONS, tmp_path)
    fake = Fake(right=lambda trial: 100, look=lambda stack: seen.append(store.read_plan(tmp_path / "results/made-up")))
    folder = run(untuned, tmp_path, fake).folder
    assert phases(fake.trained) == {"final": 6}
    assert seen == [store.read_plan(folder)]
    assert (seen[0]["tuning_seeds"], seen[0]["seeds"]) == (0, [0, 1, 2])
    assert [arm["tuned"] for arm in seen[0]["arms"]] == [{}, {}]
    assert not (folder / "tuning.csv").exists()


# ----- continuing


def results_of(folder: Path) -> dict[str, bytes]:
    """Everything derived, and the plan; of the trials all but times and where they were trained."""
    names = ("table.csv", "table.md", "tuning.csv", "epochs.csv", store.PLAN, store.EXPERIMENT)
    trials = pd.read_csv(folder / "trials.csv").drop(columns=["environment", *CLOCK_FIELDS], errors="ignore")
    return {name: (folder / name).read_bytes() for name in names} | {"trials.csv": trials.to_csv().encode()}


@pytest.mark.parametrize("before", range(STACKS))
def test_a_run_interrupted_in_any_stage_goes_on_with_what_is_missing_and_ends_the_same(
    before: int, experiment: Experiment, tmp_path: Path
) -> None:
    undisturbed = run(experiment, tmp_path / "other").folder
    first = interrupt(experiment, tmp_path, before=before)
    folder = tmp_path / "results" / "made-up"
    assert len(pd.read_csv(folder / "trials.csv")) == len(store.read_journal(folder).records) == len(first.trained)
    assert (folder / store.PLAN).exists() == (len(first.trained) >= TUNING_TRIALS)
    second = Fake()
    result = run(experiment, tmp_path, second)
    assert (result.total, result.trained) == (20, 20 - len(first.trained))
    assert Counter(trial.id for trial in first.trained + second.trained) == Counter(
        make_plan(experiment, store.read_journal(folder).records).trials().keys()
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
    assert "earlier" not in store.read_plan(folder)
    assert results_of(folder.with_name("made-up.1")) == before


def test_a_damaged_tuning_record_is_trained_again_and_nothing_else(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    before = results_of(folder)
    journal = folder / store.JOURNAL
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
    assert (result.total, result.trained, result.failed) == (22, 22, 1)
    assert chosen(result.folder) == [1e-3, 1e-1]
    still = Fake(fails=is_best_of_relu)
    result = run(experiment, tmp_path, still)
    assert (result.total, result.trained, result.failed, still.calls) == (22, 1, 1, 1)
    assert chosen(result.folder) == [1e-3, 1e-1]
    assert "earlier" not in store.read_plan(result.folder)


def test_a_failed_tuning_trial_that_then_succeeds_may_change_the_choice(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path, Fake(fails=is_best_of_relu)).folder
    first = store.read_plan(folder)
    healed = Fake()
    result = run(experiment, tmp_path, healed)
    assert (result.total, result.trained, result.failed) == (20, 4, 0)
    assert phases(healed.trained) == {"tune": 1, "final": 3}
    assert {trial.settings.model.activation.name for trial in healed.trained} == {"relu"}
    assert store.read_plan(folder) == FROZEN | {"earlier": [first]}
    never_failed = results_of(run(experiment, tmp_path / "other").folder)
    has_a_history = {store.PLAN, "table.md"}
    assert {name for name, text in results_of(folder).items() if text != never_failed[name]} <= has_a_history


def test_a_failed_tuning_trial_on_which_nothing_depends_leaves_choice_and_final_trials(
    experiment: Experiment, tmp_path: Path
) -> None:
    run(experiment, tmp_path, Fake(fails=is_worst_of_relu))
    healed = Fake()
    result = run(experiment, tmp_path, healed)
    assert (result.total, result.trained, result.failed) == (20, 1, 0)
    assert list(map(is_worst_of_relu, healed.trained)) == [True]
    assert store.read_plan(result.folder) == FROZEN


def test_where_all_tuning_trials_fail_the_final_trials_are_trained_all_the_same(
    experiment: Experiment, tmp_path: Path
) -> None:
    fake = Fake(fails=lambda trial: trial.phase == "tune")
    result = run(experiment, tmp_path, fake)
    assert fake.calls < MANY
    assert phases(fake.trained) == {"final": FINAL_TRIALS}
    assert (result.total, result.failed) == (26, 20)
    assert chosen(result.folder) == [1e-5, 1e-5]
    assert [arm["at_edge"] for arm in store.read_plan(result.folder)["arms"]] == [["train.lr"]] * 2


# ----- plans that change after they were frozen


def test_more_seeds_after_looking_keep_the_choice_and_the_earlier_plan(experiment: Experiment, tmp_path: Path) -> None:
    run(experiment, tmp_path)
    fake = Fake()
    folder = run(experiment_from(TUNED.replace("seeds: 3", "seeds: 5"), tmp_path), tmp_path, fake).folder
    assert phases(fake.trained) == {"final": 4}
    five = FROZEN | {"seeds": [0, 1, 2, 3, 4]}
    assert store.read_plan(folder) == five | {"earlier": [FROZEN]}
    run(experiment_from(TUNED.replace("seeds: 3", "seeds: 6"), tmp_path), tmp_path)
    run(experiment_from(TUNED.replace("seeds: 3", "seeds: 6"), tmp_path), tmp_path)
    assert store.read_plan(folder) == FROZEN | {"seeds": [0, 1, 2, 3, 4, 5], "earlier": [FROZEN, five]}


@pytest.mark.parametrize(("text", "tuning_stacks"), [(TUNED, 5), (ONE_ARM, 2)], ids=["two arms", "one arm"])
def test_a_grid_changed_before_any_final_trial_leaves_no_earlier_plan(
    text: str, tuning_stacks: int, tmp_path: Path
) -> None:
    first = interrupt(experiment_from(text, tmp_path), tmp_path, before=tuning_stacks)
    assert {trial.phase for trial in first.trained} == {"tune"}
    assert store.read_plan(tmp_path / "results" / "made-up")["seeds"] == [0, 1, 2]
    folder = run(experiment_from(text.replace("1e-3, 1e-2, 1e-1", "1e-4, 1e-3, 1e-1"), tmp_path), tmp_path).folder
    assert chosen(folder) == ([1e-3, 1e-1] if text == TUNED else [1e-3])
    assert "earlier" not in store.read_plan(folder)


@pytest.mark.parametrize("text", [TUNED, ONE_ARM], ids=["two arms", "one arm"])
def test_a_grid_changed_after_final_trials_keeps_the_earlier_plan_even_if_no_choice_stays(
    text: str, tmp_path: Path
) -> None:
    folder = run(experiment_from(text, tmp_path), tmp_path).folder
    first = store.read_plan(folder)
    fake = Fake(right=lambda trial: 200 if trial.settings.train.lr == 3e-3 else 100)
    run(experiment_from(text.replace("1e-3, 1e-2, 1e-1", "1e-4, 3e-3, 3"), tmp_path), tmp_path, fake)
    assert set(chosen(folder)) == {3e-3}
    assert store.read_plan(folder)["earlier"] == [first]


def test_the_plan_says_what_is_asked_for_where_only_a_failed_tuning_trial_was_left_to_train(
    experiment: Experiment, tmp_path: Path
) -> None:
    run(experiment, tmp_path, Fake(fails=is_worst_of_relu))
    fewer = experiment_from(TUNED.replace("seeds: 3\n", "seeds: 2\n"), tmp_path)
    assert fewer.tuning_seeds == experiment.tuning_seeds
    fake = Fake()
    folder = run(fewer, tmp_path, fake).folder
    assert phases(fake.trained) == {"tune": 1}
    assert store.read_plan(folder) == FROZEN | {"seeds": [0, 1], "earlier": [FROZEN]}


# ----- progress


def assert_consistent(states: list[RunState], result: RunResult, trained: int) -> None:
    last = states[-1]
    assert (last.done, last.done - last.before) == (last.total, trained)
    assert (last.epochs, last.epochs_to_do) == (3 * trained, 3 * trained)
    assert (result.total, result.trained) == (last.total, trained)
    assert (result.diverged, result.failed) == (last.diverged, last.failed)
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
    assert (result.trained, result.failed) == (trained, failed)
    if trained:
        assert_consistent(again, result, trained)
    else:
        assert again == []


# ----- what a dry run says


def dry_run(experiment: Experiment, root: Path, *, fresh: bool = False) -> Section:
    """A dry run, which changes nothing on disk."""
    before = files_of(root)
    section = dry_run_section(experiment, root / "results" / experiment.name, root / "data", fresh=fresh)
    assert files_of(root) == before
    return section


def counts(section: Section) -> dict[str, list[int]]:
    assert list(section.header) == ["arm", "tuning", "planned", "done", "to do"]
    return {row[0]: [int(cell) for cell in row[1:]] for row in section.rows}


def test_a_dry_run_says_what_there_is_to_do_before_between_and_after_the_stages(
    experiment: Experiment, tmp_path: Path
) -> None:
    may_grow = "Tuning an arm takes more trials where its best value is the outermost of the grid."
    folder = tmp_path / "results" / "made-up"
    section = dry_run(experiment, tmp_path)
    assert not folder.exists()
    assert counts(section) == {"relu": [6, 9, 0, 9], "tanh": [6, 9, 0, 9]}
    assert section.notes == [f"18 trials, 0 done, 18 to do (54 epochs) -> {folder}", may_grow]

    interrupt(experiment, tmp_path, before=4)
    section = dry_run(experiment, tmp_path)
    assert counts(section) == {"relu": [6, 9, 6, 3], "tanh": [8, 11, 6, 5]}
    assert section.notes == [f"20 trials, 12 done, 8 to do (24 epochs) -> {folder}", may_grow]

    interrupt(experiment, tmp_path, before=1)
    section = dry_run(experiment, tmp_path)
    assert counts(section) == {"relu": [6, 9, 6, 3], "tanh": [8, 11, 8, 3]}
    assert section.notes == [f"20 trials, 14 done, 6 to do (18 epochs) -> {folder}"]

    run(experiment, tmp_path)
    section = dry_run(experiment, tmp_path)
    assert counts(section) == {"relu": [6, 9, 9, 0], "tanh": [8, 11, 11, 0]}
    assert section.notes == [f"20 trials, 20 done, 0 to do (0 epochs) -> {folder}"]

    section = dry_run(experiment, tmp_path, fresh=True)
    assert counts(section) == {"relu": [6, 9, 0, 9], "tanh": [6, 9, 0, 9]}


def test_a_dry_run_counts_a_failed_tuning_trial_and_the_final_trials_that_hang_on_it(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path, Fake(fails=is_worst_of_relu)).folder
    section = dry_run(experiment, tmp_path)
    assert counts(section) == {"relu": [6, 9, 5, 4], "tanh": [8, 11, 8, 3]}
    assert section.notes[0] == f"20 trials, 13 done, 7 to do (21 epochs) -> {folder}"
    retried = "Failed tuning trials are tried again; final trials that stay as they were count as to do."
    assert section.notes[-1] == retried
    run(experiment, tmp_path, Fake())
    assert retried not in dry_run(experiment, tmp_path).notes
    fails_in_the_end = Fake(fails=lambda trial: trial.phase == "final" and trial.seed == 0)
    run(experiment, tmp_path, fails_in_the_end, fresh=True)
    section = dry_run(experiment, tmp_path)
    assert section.notes == [f"20 trials, 18 done, 2 to do (6 epochs) -> {folder}"]


# ----- tables


def test_tuning_csv_has_a_row_for_every_arm_and_candidate(experiment: Experiment, tmp_path: Path) -> None:
    table = pd.read_csv(run(experiment, tmp_path).folder / "tuning.csv")
    assert list(table.columns) == [
        "arm", "model.activation", "train.lr", "n", "failed", "mean_validation_accuracy", "sd", "chosen", "at_edge",
    ]  # fmt: skip
    assert list(zip(table["arm"], table["train.lr"], strict=True)) == [
        ("relu", 1e-3), ("relu", 1e-2), ("relu", 1e-1), ("tanh", 1e-3), ("tanh", 1e-2), ("tanh", 1e-1), ("tanh", 1.0),
    ]  # fmt: skip
    assert list(table["chosen"]) == [False, True, False, False, False, True, False]
    assert not table["at_edge"].any()
    assert set(table["n"]) == {2}
    assert set(table["failed"]) == {0}
    right = [RIGHT[arm][rate] + 0.5 for arm, rate in zip(table["arm"], table["train.lr"], strict=True)]
    assert list(table["mean_validation_accuracy"]) == pytest.approx([one / VALIDATION_IMAGES for one in right])
    assert list(table["sd"]) == pytest.approx([0.5**0.5 / VALIDATION_IMAGES] * 7)


def test_tuning_csv_counts_failures_and_marks_an_edge(experiment: Experiment, tmp_path: Path) -> None:
    fake = Fake(right=lambda trial: round(10 * trial.settings.train.lr), fails=is_best_of_relu)
    table = pd.read_csv(run(experiment, tmp_path, fake).folder / "tuning.csv").set_index(["arm", "train.lr"])
    assert table["failed"].to_dict() == {
        (arm, rate): int((arm, rate) == ("relu", 1e-2)) for arm, rate in table.index.to_list()
    }
    assert table["n"].loc["relu", 1e-2] == 1
    assert [key for key in table.index.to_list() if table["chosen"].loc[key]] == [("relu", 10.0), ("tanh", 10.0)]
    assert table["at_edge"].equals(table["chosen"].rename("at_edge"))


def test_trials_csv_tells_tuning_from_final_trials_and_names_the_rate_of_each(
    experiment: Experiment, tmp_path: Path
) -> None:
    folder = run(experiment, tmp_path).folder
    table = pd.read_csv(folder / "trials.csv")
    assert list(table.columns[:6]) == ["trial", "arm", "model.activation", "train.lr", "phase", "seed"]
    assert list(table["phase"]) == ["tune"] * TUNING_TRIALS + ["final"] * FINAL_TRIALS
    assert set(table["trial"]) == set(load_results(folder, folder.parent).plan.trials())
    tuning, final = table[table["phase"] == "tune"], table[table["phase"] == "final"]
    assert tuning[["test_accuracy", "test_loss", "test_correct_count"]].isna().to_numpy().all()
    assert final["test_correct_count"].notna().all()
    assert tuning["validation_accuracy"].notna().all()
    rates = dict(zip(final["arm"], final["train.lr"], strict=True))
    assert rates == {"relu": 1e-2, "tanh": 1e-1}
    assert final.groupby("arm")["train.lr"].nunique().to_dict() == {"relu": 1, "tanh": 1}
    epochs = pd.read_csv(folder / "epochs.csv")
    assert epochs["phase"].value_counts().to_dict() == {"tune": 3 * TUNING_TRIALS, "final": 3 * FINAL_TRIALS}


def test_test_images_are_scored_by_final_trials_only(experiment: Experiment, tmp_path: Path) -> None:
    interrupt(experiment, tmp_path, before=5)
    folder = tmp_path / "results" / "made-up"
    assert store.read_journal(folder).test_reads == 0
    run(experiment, tmp_path)
    assert store.read_journal(folder).test_reads == FINAL_TRIALS


def test_the_table_of_the_tuning_goes_when_nothing_is_tuned_any_more(experiment: Experiment, tmp_path: Path) -> None:
    folder = run(experiment, tmp_path).folder
    assert (folder / "tuning.csv").exists()
    run(experiment_from(TUNED.replace("tune: {train.lr: [1e-3, 1e-2, 1e-1]}\n", ""), tmp_path), tmp_path)
    assert not (folder / "tuning.csv").exists()


# ----- the experiment itself


@pytest.mark.parametrize("text", [
    TUNED,
    ONE_ARM,
    ONE_ARM.replace("tuning_seeds: 2", "tuning_seeds: 7"),
    ONE_ARM.replace("tuning_seeds: 2", "").replace("margin: 0.002", ""),
    TUNED.replace("margin: 0.002", "margin: 0.05"),
    "tune: {model.init: [he_normal, {uniform: {a: -0.5, b: 0.5}}], train.batch_size: [32, full], train.lr: [1, 2]}",
    "model: {layers: [{units: 3}]}\ntune: {model.layers: [[{units: 3, activation: relu}], [{units: 4}]]}",
    "tune: {train.weight_decay: [null, 0, 1e-4], model.batch_norm: [true, false], data.scale: [unit, 16]}",
])  # fmt: skip
def test_the_kept_experiment_tunes_the_same(text: str, tmp_path: Path) -> None:
    experiment = experiment_from(text, tmp_path)
    assert experiment.tune
    store.write_experiment(tmp_path, experiment_to_yaml(experiment))
    again = load_experiment(tmp_path / store.EXPERIMENT).experiment
    assert again == experiment
    assert make_plan(again) == make_plan(experiment)


def test_a_smoke_run_tunes_with_one_seed(experiment: Experiment, tmp_path: Path) -> None:
    smoke = smoke_version(experiment)
    assert (smoke.tuning_seeds, smoke.tune, smoke.margin) == (1, experiment.tune, experiment.margin)
    fake = Fake()
    result = run(smoke, tmp_path, fake)
    assert result.folder.name == "made-up-smoke"
    assert phases(fake.trained) == {"tune": 7, "final": 4}
    assert {trial.settings.train.epochs for trial in fake.trained} == {1}
    assert store.read_plan(result.folder)["tuning_seeds"] == 1
    untuned = replace(experiment, tune=())
    assert smoke_version(untuned).tuning_seeds == untuned.tuning_seeds


def test_smoke_refuses_to_set_what_the_experiment_tunes(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^--smoke sets train\.epochs, which this experiment varies or tunes: take it out"
    ):
        smoke_version(experiment_from("tune: {train.epochs: [1, 2]}", tmp_path))
