"""P(better): in what share of pairs one sample wins, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from actbench.lazy import LazyModule
from actbench.statistics.intervals import CONFIDENCE, MAX_REMEMBERED

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")

BOOTSTRAP_RESAMPLES = 9_999


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


def _wins_ties_losses(first: Sequence[float], second: Sequence[float], larger_is_better: bool) -> tuple[int, int, int]:
    differences = np.asarray(first) - np.asarray(second)
    above, below = int((differences > 0).sum()), int((differences < 0).sum())
    wins, losses = (above, below) if larger_is_better else (below, above)
    return wins, len(differences) - above - below, losses
