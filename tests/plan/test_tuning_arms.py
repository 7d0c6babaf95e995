"""Several tuned settings, several arms: which trials they take, and that they keep to themselves."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from actbench.experiment.records import Trial
from actbench.plan.plan import make_plan
from actbench.plan.trials import make_trial
from actbench.training.data import Stream, generator
from builders import experiment_from
from tuned_arms import ONE_ARM, RATES, TWO_ARMS, best_at, larger_is_better, tried, tuned, tuning_of, tuning_record

# ----- several settings, several arms


TWO_SETTINGS = f"{ONE_ARM}tune: {{train.lr: [1e-3, 1e-2], model.dropout: [0, 0.1, 0.2]}}"


def test_two_tuned_settings_are_tried_in_every_combination(tmp_path: Path) -> None:
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
