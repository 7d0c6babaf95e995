"""Two independent samples, for arms whose data differ, so that their seeds share nothing and cannot be paired."""

from __future__ import annotations

import math
from collections.abc import Sequence

from actbench.lazy import stats
from actbench.statistics.intervals import CONFIDENCE, MIN_SEEDS, Estimate, estimate, t_interval
from actbench.statistics.sign_flip import permutation_p


def unpaired_difference(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Difference of the means of two independent samples with its interval of this confidence (Welch 1947).

    `n` is the smaller sample, `sd` that of a difference between single values, sqrt(sd1**2 + sd2**2).
    """
    a, b = estimate(first), estimate(second)
    n = min(a.n, b.n)
    if a.mean is None or b.mean is None:
        return Estimate(n, None, None, None)
    mean = a.mean - b.mean
    if a.sd is None or b.sd is None:
        return Estimate(n, mean, None, None)
    parts = a.sd**2 / a.n, b.sd**2 / b.n
    scatter = sum(part**2 / (sample.n - 1) for part, sample in zip(parts, (a, b), strict=True))
    freedom = sum(parts) ** 2 / scatter if scatter else n - 1
    sd = math.hypot(a.sd, b.sd)
    if n < MIN_SEEDS:
        return Estimate(n, mean, sd, None)
    return Estimate(n, mean, sd, t_interval(mean, math.sqrt(sum(parts)), freedom, confidence))


def unpaired_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided permutation p of the difference of means (Fisher 1935); exact up to 9 values against 9."""
    if min(len(first), len(second)) < 2:
        return None
    # The total is fixed, so the sum orders regroupings as the difference of means does, and is exact on integers.
    return permutation_p(first, second, "independent", lambda x, _, axis: x.sum(axis=axis))


def smallest_unpaired_p(first: int, second: int, comparisons: int) -> float:
    """The least adjusted p that regroupings of so many values can give: min(1, comparisons * 2 / C(n + m, n))."""
    return min(1.0, comparisons * 2 / math.comb(first + second, first))


def unpaired_probability_better(
    first: Sequence[float], second: Sequence[float], *, larger_is_better: bool
) -> float | None:
    """Share of all cross pairs in which the first wins, a tie counting half: U / (n m) (Mann & Whitney 1947)."""
    if not first or not second:
        return None
    above = float(stats.mannwhitneyu(first, second, method="asymptotic").statistic) / (len(first) * len(second))
    return above if larger_is_better else 1 - above
