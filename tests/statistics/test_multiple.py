"""Adjusted p-values, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from actbench.statistics.multiple import ALPHA, holm, holm_levels
from stopwatch import least_seconds


def test_holm_agrees_with_statsmodels_in_any_order() -> None:
    from statsmodels.stats.multitest import multipletests

    p_values = list(np.random.default_rng(3).uniform(0, 0.2, 9))
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    assert holm(p_values[::-1]) == pytest.approx(holm(p_values)[::-1])
    assert holm([0.001953125] * 8) == pytest.approx([0.015625] * 8)
    assert holm([]) == []


def test_every_p_has_the_level_of_the_step_that_decides_it() -> None:
    assert holm_levels([0.001, 0.5, 0.02, 0.011]) == pytest.approx([ALPHA / 4, ALPHA, ALPHA / 2, ALPHA / 3])
    assert holm_levels([0.03, 0.02, 0.9]) == pytest.approx([ALPHA / 3] * 3)  # the method stops at its first step
    assert holm_levels([ALPHA / 2, 0.9]) == pytest.approx([ALPHA / 2] * 2)  # of which none is below its level
    assert holm_levels([0.01, 0.01]) == pytest.approx([ALPHA / 2] * 2)
    assert holm_levels([]) == []
    for p_values in np.random.default_rng(5).uniform(0, 0.1, (200, 6)):
        for p, adjusted, level in zip(p_values, holm(list(p_values)), holm_levels(list(p_values)), strict=True):
            assert (adjusted < ALPHA) <= (p < level)


def test_ten_times_as_many_p_values_take_about_ten_times_as_long() -> None:
    few, many = (list(np.random.default_rng(7).uniform(0, 1, count)) for count in (2_000, 20_000))
    assert least_seconds(lambda: holm_levels(many)) < 30 * least_seconds(lambda: holm_levels(few))
