"""Intervals: Student's t for a mean, equivalence, Wilson's and the exact one for a proportion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from actbench.lazy import NDArray, special
from actbench.lazy import numpy as np
from actbench.statistics.multiple import ALPHA

CONFIDENCE = 0.95
MIN_SEEDS = 3
MAX_REMEMBERED = 10_000
ROUNDING = 1e-12

Verdict = Literal["supported", "contradicted", "undecided"]
MAX_ENUMERATED, RESAMPLES, ROUNDED_DIGITS = 4096, 4000, 9


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its standard deviation (n - 1) and Student t interval; None where n is too small.

    An interval takes at least three values: of two it is so wide that it misleads.
    """

    n: int
    mean: float | None
    sd: float | None
    interval: tuple[float, float] | None

    def interval_of(self, confidence: float) -> tuple[float, float] | None:
        """The interval mean +- t(n - 1) sd / sqrt(n) of another confidence, of a mean of single values."""
        if self.mean is None or self.sd is None or self.n < MIN_SEEDS:
            return None
        return t_interval(self.mean, self.sd / math.sqrt(self.n), self.n - 1, confidence)


def estimate(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Mean, standard deviation and interval mean +- t(n - 1) sd / sqrt(n) of this confidence (Student 1908).

    One value has a mean only; equal values have exactly their mean and a standard deviation of exactly 0.
    """
    return estimates([values], confidence)[0]


def estimates(
    samples: Sequence[Sequence[float] | NDArray[np.float64]], confidence: float = CONFIDENCE
) -> list[Estimate]:
    """The estimate of each sample; those of equally many values take one computation, and give the same bits."""
    places: dict[int, list[int]] = {}
    for place, values in enumerate(samples):
        places.setdefault(len(values), []).append(place)
    found = [Estimate(0, None, None, None)] * len(samples)
    for n, of_length in places.items():
        if n:
            table = np.asarray([samples[place] for place in of_length], dtype=float)
            for place, one in zip(of_length, _estimates(table, confidence), strict=True):
                found[place] = one
    return found


def _estimates(table: NDArray[np.float64], confidence: float) -> Iterator[Estimate]:
    n, first = table.shape[1], table[:, 0]
    are_equal = (table == table[:, :1]).all(axis=1)
    means = np.where(are_equal, first, table.mean(axis=1)).tolist()
    if n < 2:
        yield from (Estimate(1, mean, None, None) for mean in means)
        return
    for mean, sd in zip(means, np.where(are_equal, 0.0, table.std(axis=1, ddof=1)).tolist(), strict=True):
        bounds = t_interval(mean, sd / math.sqrt(n), n - 1, confidence) if n >= MIN_SEEDS else None
        yield Estimate(n, mean, sd, bounds)


def is_equivalent(difference: Estimate, margin: float, level: float = ALPHA) -> bool:
    """Two one-sided t tests at a level (Schuirmann 1987): the interval of 1 - 2 level lies inside (-margin, margin)."""
    if difference.mean is None or difference.sd is None:
        return False
    standard_error = difference.sd / math.sqrt(difference.n)
    low, high = t_interval(difference.mean, standard_error, difference.n - 1, 1 - 2 * level)
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
    above = sum(one > other for one, other in zip(first, second, strict=True))
    below = sum(one < other for one, other in zip(first, second, strict=True))
    wins = (above if larger_is_better else below) + (len(first) - above - below) / 2
    return wins / len(first), wilson_interval(wins, len(first))


def chosen_shares(penalties: Sequence[Sequence[float]]) -> list[float]:
    """In what share of bootstrap samples of the seeds each candidate has the smallest sum, the first of equal ones.

    `penalties` are by candidate and seed. Up to five seeds all n^n samples are counted, above 4,000 drawn ones.
    """
    table = np.asarray(penalties, dtype=np.float64)
    seeds = table.shape[1]
    if seeds**seeds <= MAX_ENUMERATED:
        samples = np.array(list(itertools.product(range(seeds), repeat=seeds)))
    else:
        samples = np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))
    counts = np.stack([(samples == seed).sum(axis=1) for seed in range(seeds)])
    winners = (table @ counts).round(ROUNDED_DIGITS).argmin(axis=0)
    return [float(share) for share in np.bincount(winners, minlength=len(table)) / len(samples)]
