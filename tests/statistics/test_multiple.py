"""Adjusted p-values, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from actbench.statistics.multiple import holm


def test_holm_agrees_with_statsmodels_in_any_order() -> None:
    p_values = list(np.random.default_rng(3).uniform(0, 0.2, 9))
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))
    assert holm(p_values[::-1]) == pytest.approx(holm(p_values)[::-1])
    assert holm([0.001953125] * 8) == pytest.approx([0.015625] * 8)
    assert holm([]) == []
