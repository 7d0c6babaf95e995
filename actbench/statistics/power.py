"""How many seeds a difference needs, and what difference the seeds at hand would show.

The test is the two-sided paired t test, Bonferroni over the comparisons; the sign-flip test has about its power. The
square of its noncentral t has a noncentral F distribution with 1 and n - 1 degrees of freedom, whose tail is both
sides of the t at once, and which scipy computes without gaps where its noncentral t has some.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache

from actbench.lazy import special
from actbench.statistics.multiple import ALPHA
from actbench.statistics.sign_flip import smallest_p
from actbench.statistics.unpaired import smallest_unpaired_p

POWER = 0.8
MIN_EFFECT = 1e-6
MAX_CRITICAL_T = 1e4


def sd_of_difference(sd: float) -> float:
    """The sd of differences between arms that each have this sd, and do not depend on each other."""
    return sd * math.sqrt(2)


def detectable_difference(seeds: int, sd_of_differences: float, *, comparisons: int = 1) -> float | None:
    """The smallest true difference that so many seeds show with a probability of 80 %; None below two seeds."""
    return None if seeds < 2 else _detectable_effect(seeds, comparisons) * sd_of_differences


@lru_cache
def _detectable_effect(seeds: int, comparisons: int) -> float:
    """In standard deviations of the differences, the same for thousands of arms."""
    return increasing_root(lambda effect: _power(seeds, effect, comparisons) - POWER, 0.0, MIN_EFFECT)


def shown_difference(
    seeds: int, sd_of_differences: float, *, comparisons: int = 1, is_paired: bool = True
) -> float | None:
    """The detectable difference, where the exact test of so many seeds can reach 5 % at all; else None."""
    if seeds < fewest_seeds(comparisons, is_paired=is_paired):
        return None
    return detectable_difference(seeds, sd_of_differences, comparisons=comparisons)


def seeds_needed(difference: float, sd_of_differences: float, *, comparisons: int = 1) -> int:
    """The fewest seeds that show this true difference with a probability of 80 %, of those that can show any at all.

    The sign-flip test needs smallest_p(seeds, comparisons) <= 5 %, however large the difference. Raises `ValueError`
    for a difference of 0, which no number of seeds shows.
    """
    if difference == 0:
        raise ValueError("no number of seeds shows a difference of 0")
    enough = fewest_seeds(comparisons)
    if sd_of_differences == 0:
        return enough
    effect = abs(difference) / sd_of_differences
    least = enough
    while _power(enough, effect, comparisons) < POWER:
        least, enough = enough + 1, 2 * enough
    return bisect_left(range(enough), POWER, lo=least, key=lambda seeds: _power(seeds, effect, comparisons))


def fewest_seeds(comparisons: int, alpha: float = ALPHA, *, is_paired: bool = True) -> int:
    """The fewest seeds with which the exact test, Holm over the comparisons, can reach p < alpha at all.

    It is the sign-flip test of pairs, or regroups two independent samples of so many seeds each.
    """
    tried = range(2, 1000)
    if is_paired:
        return next(seeds for seeds in tried if smallest_p(seeds, comparisons) < alpha)
    return next(seeds for seeds in tried if smallest_unpaired_p(seeds, seeds, comparisons) < alpha)


def _power(seeds: int, effect: float, comparisons: int) -> float:
    """P(reject) when the true mean difference is `effect` standard deviations of the differences."""
    freedom = seeds - 1
    critical = -special.stdtrit(freedom, ALPHA / comparisons / 2)
    noncentrality = seeds * effect**2
    if critical > MAX_CRITICAL_T:
        # Two seeds and very many comparisons: scipy's series fails here, and only the t's denominator still matters.
        return float(special.chdtr(freedom, freedom * noncentrality / critical**2))
    return 1 - float(special.ncfdtr(1, freedom, noncentrality, critical**2))


def increasing_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The zero of an increasing function above `low` by bisection, to the last bit; `high` is doubled until above it.

    scipy.optimize would find it in fewer steps, but takes as long to import as thousands of them.
    """
    while function(high) < 0:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return high
