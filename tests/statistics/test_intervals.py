"""Intervals of means and proportions, against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from actbench.statistics.intervals import (
    decide,
    estimate,
    estimates,
    exact_binomial_interval,
    is_equivalent,
    predicted_sd,
    wilson_interval,
)

pytestmark = pytest.mark.oldest


def test_the_interval_is_students_t() -> None:
    values = list(np.random.default_rng(1).normal(0.97, 0.001, 7))
    ours = estimate(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert ours.interval == pytest.approx((theirs.low, theirs.high))
    assert ours.sd == pytest.approx(np.std(values, ddof=1))
    assert ours.n == 7


def test_one_value_has_a_mean_and_two_have_no_interval() -> None:
    assert estimate([0.5]).interval is None
    assert estimate([0.5]).sd is None
    assert estimate([0.5]).mean == 0.5
    assert estimate([0.5, 0.6]).interval is None
    assert estimate([0.5, 0.6]).sd is not None
    assert estimate([]).mean is None


def test_many_samples_at_once_have_the_bits_of_each_alone_and_of_numpy() -> None:
    random = np.random.default_rng(3)
    samples = [list(random.normal(0.97, 0.001, n)) for n in (0, 1, 2, 3, 7, 8, 10, 17, 130, 300) for _ in range(20)]
    samples += [[0.1] * n for n in range(12)]
    for values, found in zip(samples, estimates(samples, 0.9), strict=True):
        assert found == estimate(values, 0.9)
        if len(set(values)) > 1:
            assert (found.mean, found.sd) == (np.mean(values), np.std(values, ddof=1))
        assert found.interval == estimate(values).interval_of(0.9)


@pytest.mark.parametrize(("accuracy", "points"), [(0.98, 0.100), (0.97, 0.122), (0.985, 0.087), (1.0, 0.0)])
def test_the_test_set_alone_predicts_this_sd_between_seeds(accuracy: float, points: float) -> None:
    assert 100 * predicted_sd(accuracy, 10_000) == pytest.approx(points, abs=0.0005)


@pytest.mark.parametrize("margin", [0.0005, 0.001, 0.002])
@pytest.mark.parametrize("mean", [-0.0015, -0.0004, 0.0, 0.0006])
def test_equivalence_is_two_one_sided_t_tests(mean: float, margin: float) -> None:
    differences = np.random.default_rng(7).normal(mean, 0.001, 12)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert is_equivalent(estimate(list(differences)), margin) == (max(above, below) < 0.05)


def test_one_difference_shows_no_equivalence() -> None:
    assert not is_equivalent(estimate([0.0]), 0.001)
    assert not is_equivalent(estimate([]), 0.001)
    assert is_equivalent(estimate([0.0, 0.0]), 0.001)
    assert not is_equivalent(estimate([0.002, 0.002]), 0.001)
    assert not is_equivalent(estimate([0.001, 0.001]), 0.001)


@pytest.mark.parametrize("trials", [1, 2, 5, 64])
def test_the_intervals_of_a_proportion_are_scipys(trials: int) -> None:
    for successes in range(trials + 1):
        theirs = stats.binomtest(successes, trials)
        for interval, method in ((wilson_interval, "wilson"), (exact_binomial_interval, "exact")):
            expected = theirs.proportion_ci(method=method)
            assert interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("trials", [3, 6, 7])
def test_a_proportion_of_none_or_all_has_an_interval_that_ends_exactly_there(trials: int) -> None:
    assert wilson_interval(0, trials)[0] == 0
    assert wilson_interval(trials, trials)[1] == 1


def test_wilsons_interval_of_halves_lies_between_those_of_whole_successes() -> None:
    low, high = zip(*(wilson_interval(successes / 2, 10) for successes in range(21)), strict=True)
    assert list(low) == sorted(low)
    assert list(high) == sorted(high)
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=5e-5)


@pytest.mark.parametrize("bounds", [(0.3, math.inf), (0.0, 0.3)])
def test_a_bound_that_rounding_alone_leaves_behind_is_not_passed(bounds: tuple[float, float]) -> None:
    assert 0.1 + 0.2 > 0.3
    assert decide((0.1 + 0.2, 0.5), *bounds) == "undecided"
