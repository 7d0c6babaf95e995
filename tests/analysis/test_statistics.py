"""Intervals and tests of paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from actbench.analysis.statistics import estimate, holm, probability_better, sign_flip_p


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


def test_equal_pairs_give_p_one() -> None:
    assert sign_flip_p([5, 6, 7], [5, 6, 7]) == 1.0
    assert sign_flip_p([], []) is None


def test_many_pairs_are_resampled_with_a_fixed_seed() -> None:
    first = list(np.random.default_rng(2).normal(0.5, 1, 25))
    assert sign_flip_p(first, [0.0] * 25) == sign_flip_p(first, [0.0] * 25)
    t_test = stats.ttest_1samp(first, 0).pvalue
    assert sign_flip_p(first, [0.0] * 25) == pytest.approx(t_test, abs=0.02)


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
