"""One statement over several experiments: random effects, mean ranks with their critical difference, and profiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import stdev

from actbench.lazy import stats
from actbench.statistics.multiple import ALPHA


def sd_between(effects: Sequence[float], standard_errors: Sequence[float]) -> float:
    """DerSimonian & Laird's (1986) sd of the true effects between experiments; raises `ValueError` below two effects.

    Their weights by 1 / (se**2 + between**2) are not used for the mean: its intervals would hold it too rarely where
    few experiments differ much in their errors (90 instead of 95 % of simulated ones).
    """
    k = len(effects)
    if k < 2:
        raise ValueError("random effects take at least two experiments")
    if min(standard_errors) <= 0:
        return stdev(effects)
    weights = [1 / error**2 for error in standard_errors]
    centre = sum(w * effect for w, effect in zip(weights, effects, strict=True)) / sum(weights)
    excess = sum(w * (effect - centre) ** 2 for w, effect in zip(weights, effects, strict=True)) - (k - 1)
    scale = sum(weights) - sum(w * w for w in weights) / sum(weights)
    return math.sqrt(max(0.0, excess / scale))


def mean_ranks(scores: Sequence[Sequence[float]], *, larger_is_better: bool) -> list[float]:
    """The mean rank of each arm over experiments, 1 for the best; ties share ranks. `scores` are by experiment."""
    sign = -1 if larger_is_better else 1
    ranks: list[float] = (
        stats.rankdata([[sign * score for score in row] for row in scores], axis=1).mean(axis=0).tolist()
    )
    return ranks


def critical_difference(arms: int, experiments: int) -> float:
    """By how much two mean ranks must differ at 5 % (Nemenyi 1963): q sqrt(k (k + 1) / (6 N)), all pairs at once."""
    q = float(stats.studentized_range.ppf(1 - ALPHA, arms, math.inf)) / math.sqrt(2)
    return q * math.sqrt(arms * (arms + 1) / (6 * experiments))


def rank_groups(ranks: Sequence[float], critical: float) -> tuple[tuple[int, int], ...]:
    """The first and last place of the largest groups, in the order of the ranks, that differ by less than critical."""
    spans: list[tuple[int, int]] = []
    for start, rank in enumerate(ranks):
        end = max(index for index, other in enumerate(ranks) if other - rank < critical or index == start)
        if not spans or end > spans[-1][1]:
            spans.append((start, end))
    return tuple(spans)


def performance_profile(
    scores: Sequence[Sequence[float]], distances: Sequence[float], *, larger_is_better: bool
) -> list[list[float]]:
    """For each arm, in what share of experiments it is within each distance of the best (Dolan & Moré 2002)."""
    behind = [[abs(score - (max(row) if larger_is_better else min(row))) for score in row] for row in scores]
    return [
        [sum(round(row[arm], 12) <= distance for row in behind) / len(behind) for distance in distances]
        for arm in range(len(scores[0]))
    ]
