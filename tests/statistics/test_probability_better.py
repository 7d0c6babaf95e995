"""P(better) and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from actbench.statistics.probability_better import probability_better, probability_better_interval


def test_a_tie_counts_half_a_win() -> None:
    assert probability_better([1, 2, 3, 4], [0, 2, 4, 0], larger_is_better=True) == pytest.approx(0.625)
    assert probability_better([1, 2, 3, 4], [0, 2, 4, 0], larger_is_better=False) == pytest.approx(0.375)


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
