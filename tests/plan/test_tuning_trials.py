"""Tuning trials as they are really trained: blind to the test images, and the same in whatever stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import CLOCK_FIELDS, Phase, Trial, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import make_plan
from actbench.plan.stacks import make_stacks
from actbench.plan.trials import make_trial
from actbench.training.loop import train_stack
from builders import experiment_from

RATES = (1e-3, 1e-2, 1e-1)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return load(DATASETS["digits"], tmp_path_factory.getbasetemp())


def trial(phase: Phase = "tune", seed: int = 0, model: dict[str, Any] | None = None, **train: Any) -> Trial:
    settings = {
        "data": {"dataset": "digits", "train": 150, "test": 37},
        "model": {"hidden": (13, 7)} | (model or {}),
        "train": {"batch_size": 32, "epochs": 2} | train,
    }
    return make_trial(TrialSettings.model_validate(settings), seed, phase)


def train(trials: Sequence[Trial], arrays: Arrays) -> list[TrialRecord]:
    return train_stack(trials, arrays, "cpu", lambda epoch: None)


def numbers(record: TrialRecord) -> dict[str, Any]:
    return record.model_dump(exclude={*CLOCK_FIELDS, "stack_trials"})


@pytest.mark.parametrize(("phase", "is_tested"), [("tune", False), ("final", True)])
def test_validation_is_recorded_in_both_phases_and_test_figures_in_the_final_one_only(
    phase: Phase, is_tested: bool, digits: Arrays
) -> None:
    (record,) = train([trial(phase)], digits)
    assert (record.phase, record.outcome) == (phase, "done")
    assert len(record.curves.validation_correct_count) == len(record.curves.validation_loss) == 2
    assert (record.test_correct_count is not None) == is_tested
    assert (record.test_loss is not None) == is_tested
    assert bool(record.test_is_correct) == is_tested
    assert bool(record.test_prediction_counts) == is_tested


def test_a_tuning_trial_that_diverges_has_no_test_figures_either(digits: Arrays) -> None:
    wild = trial(model={"activation": "identity", "output": "identity"}, optimizer="sgd", loss="mse", lr=1e9, epochs=4)
    calm = trial(model={"activation": "tanh"}, optimizer="sgd", epochs=4)
    for record, outcome in zip(train([wild, calm], digits), ("diverged", "done"), strict=True):
        assert record.outcome == outcome
        assert (record.test_correct_count, record.test_loss) == (None, None)
        assert (record.test_is_correct, record.test_prediction_counts) == ("", ())
    assert numbers(train([calm], digits)[0]) == numbers(train([wild, calm], digits)[1])


def test_a_tuning_trial_has_the_same_bits_whatever_the_test_images_are(digits: Arrays) -> None:
    others = replace(digits, test_inputs=255 - digits.test_inputs, test_labels=(digits.test_labels + 1) % 10)
    assert not np.array_equal(others.test_inputs, digits.test_inputs)
    (tuning, final), (tuning_blind, final_blind) = (
        [train([trial(phase)], arrays)[0] for phase in ("tune", "final")] for arrays in (digits, others)
    )
    assert numbers(tuning) == numbers(tuning_blind)
    assert final.test_loss != final_blind.test_loss


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("hidden", [(16, 8), (13, 7)], ids=str)
def test_a_tuning_trial_has_the_same_bits_alone_and_beside_other_rates(
    hidden: tuple[int, ...], optimizer: str, digits: Arrays
) -> None:
    trials = [
        trial(seed=seed, model={"hidden": hidden, "activation": name}, optimizer=optimizer, lr=lr, weight_decay=decay)
        for seed in (0, 1)
        for name in ("relu", "tanh")
        for lr, decay in zip(RATES, (0.0, 1e-3, 0.0), strict=True)
    ]
    together = train(trials, digits)
    assert len({record.curves.validation_loss for record in together}) == len(trials)
    for one, stacked in zip(trials, together, strict=True):
        assert numbers(train([one], digits)[0]) == numbers(stacked)


def test_a_rate_that_extends_the_grid_has_the_bits_that_it_would_have_had_in_it(digits: Arrays) -> None:
    grid = [trial(seed=seed, lr=lr, model={"dropout": 0.2}) for seed in (0, 1) for lr in RATES]
    first, extension = [one for one in grid if one.settings.train.lr < 0.05], [grid[2], grid[5]]
    assert len(first) + len(extension) == len(grid)
    in_stages = {record.trial: numbers(record) for stage in (first, extension) for record in train(stage, digits)}
    assert in_stages == {record.trial: numbers(record) for record in train(grid, digits)}


def test_a_tuning_trial_is_another_training_than_the_final_one_of_its_seed(digits: Arrays) -> None:
    curves = [train([trial(phase, seed)], digits)[0].curves for phase in ("tune", "final") for seed in (0, 1)]
    assert len({one.train_loss for one in curves}) == len({one.validation_loss for one in curves}) == 4


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("is_timed", [False, True])
def test_tuning_and_final_trials_never_share_a_stack(workers: int, is_timed: bool) -> None:
    trials = [
        trial(phase, seed, lr=lr)
        for seed in (0, 1, 2)
        for lr in RATES
        for phase in (("tune", "final") if seed % 2 else ("final", "tune"))
    ]
    stacks = make_stacks(trials, workers=workers, is_timed=is_timed)
    assert all(len({one.phase for one in stack}) == 1 for stack in stacks)
    assert Counter(one.id for stack in stacks for one in stack) == Counter(one.id for one in trials)
    assert not is_timed or {len(stack) for stack in stacks} == {1}
    if workers == 1 and not is_timed:
        assert sorted(len(stack) for stack in stacks) == [9, 9]


def test_real_trainings_lead_to_the_rate_with_the_best_validation_accuracy_of_all_that_were_tried(
    tmp_path: Path, digits: Arrays
) -> None:
    experiment = experiment_from(
        "data: {train: 150, test: 37}\nmodel: {hidden: [8]}\ntrain: {epochs: 2, batch_size: 32}\nseeds: 1\n"
        "vary: {model.activation: [relu, tanh]}\ntune: {train.lr: [1e-4, 1e-3]}\ntuning_seeds: 2\n",
        tmp_path,
    )
    records: dict[str, TrialRecord] = {}
    while not (plan := make_plan(experiment, records)).is_tuned():
        missing = [one for key, one in plan.trials().items() if key not in records]
        (stack,) = make_stacks(missing)
        records |= {record.trial: record for record in train(stack, digits)}
    for arm, (final,) in plan.arms:
        right: Counter[float] = Counter()
        for record in records.values():
            if record.settings.model.activation == arm.settings.model.activation:
                right[record.settings.train.lr] += record.curves.validation_correct_count[-1]
        assert len(right) > 2
        best = min(rate for rate, count in right.items() if count == max(right.values()))
        assert arm.tuned == (("train.lr", best),)
        assert final.settings.train.lr == best
