"""Seeds and detectable differences, against the protocol's tables and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from actbench.statistics.power import detectable_difference, fewest_seeds, sd_of_difference, seeds_needed

pytestmark = pytest.mark.oldest


@pytest.mark.parametrize(
    ("sd", "points", "seeds"),
    [
        (0.10, 0.20, [7, 11]),
        (0.10, 0.10, [18, 30]),
        (0.10, 0.05, [65, 107]),
        (0.08, 0.10, [13, 21]),
        (0.12, 0.10, [25, 41]),
        (0.15, 0.10, [38, 62]),
    ],
)
def test_the_protocols_numbers_of_seeds_come_out(sd: float, points: float, seeds: list[int]) -> None:
    assert [seeds_needed(points, sd_of_difference(sd), comparisons=count) for count in (1, 8)] == seeds


@pytest.mark.parametrize(
    ("seeds", "alone", "of_eight"),
    [(3, 0.46, 1.31), (5, 0.24, 0.42), (10, 0.14, 0.20), (20, 0.09, 0.13), (30, 0.07, 0.10), (50, 0.06, 0.07)],
)
def test_the_protocols_smallest_differences_come_out(seeds: int, alone: float, of_eight: float) -> None:
    sd = sd_of_difference(0.10)
    assert detectable_difference(seeds, sd) == pytest.approx(alone, abs=0.005)
    assert detectable_difference(seeds, sd, comparisons=8) == pytest.approx(of_eight, abs=0.005)


@pytest.mark.parametrize("seeds", [3, 7, 20, 300])
@pytest.mark.parametrize("comparisons", [1, 8])
def test_the_power_is_that_of_statsmodels(seeds: int, comparisons: int) -> None:
    from statsmodels.stats.power import TTestPower

    found = detectable_difference(seeds, 1.0, comparisons=comparisons)
    assert found is not None
    near = found * (1 + 1e-7 * np.linspace(-1, 1, 21))  # some are gaps of statsmodels: not a number
    theirs = [TTestPower().power(effect, seeds, 0.05 / comparisons) for effect in near]
    assert np.nanmedian(theirs) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("comparisons", [1, 8, 1000, 1_000_000])
def test_more_seeds_detect_less_from_two_to_ten_thousand(comparisons: int) -> None:
    found = [detectable_difference(n, 1.0, comparisons=comparisons) or 0.0 for n in (2, 3, 4, 10, 100, 1000, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx((stats.norm.isf(0.025 / comparisons) + stats.norm.ppf(0.8)) / 100, rel=0.01)


@pytest.mark.parametrize("seeds", [10, 18, 200])
def test_the_smallest_difference_needs_just_these_seeds(seeds: int) -> None:
    found = detectable_difference(seeds, 0.2) or 0.0
    assert seeds_needed(found * 1.0001, 0.2) == seeds
    assert seeds_needed(-found * 1.0001, 0.2) == seeds
    assert seeds_needed(found * 0.999, 0.2) == seeds + 1


def test_however_large_a_difference_the_sign_flip_test_needs_its_seeds() -> None:
    assert [fewest_seeds(comparisons) for comparisons in (1, 8, 25, 28)] == [6, 9, 10, 11]
    found = [fewest_seeds(comparisons, is_paired=False) for comparisons in (1, 3, 8)]
    assert found == [4, 5, 6]  # 2 / C(8, 4) = 0.029, 3 x 2 / C(10, 5) = 0.024 and 8 x 2 / C(12, 6) = 0.017
    assert seeds_needed(100.0, 0.1) == seeds_needed(1.0, 0.0) == 6
    assert seeds_needed(100.0, 0.1, comparisons=8) == 9


def test_edges() -> None:
    assert detectable_difference(1, 0.1) is None
    assert detectable_difference(5, 0.0) == 0.0
    assert seeds_needed(1e-6, 1.0) == pytest.approx(7.849e12, rel=1e-3)
    with pytest.raises(ValueError, match="difference of 0"):
        seeds_needed(0.0, 0.1)
