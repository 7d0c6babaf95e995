"""Zeros of increasing functions."""

from __future__ import annotations

import math

import pytest

from actbench.statistics.power import increasing_root


def test_a_root_is_exact_to_the_last_bits() -> None:
    assert increasing_root(lambda x: x * x - 2, 0, 2) == pytest.approx(math.sqrt(2), rel=1e-15)
    assert increasing_root(lambda x: x - 0.3, 0, 1e9) == 0.3
    assert increasing_root(lambda x: x, 0, 1) == pytest.approx(0, abs=1e-300)
