"""Learning curves by seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.experiment.records import Curves, Trial, TrialRecord
from actbench.report.figures.curves import ranked_curves, thinned_epochs
from actbench.statistics.intervals import estimate
from builders import TWO_ACTIVATIONS, record_of
from drawn import comparison_of, results_from

PARTLY = """
name: made-up
model: {hidden: [4]}
data: {validation: 0}
train: {epochs: 3}
seeds: 3
"""


def rising(trial: Trial) -> TrialRecord:
    images = trial.settings.data.validation_count()
    right = tuple(round(images * share) for share in (0.5, 0.6 + 0.05 * trial.seed, 0.7 + 0.1 * trial.seed))
    reached = 2 if trial.seed == 2 else 3
    curves = Curves(
        train_loss=(1.0,) * reached,
        train_correct_count=(100,) * reached,
        validation_loss=(1.0,) * reached,
        validation_correct_count=right[:reached],
    )
    return record_of(trial, outcome="diverged" if reached == 2 else "done", curves=curves)


def test_means_and_bands_are_over_the_trials_that_reached_an_epoch(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path, rising)
    one = ranked_curves(results, comparison_of(results))[0]
    assert one.part == "validation"
    assert sorted(map(len, one.seeds)) == [2, 3, 3]
    for epoch in (1, 2, 3):
        expected = estimate([seed[epoch - 1] for seed in one.seeds if len(seed) >= epoch])
        assert one.mean(epoch) == pytest.approx(expected.mean)
        low, high = expected.interval or (one.mean(epoch), one.mean(epoch))
        assert one.band(epoch) == pytest.approx((max(low, 0), min(high, 1)))


def test_one_seed_has_no_band_and_no_validation_images_mean_training_accuracy(tmp_path: Path) -> None:
    results = results_from(PARTLY.replace("seeds: 3", "seeds: 1"), tmp_path)
    (one,) = ranked_curves(results, comparison_of(results))
    assert one.part == "train"
    assert one.band(1) == (one.mean(1), one.mean(1))
    assert not one.is_baseline


def test_the_baseline_is_known_and_the_best_arm_comes_first(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path)
    curves = ranked_curves(results, comparison_of(results))
    assert {arm.label: arm.is_baseline for arm in curves} == {"relu": True, "tanh": False}
    assert curves[0].mean(len(curves[0].means)) >= curves[1].mean(len(curves[1].means))


def test_arms_that_were_never_trained_have_no_curve(tmp_path: Path) -> None:
    def failed(trial: Trial) -> TrialRecord:
        return record_of(trial, outcome="failed", curves=Curves())

    results = results_from(TWO_ACTIVATIONS, tmp_path, failed)
    assert ranked_curves(results, comparison_of(results)) == []


@pytest.mark.parametrize("last", [1, 2, 49, 50, 51, 200, 201, 10_000, 1_000_000])
@pytest.mark.parametrize("most", [50, 200])
def test_thinned_epochs_are_few_and_go_from_the_first_to_the_last(last: int, most: int) -> None:
    epochs = thinned_epochs(last, most)
    assert epochs == sorted(set(epochs))
    assert len(epochs) <= most
    assert (epochs[0], epochs[-1]) == (1, last)
    if last <= most:
        assert len(epochs) == last
