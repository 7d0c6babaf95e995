"""Interval and test of paired differences, as the protocol asks for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from scipy import stats
else:
    np, stats = LazyModule("numpy"), LazyModule("scipy.stats")

CONFIDENCE = 0.95
EXACT_UP_TO = 15
MONTE_CARLO_RESAMPLES = 99_999


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
    mean = float(array.mean())
    if len(array) < 2:
        return Estimate(1, mean, None, None)
    sd = float(array.std(ddof=1))
    half_width = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(array) - 1)) * sd / math.sqrt(len(array))
    return Estimate(len(array), mean, sd, (mean - half_width, mean + half_width))


def sign_flip_p(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p of the mean paired difference when signs are exchangeable; exact up to 15 pairs.

    The smallest value that n pairs can give is 2 / 2**n. None without pairs.
    """
    if not first:
        return None
    if len(first) == 1 or list(first) == list(second):
        return 1.0
    result = stats.permutation_test(
        (np.asarray(first), np.asarray(second)),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_UP_TO if len(first) <= EXACT_UP_TO else MONTE_CARLO_RESAMPLES,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def probability_better(first: Sequence[float], second: Sequence[float], *, larger_is_better: bool) -> float | None:
    """Share of pairs in which the first wins, a tie counting half; None without pairs."""
    if not first:
        return None
    differences = np.asarray(first) - np.asarray(second)
    wins = differences > 0 if larger_is_better else differences < 0
    return float((wins.sum() + (differences == 0).sum() / 2) / len(differences))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given (Holm 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
