"""Intervals and tests of differences between arms, paired by seed as the protocol asks, and unpaired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from scipy import special, stats
else:
    np, special, stats = LazyModule("numpy"), LazyModule("scipy.special"), LazyModule("scipy.stats")

ALPHA = 0.05
CONFIDENCE = 0.95
EXACT_UP_TO = 40
MAX_COUNTED = 50_000_000
MONTE_CARLO_RESAMPLES = 99_999
BOOTSTRAP_RESAMPLES = 9_999
RESAMPLES_AT_ONCE = 10_000
ROUNDING = 1e-14
MAX_REMEMBERED = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard deviation (n - 1) and Student t interval; None where n is too small."""

    n: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and 95 % t interval; one value has a mean only."""
    if not values:
        return Estimate(0, None, None, None)
    array = np.asarray(values, dtype=float)
    are_equal = bool((array == array[0]).all())
    mean = float(array[0]) if are_equal else float(array.mean())
    if len(array) < 2:
        return Estimate(1, mean, None, None)
    sd = 0.0 if are_equal else float(array.std(ddof=1))
    return Estimate(len(array), mean, sd, _t_interval(mean, sd / math.sqrt(len(array)), len(array) - 1, CONFIDENCE))


def predicted_sd(accuracy: float, images: int) -> float:
    """The sd between seeds that a finite test set alone causes: sqrt(error / (2 images)) (Jordan, arXiv 2304.01910)."""
    return math.sqrt(max(0.0, 1 - accuracy) / (2 * images))


def is_equivalent(differences: Sequence[float], margin: float) -> bool:
    """Two one-sided t tests at 5 % (Schuirmann 1987): the 90 % interval of the mean lies inside (-margin, margin)."""
    found = estimate(differences)
    if found.mean is None or found.sd is None:
        return False
    low, high = _t_interval(found.mean, found.sd / math.sqrt(found.n), found.n - 1, 1 - 2 * ALPHA)
    return -margin < low and high < margin


def sign_flip_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of the mean paired difference when signs are exchangeable (Fisher 1935).

    Exact for whole numbers, such as counts of images, and for up to 40 pairs of any; Monte Carlo otherwise. The
    smallest value that n pairs can give is 2 / 2**n. None without pairs.
    """
    if not first:
        return None
    if len(first) == 1 or list(first) == list(second):
        return 1.0
    sizes = _whole_sizes(np.asarray(first) - np.asarray(second))
    if sizes is not None:
        return _counted_sign_flip_p(*sizes)
    if len(first) <= EXACT_UP_TO:
        return _exact_sign_flip_p(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    result = stats.permutation_test(
        (np.asarray(first), np.asarray(second)),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=MONTE_CARLO_RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def _whole_sizes(differences: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int] | None:
    """Sizes of the differences and of their sum in units of their greatest common divisor; None where too many."""
    if not np.issubdtype(differences.dtype, np.integer):
        return None
    unit = max(1, int(np.gcd.reduce(differences)))
    sizes = np.abs(differences) // unit
    return (sizes, abs(int(differences.sum())) // unit) if len(sizes) * int(sizes.sum()) <= MAX_COUNTED else None


def _counted_sign_flip_p(sizes: np.ndarray[Any, Any], observed: int) -> float:
    """P(|sum of randomly signed sizes| >= observed), adding one size at a time (Streitberg & Roehmel 1986)."""
    total = int(sizes.sum())
    probability = np.zeros(total + 1)  # of each sum of the sizes whose sign is positive
    probability[0] = 1.0
    for size in sizes:
        shifted = np.concatenate((np.zeros(size), probability[: total + 1 - size]))
        probability = (probability + shifted) / 2
    sums = 2 * np.arange(total + 1) - total
    return min(1.0, float(probability[np.abs(sums) >= observed].sum()))


def smallest_p(pairs: int, comparisons: int) -> float:
    """The least Holm-adjusted p that sign flips can give when all of so many comparisons have so many pairs.

    It is min(1, comparisons * 2 / 2**pairs), and no less than rounding lets a Monte Carlo p be where the test is one.
    """
    alone = 2 / 2**pairs if pairs <= EXACT_UP_TO else 2 / (MONTE_CARLO_RESAMPLES + 1)
    return min(1.0, comparisons * alone)


def probability_better(first: Sequence[float], second: Sequence[float], *, larger_is_better: bool) -> float | None:
    """Share of pairs in which the first wins, a tie counting half; None without pairs."""
    if not first:
        return None
    wins, ties, _ = _wins_ties_losses(first, second, larger_is_better)
    return (wins + ties / 2) / len(first)


def probability_better_interval(
    first: Sequence[float], second: Sequence[float], *, larger_is_better: bool
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of (wins + ties / 2) / n over pairs (Efron 1979); None below two pairs.

    Pairs drawn with replacement have multinomial counts of wins, ties and losses, so the counts are drawn. Where one
    arm wins every pair, so does every resample: the interval then has no width, however few the pairs.
    """
    return None if len(first) < 2 else _bootstrap(*_wins_ties_losses(first, second, larger_is_better))


@lru_cache(maxsize=MAX_REMEMBERED)
def _bootstrap(wins: int, ties: int, losses: int) -> tuple[float, float]:
    n = wins + ties + losses
    drawn = np.random.default_rng(0).multinomial(n, np.asarray((wins, ties, losses)) / n, size=BOOTSTRAP_RESAMPLES)
    low, high = np.quantile((drawn[:, 0] + drawn[:, 1] / 2) / n, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def unpaired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Difference of the means of two independent samples with its 95 % interval (Welch 1947).

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
    scatter = sum(part**2 / (one.n - 1) for part, one in zip(parts, (a, b), strict=True))
    freedom = sum(parts) ** 2 / scatter if scatter else n - 1
    return Estimate(n, mean, math.hypot(a.sd, b.sd), _t_interval(mean, math.sqrt(sum(parts)), freedom, CONFIDENCE))


def unpaired_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided permutation p of the difference of means (Fisher 1935); exact up to 9 values against 9.

    None where a sample has fewer than two values.
    """
    if min(len(first), len(second)) < 2:
        return None
    result = stats.permutation_test(
        (np.asarray(first), np.asarray(second)),
        # The total is fixed, so the sum orders regroupings as the difference of means does, and is exact on integers.
        lambda x, _, axis: x.sum(axis=axis),
        permutation_type="independent",
        vectorized=True,
        n_resamples=MONTE_CARLO_RESAMPLES,
        batch=RESAMPLES_AT_ONCE,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def unpaired_probability_better(
    first: Sequence[float], second: Sequence[float], *, larger_is_better: bool
) -> float | None:
    """Share of all cross pairs in which the first wins, a tie counting half: U / (n m) (Mann and Whitney 1947)."""
    if not first or not second:
        return None
    above = float(stats.mannwhitneyu(first, second, method="asymptotic").statistic) / (len(first) * len(second))
    return above if larger_is_better else 1 - above


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _t_interval(mean: float, standard_error: float, freedom: float, confidence: float) -> tuple[float, float]:
    half_width = t_quantile((1 + confidence) / 2, freedom) * standard_error
    return mean - half_width, mean + half_width


@lru_cache(maxsize=MAX_REMEMBERED)
def t_quantile(probability: float, freedom: float) -> float:
    """The value that Student's t with these degrees of freedom stays below with this probability."""
    return float(special.stdtrit(freedom, probability))  # scipy.stats, which calls it, takes half a second to import


def _wins_ties_losses(first: Sequence[float], second: Sequence[float], larger_is_better: bool) -> tuple[int, int, int]:
    differences = np.asarray(first) - np.asarray(second)
    above, below = int((differences > 0).sum()), int((differences < 0).sum())
    wins, losses = (above, below) if larger_is_better else (below, above)
    return wins, len(differences) - above - below, losses


def _exact_sign_flip_p(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """The share of all 2**n sign patterns of the differences whose sum is at least as far from 0 as the observed one.

    Every pattern is one of the first half of the pairs beside one of the second, so sorting the 2**(n / 2) sums of
    each half and looking up what each of the one needs of the other counts all patterns (Horowitz and Sahni 1974).
    """
    differences, middle = first - second, len(first) // 2
    left, right = (np.sort(_signed_sums(half)) for half in (differences[:middle], differences[middle:]))
    # Sums that differ by rounding alone are ties; the allowance is far below the unit that sums of integers differ by.
    allowance = ROUNDING * float(np.abs(first).sum() + np.abs(second).sum())
    observed = abs(float(differences.sum())) - allowance
    if observed <= 0:
        return 1.0
    at_least = len(left) * len(right) - int(np.searchsorted(right, observed - left).sum())
    share: float = 2 * at_least / 2 ** len(differences)
    return share


def _signed_sums(differences: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate((sums - difference, sums + difference))
    return sums
