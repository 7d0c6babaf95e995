"""Effects, mean ranks and profiles over several experiments."""

from __future__ import annotations

import numpy as np
import pytest

from actbench.statistics.across import critical_difference, mean_ranks, performance_profile, rank_groups, sd_between
from actbench.statistics.intervals import estimate


def test_with_equal_errors_the_variance_between_experiments_is_what_they_leave_of_all() -> None:
    effects = [0.1, 0.3, 0.2, 0.5, 0.0]
    assert sd_between(effects, [0.05] * 5) ** 2 == pytest.approx(np.var(effects, ddof=1) - 0.05**2)


def test_the_sd_between_experiments_is_what_their_own_errors_leave() -> None:
    assert sd_between([1.0, 1.1, 5.0], [1.0, 1.0, 100.0]) == 0.0
    assert sd_between([1.0, 1.1, 5.0], [0.01, 0.01, 0.01]) == pytest.approx(2.281, abs=0.001)
    assert sd_between([0.01, 0.02, 0.06], [0.0, 0.001, 0.002]) == pytest.approx(np.std([0.01, 0.02, 0.06], ddof=1))
    with pytest.raises(ValueError, match="at least two"):
        sd_between([1.0], [0.1])


def test_the_interval_holds_the_true_mean_in_95_percent_of_experiments() -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        errors = random.uniform(0.02, 0.3, 8)
        effects = 0.2 + random.normal(0, 0.1, 8) + random.normal(0, errors)
        low, high = estimate(effects.tolist()).interval or (0.0, 0.0)
        held += low <= 0.2 <= high
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(("arms", "q"), [(2, 1.960), (4, 2.569), (8, 3.031), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_published_table(arms: int, q: float) -> None:
    assert critical_difference(arms, 12) == pytest.approx(q * np.sqrt(arms * (arms + 1) / 72), abs=0.001)


def test_groups_are_the_longest_runs_of_ranks_within_the_critical_difference() -> None:
    assert rank_groups([1.0, 1.5, 2.4, 4.0], 1.0) == ((0, 1), (1, 2), (3, 3))
    assert rank_groups([1.0, 1.5, 2.4, 4.0], 5.0) == ((0, 3),)
    assert rank_groups([1.0, 2.0], 1.0) == ((0, 0), (1, 1))


def test_ranks_and_profiles_of_a_small_table() -> None:
    scores = [[0.90, 0.95, 0.95], [0.80, 0.85, 0.70]]
    assert mean_ranks(scores, larger_is_better=True) == [2.5, 1.25, 2.25]
    assert mean_ranks(scores, larger_is_better=False) == [1.5, 2.75, 1.75]
    assert performance_profile(scores, [0.0, 0.05], larger_is_better=True) == [[0, 1], [1, 1], [0.5, 0.5]]


def test_an_arm_that_is_exactly_a_distance_behind_is_within_it() -> None:
    scores = [[0.979, 0.978], [0.901, 0.9]]
    assert all(best - other > 0.001 for best, other in scores)  # by rounding alone
    assert performance_profile(scores, [0.0, 0.001], larger_is_better=True)[1] == [0.0, 1.0]
