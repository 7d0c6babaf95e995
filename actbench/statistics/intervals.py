"""Intervals: Student's t for a mean, equivalence, Wilson's and the exact one for a proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from actbench.lazy import numpy as np
from actbench.lazy import special
from actbench.statistics.multiple import ALPHA

CONFIDENCE = 0.95
MIN_SEEDS = 3
MAX_REMEMBERED = 10_000
ROUNDING = 1e-12

Verdict = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard deviation (n - 1) and Student t interval; None where n is too small.

    An interval takes at least three values: of two it is so wide that it misleads.
    """

    n: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean, standard deviation and interval mean +- t(n - 1) sd / sqrt(n) of this confidence (Student 1908).

    One value has a mean only; equal values have exactly their mean and a standard deviation of exactly 0.
    """
    if not values:
        return Estimate(0, None, None, None)
    array = np.asarray(values, dtype=float)
    are_equal = bool((array == array[0]).all())
    mean = float(array[0]) if are_equal else float(array.mean())
    if len(array) < 2:
        return Estimate(1, mean, None, None)
    sd = 0.0 if are_equal else float(array.std(ddof=1))
    if len(array) < MIN_SEEDS:
        return Estimate(len(array), mean, sd, None)
    return Estimate(len(array), mean, sd, t_interval(mean, sd / math.sqrt(len(array)), len(array) - 1, confidence))


def is_equivalent(differences: Sequence[float], margin: float) -> bool:
    """Two one-sided t tests at 5 % (Schuirmann 1987): the 90 % interval of the mean lies inside (-margin, margin)."""
    over_seeds = estimate(differences)
    if over_seeds.mean is None or over_seeds.sd is None:
        return False
    standard_error = over_seeds.sd / math.sqrt(over_seeds.n)
    low, high = t_interval(over_seeds.mean, standard_error, over_seeds.n - 1, 1 - 2 * ALPHA)
    return -margin < low and high < margin


def t_interval(mean: float, standard_error: float, freedom: float, confidence: float) -> tuple[float, float]:
    """Mean +- t(freedom) * standard_error, which holds the true mean with this confidence."""
    half_width = t_quantile((1 + confidence) / 2, freedom) * standard_error
    return mean - half_width, mean + half_width


@lru_cache(maxsize=MAX_REMEMBERED)
def t_quantile(probability: float, freedom: float) -> float:
    """The value that Student's t with these degrees of freedom stays below with this probability."""
    return float(special.stdtrit(freedom, probability))


def decide(interval: tuple[float, float] | None, lower: float, upper: float) -> Verdict:
    """Supported if the whole interval lies between the bounds, contradicted if none of it does, else undecided."""
    if interval is None:
        return "undecided"
    low, high = interval
    if _is_below(lower, low) and _is_below(high, upper):
        return "supported"
    return "contradicted" if _is_below(high, lower) or _is_below(upper, low) else "undecided"


def _is_below(first: float, second: float) -> bool:
    return first < second and not math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion p = successes / trials >= 0 of at least one trial (Wilson 1927).

    All shares q with |p - q| <= z sqrt(q (1 - q) / n), that is (p + z**2 / 2n +- z sqrt(p (1 - p) / n + z**2 / 4n**2))
    / (1 + z**2 / n). It has a width where every trial succeeds too, and successes may be halves, as ties are.
    """
    z = float(special.ndtri((1 + CONFIDENCE) / 2))
    share = successes / trials
    centre, shrink = share + z**2 / (2 * trials), 1 + z**2 / trials
    half_width = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low, high = (centre - half_width) / shrink, (centre + half_width) / shrink
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def exact_binomial_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a proportion whose ends each tail of the binomial leaves 2.5 % (Clopper & Pearson 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = special.betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)


def predicted_sd(accuracy: float, images: int) -> float:
    """The sd between seeds that a finite test set alone causes: sqrt(error / (2 images)) (Jordan, arXiv 2304.01910)."""
    return math.sqrt(max(0.0, 1 - accuracy) / (2 * images))


def probability_better(
    first: Sequence[float], second: Sequence[float], *, larger_is_better: bool
) -> tuple[float, tuple[float, float]] | None:
    """(wins + ties / 2) / n of the first over n pairs, with Wilson's 95 % interval of it; None without pairs.

    It estimates the chance that a new pair of runs comes out in the first one's favour (Bouthillier et al. 2021).
    """
    if not first:
        return None
    differences = np.asarray(first) - np.asarray(second)
    above, below = int((differences > 0).sum()), int((differences < 0).sum())
    wins = (above if larger_is_better else below) + (len(differences) - above - below) / 2
    return wins / len(differences), wilson_interval(wins, len(differences))
