"""What is chosen for each arm from the records of its tuning trials, and which trials it takes to choose."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment import Experiment
from actbench.plan import Plan, make_plan
from actbench.records import Curves, Outcome, Trial, TrialRecord
from actbench.training.streams import Stream, generator
from actbench.trials import make_trial
from actbench.tuning import ArmTuning
from builders import experiment_from, record_of

Score = Callable[[Trial], int]
Records = dict[str, TrialRecord]

ONE_ARM = "model: {hidden: [4]}\ntrain: {epochs: 2}\nseeds: 3\ntuning_seeds: 2\n"
TWO_ARMS = f"{ONE_ARM}vary: {{model.activation: [relu, tanh]}}\n"
RATES = "tune: {train.lr: [1e-3, 1e-2, 1e-1]}\n"


def tuning_record(trial: Trial, right: int, outcome: Outcome = "done") -> TrialRecord:
    """A record as tuning leaves it: without test figures, and better in its first epoch the worse it is in its last."""
    changes = {"outcome": outcome, "test_correct_count": None, "test_loss": None}
    curves = Curves(validation_loss=(1.0, 1.0), validation_correct_count=(1000 - right, right))
    return record_of(trial).model_copy(update=changes | {"curves": Curves() if outcome == "failed" else curves})


def missing_trials(plan: Plan, records: Records) -> list[Trial]:
    return [one for key, one in plan.trials().items() if one.phase == "tune" and key not in records]


def tuned(experiment: Experiment, score: Score, outcome: Callable[[Trial], Outcome] = lambda trial: "done") -> Records:
    """The records of all tuning trials, made one stage after the other until no more are asked for."""
    records: Records = {}
    while missing := missing_trials(make_plan(experiment, records), records):
        records |= {one.id: tuning_record(one, score(one), outcome(one)) for one in missing}
    return records


def tuning_of(experiment: Experiment, score: Score) -> ArmTuning:
    """The finished tuning of an experiment's only arm."""
    (tuning,) = make_plan(experiment, tuned(experiment, score)).tunings
    assert tuning.is_settled()
    return tuning


def tried(tuning: ArmTuning, path: str) -> list[Any]:
    """The values of a setting that were tried, each once, in the order of the candidates."""
    return list(dict.fromkeys(dict(candidate.values)[path] for candidate in tuning.candidates))


def best_at(path: str, best: Any) -> Score:
    """A score that is right for one value only."""
    section, field = path.split(".")
    return lambda trial: 200 if getattr(getattr(trial.settings, section), field) == best else 100


def larger_is_better(path: str) -> Score:
    section, field = path.split(".")
    return lambda trial: round(1e6 * getattr(getattr(trial.settings, section), field))


def smaller_is_better(path: str) -> Score:
    section, field = path.split(".")
    return lambda trial: -round(1e9 * getattr(getattr(trial.settings, section), field))


# ----- what is chosen


@pytest.mark.parametrize("right", [
    {1e-3: (110, 110, 110), 1e-2: (130, 100, 101), 1e-1: (112, 112, 105)},
    {1e-3: (111, 111, 100), 1e-2: (110, 110, 110), 1e-1: (90, 90, 130)},
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


# ----- several settings, several arms


TWO_SETTINGS = f"{ONE_ARM}tune: {{train.lr: [1e-3, 1e-2], model.dropout: [0, 0.1, 0.2]}}"


def test_two_nuisance_settings_are_tried_in_every_combination(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_SETTINGS, tmp_path)
    (tuning,) = make_plan(experiment).tunings
    grid = [(("train.lr", rate), ("model.dropout", share)) for rate in (1e-3, 1e-2) for share in (0.0, 0.1, 0.2)]
    assert [candidate.values for candidate in tuning.candidates] == grid
    for candidate in tuning.candidates:
        for trial in candidate.trials:
            settings = trial.settings
            assert (("train.lr", settings.train.lr), ("model.dropout", settings.model.dropout)) == candidate.values
    assert not tuning.is_settled()


def test_the_extension_of_one_of_two_settings_adds_a_row_of_it(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_SETTINGS, tmp_path)
    tuning = tuning_of(
        experiment, lambda trial: 10 * (trial.settings.train.lr == 1e-2) + (trial.settings.model.dropout == 0.1)
    )
    grid = [(("train.lr", rate), ("model.dropout", share)) for rate in (1e-3, 1e-2, 1e-1) for share in (0.0, 0.1, 0.2)]
    assert [candidate.values for candidate in tuning.candidates] == grid
    assert tuning.chosen == (("train.lr", 1e-2), ("model.dropout", 0.1))
    assert tuning.edges == ()


def test_two_settings_at_their_edges_are_extended_together_and_both_named(tmp_path: Path) -> None:
    experiment = experiment_from(f"{ONE_ARM}tune: {{train.lr: [1e-3, 1e-2], model.dropout: [0.1, 0.2]}}", tmp_path)
    tuning = tuning_of(experiment, lambda trial: round(trial.settings.train.lr * trial.settings.model.dropout * 1e6))
    assert tried(tuning, "train.lr") == [1e-3, 1e-2, 1e-1, 1.0]
    assert tried(tuning, "model.dropout") == [0.1, 0.2, 0.4, 0.8]
    assert len(tuning.candidates) == 16
    assert tuning.chosen == (("train.lr", 1.0), ("model.dropout", 0.8))
    assert tuning.edges == ("train.lr", "model.dropout")


def peak_of_relu_tanh_beyond_the_grid(trial: Trial) -> int:
    if trial.settings.model.activation.name == "relu":
        return best_at("train.lr", 1e-2)(trial)
    return larger_is_better("train.lr")(trial)


def test_arms_are_extended_and_chosen_for_by_themselves(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    plan = make_plan(experiment, tuned(experiment, peak_of_relu_tanh_beyond_the_grid))
    relu, tanh = plan.tunings
    assert (tried(relu, "train.lr"), relu.edges) == ([1e-3, 1e-2, 1e-1], ())
    assert (tried(tanh, "train.lr"), tanh.edges) == ([1e-3, 1e-2, 1e-1, 1.0, 10.0], ("train.lr",))
    assert [arm.tuned for arm, _ in plan.arms] == [(("train.lr", 1e-2),), (("train.lr", 10.0),)]


def test_final_trials_have_the_chosen_values_and_the_arms_keep_their_names(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    plan = make_plan(experiment, tuned(experiment, peak_of_relu_tanh_beyond_the_grid))
    assert [arm.label() for arm, _ in plan.arms] == ["relu", "tanh"]
    assert [arm.values for arm, _ in plan.arms] == [arm.values for arm in experiment.arms()]
    for arm, trials in plan.arms:
        assert [trial.seed for trial in trials] == [0, 1, 2]
        assert {trial.phase for trial in trials} == {"final"}
        assert {trial.settings for trial in trials} == {arm.settings}
        assert arm.settings.train.lr == dict(arm.tuned)["train.lr"]


def test_every_arm_and_candidate_has_the_same_tuning_seeds(tmp_path: Path) -> None:
    experiment = experiment_from((TWO_ARMS + RATES).replace("tuning_seeds: 2", "tuning_seeds: 4"), tmp_path)
    plan = make_plan(experiment, tuned(experiment, peak_of_relu_tanh_beyond_the_grid))
    for tuning in plan.tunings:
        for candidate in tuning.candidates:
            assert [trial.seed for trial in candidate.trials] == [0, 1, 2, 3]
            assert {trial.phase for trial in candidate.trials} == {"tune"}


def test_tuning_trials_are_other_trials_than_final_ones_with_the_same_seed_and_settings(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    plan = make_plan(experiment, tuned(experiment, peak_of_relu_tanh_beyond_the_grid))
    tuning = {(one.settings, one.seed): one.id for tuned_arm in plan.tunings for one in tuned_arm.trials()}
    final = {(one.settings, one.seed): one.id for _, trials in plan.arms for one in trials}
    assert len(tuning.keys() & final.keys()) == 4
    assert not set(tuning.values()) & set(final.values())
    assert len(plan.trials()) == len(tuning) + len(final)


@pytest.mark.parametrize("stream", ["split", "init", "order", "dropout"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tuning_trials_draw_other_numbers_than_final_ones_with_the_same_seed(seed: int, stream: Stream) -> None:
    final, tuning = generator("final", seed, stream), generator("tune", seed, stream)
    assert final.initial_seed() != tuning.initial_seed()
    assert generator("tune", seed, stream).initial_seed() == tuning.initial_seed()


# ----- what the choice depends on


def test_records_of_other_trials_change_nothing(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    records = tuned(experiment, peak_of_relu_tanh_beyond_the_grid)
    plan = make_plan(experiment, records)
    settings = experiment.settings.model_copy(
        update={"train": experiment.settings.train.model_copy(update={"lr": 1e-4})}
    )
    final = [trial for _, trials in plan.arms for trial in trials]
    unplanned = [make_trial(settings, seed, phase) for phase in ("tune", "final") for seed in range(5)]
    later_seeds = [make_trial(one.settings, 7, "tune") for one in plan.trials().values()]
    others = {one.id: tuning_record(one, 1000) for one in (*final, *unplanned, *later_seeds)}
    assert not others.keys() & records.keys()
    assert make_plan(experiment, others | records) == plan
    assert make_plan(experiment, others) == make_plan(experiment)


def test_the_order_of_the_records_changes_nothing(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    records = tuned(experiment, lambda trial: int(trial.id[:2], 16) // 32)
    plan = make_plan(experiment, records)
    assert plan.is_tuned()
    for seed in range(5):
        items = list(records.items())
        random.Random(seed).shuffle(items)
        assert make_plan(experiment, dict(items)) == plan


def test_while_any_tuning_trial_is_missing_its_arm_is_unsettled_and_no_arm_has_final_trials(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ARMS + RATES, tmp_path)
    records = tuned(experiment, peak_of_relu_tanh_beyond_the_grid)
    relu = {trial.id for trial in make_plan(experiment, records).tunings[0].trials()}
    for missing in records:
        plan = make_plan(experiment, {key: record for key, record in records.items() if key != missing})
        assert [tuning.is_settled() for tuning in plan.tunings] == [missing not in relu, missing in relu]
        assert [tuning.edges for tuning in plan.tunings if not tuning.is_settled()] == [()]
        assert not plan.is_tuned()
        assert [trials for _, trials in plan.arms] == [(), ()]
        assert all(arm.tuned == () for arm, _ in plan.arms)
        assert missing in plan.trials()
