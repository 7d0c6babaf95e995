"""What is chosen for an arm from the records of its tuning trials, and when its grid grows."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest

from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Outcome, Trial
from actbench.plan.plan import make_plan
from actbench.plan.tuning import Candidate, rank
from builders import experiment_from
from tuned_arms import (
    ONE_ARM,
    RATES,
    Records,
    Score,
    best_at,
    larger_is_better,
    missing_trials,
    smaller_is_better,
    tried,
    tuned,
    tuning_of,
    tuning_record,
)

# ----- what is chosen


@pytest.mark.parametrize("right", [
    {1e-3: (110, 110, 110), 1e-2: (130, 100, 101), 1e-1: (112, 112, 105)},
    {1e-3: (111, 111, 100), 1e-2: (110, 110, 110), 1e-1: (90, 90, 130)},
    {1e-3: (100, 100, 100), 1e-2: (101, 130, 101), 1e-1: (115, 113, 104)},  # a tie but for rounding
])  # fmt: skip
def test_the_choice_has_the_most_validation_images_right_in_all_after_the_last_epoch(
    right: dict[float, tuple[int, ...]], tmp_path: Path
) -> None:
    experiment = experiment_from(ONE_ARM.replace("tuning_seeds: 2", "tuning_seeds: 3") + RATES, tmp_path)
    tuning = tuning_of(experiment, lambda trial: right[trial.settings.train.lr][trial.seed])
    assert tuning.chosen == (("train.lr", 1e-2),)


@pytest.mark.parametrize("rates", list(itertools.permutations(["1e-3", "1e-2", "1e-1", "1"])), ids=",".join)
def test_ties_go_to_the_smaller_value_whatever_order_the_file_lists(rates: tuple[str, ...], tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.lr: [{', '.join(rates)}]}}", tmp_path)
    tuning = tuning_of(experiment, lambda trial: 200 if trial.settings.train.lr in (1e-2, 1e-1) else 100)
    assert tuning.chosen == (("train.lr", 1e-2),)
    assert tried(tuning, "train.lr") == [1e-3, 1e-2, 1e-1, 1.0]


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
@pytest.mark.parametrize("seeds", [{0}, {1}, {0, 1}])
def test_a_candidate_with_a_trial_gone_wrong_ranks_behind_all_others_however_accurate(
    seeds: set[int], outcome: Outcome, tmp_path: Path
) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.lr: [1e-4, 1e-3, 1e-2, 1e-1]}}", tmp_path)
    right = {1e-4: 100, 1e-3: 102, 1e-2: 239, 1e-1: 101}

    def outcome_of(trial: Trial) -> Outcome:
        return outcome if trial.settings.train.lr == 1e-2 and trial.seed in seeds else "done"

    records = tuned(experiment, lambda trial: right[trial.settings.train.lr], outcome_of)
    assert make_plan(experiment, records).tunings[0].chosen == (("train.lr", 1e-3),)


def test_a_trial_that_finished_without_a_value_has_gone_wrong(tmp_path: Path) -> None:
    trials = make_plan(experiment_from(ONE_ARM + RATES, tmp_path)).tunings[0].candidates[0].trials
    records = {one.id: tuning_record(one, 100) for one in trials}
    short = records[trials[0].id]
    curves = short.curves.model_copy(update={"validation_loss": (1.0, None)})
    changed = records | {short.trial: short.model_copy(update={"curves": curves})}
    metric = parse_metric("validation_loss")
    assert rank(Candidate((), trials), records, metric) < rank(Candidate((), trials), changed, metric)


def test_where_every_candidate_has_trials_gone_wrong_the_fewest_count_and_then_the_images(tmp_path: Path) -> None:
    experiment = experiment_from(ONE_ARM + RATES, tmp_path)
    wrong_seeds = {1e-3: {0}, 1e-2: {1}, 1e-1: {0, 1}}

    def outcome_of(trial: Trial) -> Outcome:
        return "diverged" if trial.seed in wrong_seeds[trial.settings.train.lr] else "done"

    right = {1e-3: 100, 1e-2: 101, 1e-1: 239}
    records = tuned(experiment, lambda trial: right[trial.settings.train.lr], outcome_of)
    assert make_plan(experiment, records).tunings[0].chosen == (("train.lr", 1e-2),)


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_an_arm_whose_tuning_trials_have_all_gone_wrong_still_gets_a_choice(outcome: Outcome, tmp_path: Path) -> None:
    experiment = experiment_from(ONE_ARM + RATES, tmp_path)
    plan = make_plan(experiment, tuned(experiment, lambda trial: 100, lambda trial: outcome))
    assert plan.is_tuned()
    ((arm, trials),) = plan.arms
    assert len(trials) == 3
    assert arm.tuned == plan.tunings[0].chosen == (("train.lr", 1e-5),)


# ----- edges of the grid


@pytest.mark.parametrize("grid", ["1e-3, 1e-2, 1e-1", "3e-3, 1e-2, 3e-2, 1e-1", "1e-1, 1e-3, 1e-2"])
def test_an_optimum_inside_its_grid_asks_for_no_more_trials(grid: str, tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.lr: [{grid}]}}", tmp_path)
    tuning = tuning_of(experiment, best_at("train.lr", 1e-2))
    assert tuning.chosen == (("train.lr", 1e-2),)
    assert tuning.edges == ()
    assert tried(tuning, "train.lr") == sorted(map(float, grid.split(",")))
    assert len(tuning.trials()) == 2 * len(tuning.candidates)


@pytest.mark.parametrize(("path", "grid", "steps"), [
    ("train.lr", "1e-3, 1e-2", [0.1, 1.0]),
    ("train.lr", "1e-2, 1e-3", [0.1, 1.0]),
    ("train.lr", "3e-4, 1e-3", [0.00333, 0.0111]),
    ("train.lr", "1, 2, 5", [12.5, 31.2]),
    ("train.weight_decay", "0, 1e-4, 1e-3", [0.01, 0.1]),
    ("model.dropout", "0.1, 0.2", [0.4, 0.8]),
    ("model.dropout", "0.3, 0.5", [0.833]),
    ("train.batch_size", "32, 64", [128, 256]),
    ("train.batch_size", "512, 1024", [2048, 4096]),
    ("train.batch_size", "16, 32, full", [64, 128]),
    ("train.batch_size", "full, 32, 16", [64, 128]),
])  # fmt: skip
def test_an_optimum_at_the_upper_edge_extends_the_grid_by_its_own_ratio_at_most_twice(
    path: str, grid: str, steps: list[float], tmp_path: Path
) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{{path}: [{grid}]}}", tmp_path)
    numeric = larger_is_better(path)
    section, field = path.split(".")
    tuning = tuning_of(
        experiment, lambda trial: 0 if getattr(getattr(trial.settings, section), field) == "full" else numeric(trial)
    )
    numbers = [one for one in tried(tuning, path) if one != "full"]
    assert sorted(numbers)[-len(steps) :] == steps
    assert len(tried(tuning, path)) == len(grid.split(",")) + len(steps)
    assert tuning.chosen == ((path, steps[-1]),)
    assert tuning.edges == (path,)


@pytest.mark.parametrize(("path", "grid", "steps"), [
    ("train.lr", "1e-3, 1e-2", [1e-4, 1e-5]),
    ("train.lr", "1e-3, 3e-3", [0.000333, 0.000111]),
    ("train.lr", "10, 5, 1", [0.2, 0.04]),
    ("train.weight_decay", "1e-4, 1e-3", [1e-5, 1e-6]),
    ("train.batch_size", "32, 64", [16, 8]),
    ("train.batch_size", "2, 4", [1]),
])  # fmt: skip
def test_an_optimum_at_the_lower_edge_extends_the_grid_by_its_own_ratio_at_most_twice(
    path: str, grid: str, steps: list[float], tmp_path: Path
) -> None:
    tuning = tuning_of(experiment_from(f"{ONE_ARM}tune: {{{path}: [{grid}]}}", tmp_path), smaller_is_better(path))
    assert tried(tuning, path)[: len(steps)] == steps[::-1]
    assert len(tried(tuning, path)) == len(grid.split(",")) + len(steps)
    assert tuning.chosen == ((path, steps[-1]),)
    assert tuning.edges == (path,)


def test_the_grid_grows_by_one_step_at_a_time(tmp_path: Path) -> None:
    experiment = experiment_from(ONE_ARM + RATES, tmp_path)
    records: Records = {}
    stages = []
    while missing := missing_trials(make_plan(experiment, records), records):
        stages.append({(one.settings.train.lr, one.seed) for one in missing})
        records |= {one.id: tuning_record(one, larger_is_better("train.lr")(one)) for one in missing}
    assert stages == [
        {(rate, seed) for rate in (1e-3, 1e-2, 1e-1) for seed in (0, 1)},
        {(1.0, 0), (1.0, 1)},
        {(10.0, 0), (10.0, 1)},
    ]


@pytest.mark.parametrize(("best", "all_tried"), [
    (1e-2, [1e-3, 1e-2, 1e-1]),
    (1e-1, [1e-3, 1e-2, 1e-1, 1.0]),
    (1e-3, [1e-4, 1e-3, 1e-2]),
    (1e-4, [1e-5, 1e-4, 1e-3, 1e-2]),
])  # fmt: skip
def test_an_extension_that_turns_out_worse_leaves_an_optimum_that_is_no_edge(
    best: float, all_tried: list[float], tmp_path: Path
) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.lr: [1e-3, 1e-2]}}", tmp_path)
    tuning = tuning_of(experiment, lambda trial: round(-100 * abs(math.log10(trial.settings.train.lr / best))))
    assert tried(tuning, "train.lr") == all_tried
    assert tuning.chosen == (("train.lr", best),)
    assert tuning.edges == ()


def test_nothing_lies_below_0_so_that_0_is_no_edge(tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.weight_decay: [1e-4, 0]}}", tmp_path)
    tuning = tuning_of(experiment, best_at("train.weight_decay", 0))
    assert (tuning.chosen, tuning.edges) == ((("train.weight_decay", 0.0),), ())
    assert tried(tuning, "train.weight_decay") == [0.0, 1e-4]


@pytest.mark.parametrize(("path", "grid", "best"), [
    ("model.dropout", "0.5, 0.9", 0.9),
    ("train.weight_decay", "0, 1e-4", 1e-4),
    ("train.batch_size", "1, 2", 1),
    ("train.batch_size", "1000000, 10000000", 10_000_000),
    ("train.lr", "1e300, 1e308", 1e308),
])  # fmt: skip
def test_an_edge_beyond_which_the_setting_does_not_reach_stays_an_edge(
    path: str, grid: str, best: float, tmp_path: Path
) -> None:
    tuning = tuning_of(experiment_from(f"{ONE_ARM}tune: {{{path}: [{grid}]}}", tmp_path), best_at(path, best))
    assert len(tuning.candidates) == 2
    assert (tuning.chosen, tuning.edges) == (((path, best),), (path,))


@pytest.mark.parametrize(("path", "grid"), [
    ("model.init", "[he_normal, xavier_normal, orthogonal]"),
    ("train.schedule", "[constant, cosine, linear]"),
    ("model.batch_norm", "[false, true]"),
    ("train.shuffle", "[true, false]"),
    ("model.hidden", "[[4], [8]]"),
    ("train.batch_size", "[32, full]"),
    ("train.weight_decay", "[null, 1e-4]"),
    ("data.scale", "[unit, 16]"),
    ("data.scale", "[16, standard, unit]"),
])  # fmt: skip
def test_names_and_a_number_among_names_have_no_edges(path: str, grid: str, tmp_path: Path) -> None:
    text = ONE_ARM.replace("model: {hidden: [4]}", "model: {}") if path == "model.hidden" else ONE_ARM
    experiment = experiment_from(f"{text}tune: {{{path}: {grid}}}", tmp_path)
    (factor,) = experiment.tune
    for value in factor.values:
        tuning = tuning_of(experiment, best_at(path, value))
        assert (tuning.chosen, tuning.edges) == (((path, value),), ())
        assert tried(tuning, path) == list(factor.values)


@pytest.mark.parametrize(("score", "expected"), [
    (larger_is_better("train.batch_size"), [20, 30, 45, 68]),
    (smaller_is_better("train.batch_size"), [8, 13, 20, 30]),
])  # fmt: skip
def test_whole_numbers_stay_whole(score: Score, expected: list[int], tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.batch_size: [20, 30]}}", tmp_path)
    values = tried(tuning_of(experiment, score), "train.batch_size")
    assert values == expected
    assert {type(one) for one in values} == {int}


# ----- fewer trials: values that are behind after the first seed


@pytest.mark.parametrize(
    ("margin", "seeds"), [(0.001, [1, 2, 1]), (round(10 / 239, 12), [1, 2, 2]), (0.1, [1, 2, 2]), (0.5, [2, 2, 2])]
)
def test_a_value_that_is_behind_after_its_first_seed_gets_no_further_ones(
    margin: float, seeds: list[int], tmp_path: Path
) -> None:
    right = {1e-3: (150, 239), 1e-2: (200, 190), 1e-1: (190, 199)}  # of 239 images
    experiment = experiment_from(f"{ONE_ARM}{RATES}\ntuning_margin: {margin}\n", tmp_path)
    records = tuned(experiment, lambda trial: right[trial.settings.train.lr][trial.seed])
    tuning = make_plan(experiment, records).tunings[0]
    by_value = {dict(candidate.values)["train.lr"]: len(candidate.trials) for candidate in tuning.candidates}
    assert [by_value[rate] for rate in right] == seeds
    assert len(records) == sum(len(candidate.trials) for candidate in tuning.candidates) + sum(
        record.phase == "final" for record in records.values()
    )
    if margin == 0.001:
        assert tuning.chosen == (("train.lr", 1e-2),)  # whatever the others might have had with more seeds


def test_a_value_whose_first_trial_diverged_is_behind_however_accurate(tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}{RATES}\ntuning_margin: 0.9\n", tmp_path)
    diverges = best_at("train.lr", 1e-3)
    records = tuned(experiment, best_at("train.lr", 1e-2), lambda one: "diverged" if diverges(one) == 200 else "done")
    tuning = make_plan(experiment, records).tunings[0]
    assert [len(candidate.trials) for candidate in tuning.candidates] == [1, 2, 2]
