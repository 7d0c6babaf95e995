"""P(better): in what share of pairs one sample wins, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from actbench.lazy import LazyModule
from actbench.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")


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
