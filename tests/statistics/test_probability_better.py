"""P(better) and its interval."""

from __future__ import annotations

import pytest
from scipy import stats

from actbench.statistics.intervals import probability_better


def test_a_tie_counts_half_a_win() -> None:
    for larger_is_better, expected in ((True, 0.625), (False, 0.375)):
        wins = probability_better([1, 2, 3, 4], [0, 2, 4, 0], larger_is_better=larger_is_better)
        assert wins is not None
        assert wins[0] == expected


@pytest.mark.parametrize("n", [1, 2, 5, 10, 40])
def test_the_interval_is_wilsons_and_has_a_width_though_one_arm_wins_all(n: int) -> None:
    first, second = list(range(1, n + 1)), [0] * n
    low = stats.binomtest(n, n).proportion_ci(method="wilson").low
    assert low == pytest.approx(n / (n + 1.959964**2))
    all_won = probability_better(first, second, larger_is_better=True)
    none_won = probability_better(first, second, larger_is_better=False)
    assert all_won is not None
    assert none_won is not None
    assert (all_won[0], *all_won[1]) == pytest.approx((1, low, 1))
    assert (none_won[0], *none_won[1]) == pytest.approx((0, 0, 1 - low))


def test_without_pairs_there_is_none_and_ties_alone_are_a_half() -> None:
    assert probability_better([], [], larger_is_better=True) is None
    level = probability_better([1, 2, 3], [1, 2, 3], larger_is_better=True)
    assert level is not None
    assert (level[0], *level[1]) == pytest.approx((0.5, 0.1253, 0.8747), abs=5e-5)


@pytest.mark.parametrize("n", [5, 10, 20])
@pytest.mark.parametrize("chance", [0.5, 0.76, 0.95])
def test_the_interval_holds_the_true_probability_in_about_95_of_100_experiments(n: int, chance: float) -> None:
    held = 0.0
    for wins in range(n + 1):
        won = probability_better([1] * wins + [0] * (n - wins), [0] * wins + [1] * (n - wins), larger_is_better=True)
        assert won is not None
        held += stats.binom.pmf(wins, n, chance) * (won[1][0] <= chance <= won[1][1])
    assert 0.91 <= held <= 0.99
