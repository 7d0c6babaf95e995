"""Two independent samples, against scipy and counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from actbench.statistics.intervals import (
    estimate,
    probability_better,
)
from actbench.statistics.sign_flip import sign_flip_p
from actbench.statistics.unpaired import unpaired_difference, unpaired_p, unpaired_probability_better

SAMPLES = [
    np.random.default_rng(seed).normal(9800, 10, (2, n)).round() for seed, n in enumerate((2, 5, 6, 9, 12, 13, 15))
]


def test_the_unpaired_interval_is_welchs() -> None:
    first, second = SAMPLES[1][0], SAMPLES[4][1]
    ours, theirs = unpaired_difference(list(first), list(second)), stats.ttest_ind(first, second, equal_var=False)
    interval = theirs.confidence_interval()
    assert ours.interval == pytest.approx((interval.low, interval.high))
    assert ours.mean == pytest.approx(first.mean() - second.mean())
    assert ours.sd == pytest.approx(np.hypot(first.std(ddof=1), second.std(ddof=1)))
    assert ours.n == 5


def test_unpaired_samples_may_be_tiny_constant_or_empty() -> None:
    assert unpaired_difference([], [1, 2]).mean is None
    assert (unpaired_difference([3], [1, 2]).mean, unpaired_difference([3], [1, 2]).interval) == (1.5, None)
    assert unpaired_difference([3, 3], [1, 1, 1]).interval is None
    assert unpaired_difference([3, 3, 3], [1, 1, 1]).interval == (2.0, 2.0)
    assert unpaired_p([], [1]) is None
    assert unpaired_p([1], [1, 2]) is None
    assert unpaired_p([2, 2, 2], [2, 2, 2]) == 1.0
    assert unpaired_probability_better([], [1], larger_is_better=True) is None
    assert unpaired_probability_better([2, 2], [2, 2, 2], larger_is_better=True) == 0.5


def test_the_unpaired_p_counts_regroupings() -> None:
    assert unpaired_p([11, 12, 13, 14, 15], [1, 2, 3, 4, 5]) == pytest.approx(2 / 252)
    first, second = SAMPLES[1][0], SAMPLES[2][1]
    both = [*first, *second]
    sums = [sum(some) for some in itertools.combinations(both, len(first))]
    expected = 2 * min(np.mean(np.asarray(sums) >= sum(first)), np.mean(np.asarray(sums) <= sum(first)))
    assert 0.01 < expected < 1
    assert unpaired_p(list(first), list(second)) == pytest.approx(expected)
    assert unpaired_p(list(second), list(first)) == pytest.approx(expected)


def test_the_unpaired_p_of_many_values_is_resampled_with_a_fixed_seed() -> None:
    first, second = (list(sample) for sample in np.random.default_rng(8).normal([[0.0], [0.5]], 1, (2, 20)))
    found = unpaired_p(first, second)
    assert found == unpaired_p(first, second) == pytest.approx(stats.ttest_ind(first, second).pvalue, abs=0.02)


def test_unpaired_ties_of_integers_are_ties() -> None:
    first, second = [980_100_000 + step for step in (0, 1, 2)], [980_100_000 + step for step in (1, 2, 3)]
    # The first has 3 above 3 * 980100000. Of the 20 ways to take three of 0 1 1 2 2 3, five have 3 or less.
    assert unpaired_p(first, second) == pytest.approx(2 * 5 / 20)


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_unpaired_probability_better_counts_all_cross_pairs(larger_is_better: bool) -> None:
    first, second = SAMPLES[1][0], SAMPLES[5][1]
    gaps = (first[:, None] - second) * (1 if larger_is_better else -1)
    expected = (gaps > 0).mean() + (gaps == 0).mean() / 2
    ours = unpaired_probability_better(list(first), list(second), larger_is_better=larger_is_better)
    assert ours == pytest.approx(expected)


@pytest.mark.parametrize(
    "first", [[0.98] * 6, [0.981] * 6, [0.98, 0.981] * 3, [0.0] * 6, [1e30, 0.0, 0.0, 0.0, 0.0, 0.0]]
)
def test_constant_and_extreme_values_give_finite_numbers(first: list[float]) -> None:
    second = [0.98] * 6
    paired, unpaired = estimate([a - b for a, b in zip(first, second, strict=True)]), unpaired_difference(first, second)
    numbers = [sign_flip_p(first, second), unpaired_p(first, second)]
    for found in (paired, unpaired):
        numbers += [found.mean, found.sd, *(found.interval or (None,))]
    for larger_is_better in (True, False):
        numbers.append(unpaired_probability_better(first, second, larger_is_better=larger_is_better))
        wins = probability_better(first, second, larger_is_better=larger_is_better)
        assert wins is not None
        numbers += [wins[0], *wins[1]]
    assert all(number is not None and np.isfinite(number) for number in numbers)
