"""Intervals and tests of paired differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from actbench.statistics.inference import (
    estimate,
    holm,
    is_equivalent,
    predicted_sd,
    probability_better,
    probability_better_interval,
    sign_flip_p,
    smallest_p,
    unpaired_difference,
    unpaired_p,
    unpaired_probability_better,
)

SAMPLES = [
    np.random.default_rng(seed).normal(9800, 10, (2, n)).round() for seed, n in enumerate((2, 5, 6, 9, 12, 13, 15))
]


def test_the_interval_is_students_t() -> None:
    values = list(np.random.default_rng(1).normal(0.97, 0.001, 7))
    ours = estimate(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert ours.interval == pytest.approx((theirs.low, theirs.high))
    assert ours.sd == pytest.approx(np.std(values, ddof=1))
    assert ours.n == 7


def test_one_value_has_a_mean_and_no_interval() -> None:
    assert estimate([0.5]).interval is None
    assert estimate([0.5]).sd is None
    assert estimate([0.5]).mean == 0.5
    assert estimate([]).mean is None


@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (2, 0.5), (5, 0.0625), (6, 0.03125), (10, 0.001953125)])
def test_winning_every_pair_gives_the_smallest_p_that_n_pairs_allow(n: int, p: float) -> None:
    assert sign_flip_p([10 + i for i in range(n)], [0] * n) == pytest.approx(p)


def test_the_sign_flip_p_counts_sign_patterns_at_least_as_extreme() -> None:
    differences = [3, -1, 2, 5, -2, 4]
    flips = (np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1).T * differences).mean(axis=1)
    expected = np.mean(np.abs(flips) >= abs(np.mean(differences)) - 1e-12)
    assert sign_flip_p(differences, [0] * 6) == pytest.approx(expected)


@pytest.mark.parametrize("sample", SAMPLES, ids=len)
@pytest.mark.parametrize("unit", [1.0, 1e5, 1e-4])
def test_the_sign_flip_p_is_that_of_scipy(sample: np.ndarray, unit: float) -> None:
    first, second = sample * 1e5  # scipy splits no ties of integers
    theirs = stats.permutation_test(
        (first, second), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", n_resamples=2**15
    )
    assert sign_flip_p(list(sample[0] * unit), list(sample[1] * unit)) == pytest.approx(theirs.pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [16, 25, 39, 40])
def test_the_sign_flip_p_of_many_pairs_is_exact_too(n: int) -> None:
    assert sign_flip_p([1.0] * n, [0.0] * n) == 2 / 2**n
    wins = n // 2 + 4  # with equal differences it is the sign test
    differences = [1.0] * wins + [-1.0] * (n - wins)
    assert sign_flip_p(differences, [0.0] * n) == pytest.approx(stats.binomtest(wins, n).pvalue)


def test_the_order_of_the_pairs_changes_no_p() -> None:
    first, second = np.random.default_rng(5).normal(9800, 10, (2, 30)).round()
    assert sign_flip_p(list(first), list(second)) == sign_flip_p(list(first[::-1]), list(second[::-1]))
    assert sign_flip_p(list(first), list(second)) == sign_flip_p(list(second), list(first))


def test_equal_pairs_give_p_one() -> None:
    assert sign_flip_p([5, 6, 7], [5, 6, 7]) == 1.0
    assert sign_flip_p([5, 6, 7], [6, 5, 7]) == 1.0
    assert sign_flip_p([], []) is None


def test_many_pairs_are_resampled_with_a_fixed_seed() -> None:
    first = list(np.random.default_rng(2).normal(0.2, 1, 50))
    assert sign_flip_p(first, [0.0] * 50) == sign_flip_p(first, [0.0] * 50)
    t_test = stats.ttest_1samp(first, 0).pvalue
    assert sign_flip_p(first, [0.0] * 50) == pytest.approx(t_test, abs=0.02)


def test_holm_agrees_with_statsmodels_in_any_order() -> None:
    p_values = list(np.random.default_rng(3).uniform(0, 0.2, 9))
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    assert holm(p_values[::-1]) == pytest.approx(holm(p_values)[::-1])
    assert holm([0.001953125] * 8) == pytest.approx([0.015625] * 8)
    assert holm([]) == []


def test_a_tie_counts_half_a_win() -> None:
    assert probability_better([1, 2, 3, 4], [0, 2, 4, 0], larger_is_better=True) == pytest.approx(0.625)
    assert probability_better([1, 2, 3, 4], [0, 2, 4, 0], larger_is_better=False) == pytest.approx(0.375)


def test_equal_arms_are_rarely_called_different() -> None:
    rng = np.random.default_rng(4)
    draws = rng.normal(9800, 10, (200, 2, 8)).round()
    small = [p for a, b in draws if (p := sign_flip_p(list(a), list(b))) is not None and p < 0.05]
    assert len(small) / 200 <= 0.08


@pytest.mark.parametrize(
    ("pairs", "comparisons", "p"),
    [(1, 1, 1.0), (0, 1, 1.0), (5, 1, 0.0625), (6, 1, 0.03125), (10, 8, 0.015625), (3, 8, 1.0), (60, 1, 2e-5)],
)
def test_so_many_pairs_and_comparisons_reach_no_smaller_p(pairs: int, comparisons: int, p: float) -> None:
    assert smallest_p(pairs, comparisons) == pytest.approx(p)
    if pairs > 1:
        assert holm([sign_flip_p([1.0] * pairs, [0.0] * pairs) or 0.0] * comparisons)[0] == pytest.approx(p)


@pytest.mark.parametrize(("accuracy", "points"), [(0.98, 0.100), (0.97, 0.122), (0.985, 0.087), (1.0, 0.0)])
def test_the_test_set_alone_predicts_this_sd_between_seeds(accuracy: float, points: float) -> None:
    assert 100 * predicted_sd(accuracy, 10_000) == pytest.approx(points, abs=0.0005)


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_the_interval_of_probability_better_is_the_bootstrap_of_pairs(larger_is_better: bool) -> None:
    first, second = np.random.default_rng(6).normal(9803, 3, (2, 25)).round()
    theirs = stats.bootstrap(
        (first, second),
        lambda x, y, axis: ((x > y) + (x == y) / 2 if larger_is_better else (x < y) + (x == y) / 2).mean(axis=axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    ours = probability_better_interval(list(first), list(second), larger_is_better=larger_is_better)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.021)  # one half win of 25 pairs
    assert ours == probability_better_interval(list(first), list(second), larger_is_better=larger_is_better)


def test_the_interval_of_probability_better_needs_two_pairs_and_has_no_width_where_one_arm_wins_all() -> None:
    assert probability_better_interval([1], [0], larger_is_better=True) is None
    assert probability_better_interval([], [], larger_is_better=True) is None
    assert probability_better_interval([1, 2, 3], [0, 0, 0], larger_is_better=True) == (1.0, 1.0)
    assert probability_better_interval([1, 2, 3], [0, 0, 0], larger_is_better=False) == (0.0, 0.0)
    assert probability_better_interval([1, 2, 3], [1, 2, 3], larger_is_better=True) == (0.5, 0.5)


@pytest.mark.parametrize("margin", [0.0005, 0.001, 0.002])
@pytest.mark.parametrize("mean", [-0.0015, -0.0004, 0.0, 0.0006])
def test_equivalence_is_two_one_sided_t_tests(mean: float, margin: float) -> None:
    differences = np.random.default_rng(7).normal(mean, 0.001, 12)
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert is_equivalent(list(differences), margin) == (max(above, below) < 0.05)


def test_one_difference_shows_no_equivalence() -> None:
    assert not is_equivalent([0.0], 0.001)
    assert not is_equivalent([], 0.001)
    assert is_equivalent([0.0, 0.0], 0.001)
    assert not is_equivalent([0.002, 0.002], 0.001)


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
    assert unpaired_difference([3, 3], [1, 1, 1]).interval == (2.0, 2.0)
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
        numbers.append(probability_better(first, second, larger_is_better=larger_is_better))
        numbers += probability_better_interval(first, second, larger_is_better=larger_is_better) or (None,)
    assert all(number is not None and np.isfinite(number) for number in numbers)
