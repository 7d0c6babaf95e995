"""What is told of tuning: a dry run, the tables, the kept experiment, the smoke run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment, experiment_to_yaml, smoke_version
from actbench.experiment.naming import value_to_yaml
from actbench.experiment.records import Curves, TrialRecord
from actbench.plan.plan import make_plan
from actbench.render.sections import Section
from actbench.report.tuning import stability, tried, tuning_rows
from actbench.runs.dry_run import count_to_do, dry_run_sections, estimate_costs
from actbench.store.folder import read_plan, write_experiment
from actbench.store.journal import read_journal
from actbench.store.names import EXPERIMENT
from actbench.store.results import load_results
from builders import experiment_from
from planted import TUNED as TUNED_BY_3_SEEDS
from planted import planted
from tuned_runs import (
    FINAL_TRIALS,
    ONE_ARM,
    RIGHT,
    TUNED,
    TUNING_TRIALS,
    VALIDATION_IMAGES,
    Fake,
    files_of,
    interrupt,
    is_best_of_relu,
    is_worst_of_relu,
    phases,
    run,
)


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(TUNED, tmp_path)


# ----- what a dry run says


def dry_run(experiment: Experiment, root: Path, *, fresh: bool = False) -> Section:
    """A dry run, which changes nothing on disk."""
    before = files_of(root)
    to_do = count_to_do(experiment, root / "results", root / "data", fresh=fresh)
    section = dry_run_sections(to_do, estimate_costs(to_do, workers=2, device="cpu"))[0]
    assert files_of(root) == before
    return section


def counts(section: Section) -> dict[str, list[int]]:
    assert list(section.header) == ["arm", "tuning", "planned", "done", "to do"]
    return {row[0]: [int(cell) for cell in row[1:]] for row in section.rows}


def test_a_dry_run_says_what_there_is_to_do_before_between_and_after_the_stages(
    experiment: Experiment, tmp_path: Path
) -> None:
    may_grow = "Tuning takes more trials for an arm whose best value is at the edge of the grid."
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
    retried = "Failed tuning trials are retried; until then, all final trials count as to do."
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
    assert read_journal(folder).test_reads == 0
    run(experiment, tmp_path)
    assert read_journal(folder).test_reads == FINAL_TRIALS


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
    write_experiment(tmp_path, experiment_to_yaml(experiment))
    again = load_experiment(tmp_path / EXPERIMENT).experiment
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
    assert read_plan(result.folder)["tuning_seeds"] == 1
    untuned = replace(experiment, tune=())
    assert smoke_version(untuned).tuning_seeds == untuned.tuning_seeds


def test_smoke_refuses_to_set_what_the_experiment_tunes(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^--smoke sets train\.epochs, which this experiment varies or tunes: take it out"
    ):
        smoke_version(experiment_from("tune: {train.epochs: [1, 2]}", tmp_path))


def test_a_tuned_choice_is_said_with_the_share_of_resampled_seeds_that_make_it_again(tmp_path: Path) -> None:
    text = TUNED_BY_3_SEEDS.replace("tuning_seeds: 1", "tuning_seeds: 3")
    results = planted(tmp_path / "planted", {"relu": [9800] * 3, "tanh": [9790] * 3}, text, best_rates={"tanh": 0.001})
    for tuning in results.plan.tunings:
        found = stability(tuning, results.records)
        assert found is not None
        assert sum(found.shares.values()) == pytest.approx(1)
        assert found.chosen == 1.0  # a planted arm has the same count for every tuning seed
        assert str(found.lost) == "0.0"  # and not -0.0
    one = results.plan.tunings[0]
    best, *others = sorted(one.candidates, key=lambda candidate: candidate.values != one.chosen)
    swapped = dict(results.records)
    for trial, other in list(zip(best.trials, others[0].trials, strict=True))[:1]:
        mine, theirs = swapped[trial.id], swapped[other.id]
        swapped[trial.id] = mine.model_copy(update={"curves": _with_right(mine, 5000)})
        swapped[other.id] = theirs.model_copy(update={"curves": _with_right(theirs, 5050)})
    found = stability(replace(one, chosen=best.values), swapped)
    assert found is not None
    assert 0 < found.chosen < 1
    assert found.lost > 0  # the others are worse in all
    dropped = replace(others[0], trials=others[0].trials[:1])
    without = stability(replace(one, candidates=(best, dropped, *others[1:])), swapped)
    assert without is not None
    assert without.shares.keys() == {best.values, *(other.values for other in others[1:])}
    bad = {"outcome": "diverged", "diverged_epoch": 1}
    diverged = {trial.id: swapped[trial.id].model_copy(update=bad) for trial in others[0].trials}
    never = stability(replace(one, chosen=best.values), swapped | diverged)
    assert never is not None
    assert never.shares[others[0].values] == 0
    failed = {each.values: each.failed for each in tried(one, swapped | diverged)}
    assert failed == dict.fromkeys(failed, 0) | {others[0].values: 3}
    document = list(tuning_rows(results.plan, swapped, value_to_yaml))
    assert {row["chosen_in"] for row in document if row["arm"] == one.arm.label()} == set(found.shares.values())
    assert all(isinstance(row["train.lr"], float) for row in document)


def _with_right(record: TrialRecord, count: int) -> Curves:
    return record.curves.model_copy(update={"validation_correct_count": (count,)})
