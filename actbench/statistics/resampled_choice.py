"""How sure a choice is that was made on few seeds: how often other samples of these seeds would make it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from actbench.lazy import numpy as np

MAX_ENUMERATED, RESAMPLES, ROUNDED_DIGITS = 4096, 4000, 9


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
