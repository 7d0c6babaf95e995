"""The sign-flip test of paired differences: how often random signs give a mean as far from 0 as the observed one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from actbench.lazy import numpy as np
from actbench.lazy import stats

EXACT_UP_TO = 40
MAX_COUNTED = 50_000_000
MONTE_CARLO_RESAMPLES = 99_999
RESAMPLES_AT_ONCE = 10_000
ROUNDING = 1e-14
MAX_DENOMINATOR, MAX_UNIT = 1_000_000, 1_000_000_000
MAX_REMEMBERED = 10_000
MAX_LISTED = 12  # pairs whose sign patterns are all listed, since a table of them is quicker than a sum size by size


def sign_flip_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of the mean paired difference: P(|sum of s_i d_i| >= |sum of d_i|), s_i = +-1 (Fisher 1935).

    Exact for whole numbers, such as counts of images, and for up to 40 pairs of any numbers; Monte Carlo otherwise.
    The smallest value that n pairs can give is 2 / 2**n. None without pairs. (scipy.stats.permutation_test counts all
    patterns too, but 2**n of them one by one, and splits ties of floats by rounding.)
    """
    if not first:
        return None
    if len(first) == 1 or list(first) == list(second):
        return 1.0
    whole = _whole_sizes(np.asarray(first) - np.asarray(second))
    if whole is not None:
        return _counted_p(*whole)
    if len(first) <= EXACT_UP_TO:
        return _halved_p(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    return permutation_p(first, second, "samples", lambda x, y, axis: (x - y).mean(axis=axis))


def permutation_p(first: Sequence[float], second: Sequence[float], kind: str, statistic: Callable[..., Any]) -> float:
    """Two-sided p of a statistic over regroupings of this kind: all of them, or drawn ones where they are many."""
    samples, random = (np.asarray(first), np.asarray(second)), np.random.default_rng(0)
    drawn = {"n_resamples": MONTE_CARLO_RESAMPLES, "batch": RESAMPLES_AT_ONCE, "rng": random}
    return float(stats.permutation_test(samples, statistic, permutation_type=kind, vectorized=True, **drawn).pvalue)


def whole_numbers(first: Sequence[float], second: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Shares as whole numbers of a unit that all have in common, so that equal counts of images are exactly equal."""
    ratios = [_ratio(value) for value in (*first, *second)]
    unit = math.lcm(*(denominator for _, denominator in ratios))
    if unit > MAX_UNIT:
        return first, second
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    return whole[: len(first)], whole[len(first) :]


@lru_cache(maxsize=MAX_REMEMBERED)
def _ratio(share: float) -> tuple[int, int]:
    return Fraction(share).limit_denominator(MAX_DENOMINATOR).as_integer_ratio()


def smallest_p(pairs: int, comparisons: int, *, is_counted: bool = True) -> float:
    """The least Holm-adjusted p that sign flips can give when all of so many comparisons have so many pairs.

    It is min(1, comparisons * 2 / 2**pairs) for counts of images, and for up to 40 pairs of any numbers; of more, no
    less than rounding lets the Monte Carlo p be.
    """
    is_exact = is_counted or pairs <= EXACT_UP_TO
    return min(1.0, comparisons * (2 / 2**pairs if is_exact else 2 / (MONTE_CARLO_RESAMPLES + 1)))


def _whole_sizes(differences: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int] | None:
    """Sizes of the differences and of their sum in units of their greatest common divisor; None where too many."""
    if not np.issubdtype(differences.dtype, np.integer):
        return None
    unit = max(1, int(np.gcd.reduce(differences)))
    sizes = np.abs(differences) // unit
    return (sizes, abs(int(differences.sum())) // unit) if len(sizes) * int(sizes.sum()) <= MAX_COUNTED else None


def _counted_p(sizes: np.ndarray[Any, Any], observed: int) -> float:
    """P(|sum of randomly signed sizes| >= observed), adding one size at a time (Streitberg & Röhmel 1986)."""
    if len(sizes) <= MAX_LISTED:
        sums = np.abs(_sign_patterns(len(sizes)) @ sizes)
        return int(np.count_nonzero(sums >= observed)) / len(sums)
    total, reach = int(sizes.sum()), 0
    probability = np.zeros(total + 1)  # of each sum of the sizes whose sign is positive
    probability[0] = 1.0
    for size in sizes.tolist():
        reach += size
        probability[: reach + 1] /= 2
        probability[size : reach + 1] += probability[: reach + 1 - size]
    sums = 2 * np.arange(total + 1) - total
    return min(1.0, float(probability[np.abs(sums) >= observed].sum()))


@cache
def _sign_patterns(pairs: int) -> np.ndarray[Any, Any]:
    """The 2**(n - 1) patterns whose first sign is positive; the others give the same sums with the other sign."""
    return np.array([(1, *signs) for signs in itertools.product((1, -1), repeat=pairs - 1)])


def _halved_p(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """The share of all 2**n sign patterns of the differences whose sum is at least as far from 0 as the observed one.

    Every pattern joins one of the first half of the pairs with one of the second, so sorting the 2**(n / 2) sums of
    each half and looking up what each sum of one half needs of the other counts all patterns (Horowitz & Sahni 1974).
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
