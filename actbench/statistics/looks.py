"""Looks planned in advance: a family of comparisons decided after n_1 < n_2 < ... seeds, 5 % shared over the looks.

Why no look is too early: a false `different` at look k takes an adjusted p below alpha_k, and a false `equivalent` an
interval of level 1 - 2 alpha_k within the margin, so that neither happens anywhere more often than the sum of the
alphas, whatever was seen before (the union bound).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from actbench.lazy import numpy as np
from actbench.statistics.intervals import MIN_SEEDS, ROUNDING, Estimate, estimate, t_quantile
from actbench.statistics.multiple import ALPHA, holm, holm_levels
from actbench.statistics.power import fewest_seeds
from actbench.statistics.sign_flip import sign_flip_p

State = Literal["different", "equivalent", "not judged", "open"]


@dataclass(frozen=True)
class Schedule:
    """After how many seeds a family of so many comparisons is looked at, and the share of 5 % that each look spends."""

    seeds: tuple[int, ...]
    alphas: tuple[float, ...]
    comparisons: int

    def is_last(self, look: int) -> bool:
        """Whether no look follows this one, counted from 0."""
        return look == len(self.seeds) - 1


@dataclass(frozen=True)
class Evidence:
    """One comparison at a look: its paired differences, the exact p of their mean, and what may be said of it.

    Unless it has `all_trials_usable`, a pair of arms is not called equivalent, since a rare collapse makes a large
    difference that a few seeds may not show.
    """

    differences: Sequence[float]
    p: float | None
    all_trials_usable: bool = True
    is_judged: bool = True


@dataclass(frozen=True)
class Decision:
    """What a look says of one comparison.

    `look` counts from 1. `p_adjusted` is Holm's p in units of the look's share, min(1, p * 5 % / alpha_k), so that
    "below 5 %" is one rule at every look. `difference` has the interval of level 1 - 2 alpha_k, which decides
    equivalence; the adjusted interval has level 1 - alpha_k / (m - rank + 1), that of the step in Holm's method.
    """

    state: State
    look: int
    seeds: int
    difference: Estimate
    confidence: float
    p: float | None = None
    p_adjusted: float | None = None
    adjusted_interval: tuple[float, float] | None = None
    adjusted_confidence: float | None = None


def make_schedule(seeds: Sequence[int], alphas: Sequence[float], comparisons: int) -> Schedule:
    """The looks, with equal shares of 5 % unless they are given, and the first moved up to where it can decide.

    The least p of n pairs is 2 / 2**n, so a first look with comparisons * 2 / 2**n >= alpha_1 could find nothing. One
    that would move up to the next look gives its share to that one.
    """
    after, shares = list(seeds), list(alphas or [ALPHA / len(seeds)] * len(seeds))
    while True:
        least = fewest_seeds(max(1, comparisons), shares[0])
        if after[0] >= least or len(after) == 1:
            break
        if least < after[1]:
            after[0] = least
        else:
            after, shares = after[1:], [shares[0] + shares[1], *shares[2:]]
    return Schedule(tuple(after), tuple(shares), comparisons)


def decide_look(
    evidence: Sequence[Evidence | None], schedule: Schedule, look: int, found: int, margin: float | None
) -> list[Decision | None]:
    """A decision for each comparison with evidence, at a look counted from 0; None for those that are settled.

    `found` were called different at earlier looks and rank first in Holm's method; those settled otherwise count with
    p = 1, so that the family keeps its size. `margin` bounds equivalence; None if nothing may be called equivalent.
    """
    alpha, size = schedule.alphas[look], schedule.comparisons
    tested = {i: one.p for i, one in enumerate(evidence) if one and one.is_judged and one.p is not None}
    rest = max(0, size - found - len(tested))
    p_values = [0.0] * found + [*tested.values()] + [1.0] * rest
    adjusted, levels = holm(p_values), holm_levels(p_values, alpha)
    steps = dict(zip(tested, list(zip(adjusted, levels, strict=True))[found:], strict=False))
    return [
        None if one is None else _decision(one, schedule, look, margin, steps.get(i)) for i, one in enumerate(evidence)
    ]


def _decision(
    evidence: Evidence, schedule: Schedule, look: int, margin: float | None, step: tuple[float, float] | None
) -> Decision:
    """The decision at the step of Holm's method, its adjusted p and level; without a step nothing can be decided."""
    alpha, seeds = schedule.alphas[look], schedule.seeds[look]
    inner = estimate(evidence.differences, 1 - 2 * alpha)
    if step is None:
        state: State = "open" if evidence.is_judged else "not judged"
        return Decision(state, look + 1, seeds, inner, 1 - 2 * alpha, evidence.p)
    outer, p_adjusted, state = inner.interval_of(1 - step[1]), min(1.0, step[0] * ALPHA / alpha), "open"
    if p_adjusted < ALPHA and outer is not None and not outer[0] <= 0 <= outer[1]:
        state = "different"
    elif evidence.all_trials_usable and margin is not None and inner.interval is not None:
        state = "equivalent" if -margin < inner.interval[0] and inner.interval[1] < margin else "open"
    return Decision(state, look + 1, seeds, inner, 1 - 2 * alpha, evidence.p, p_adjusted, outer, 1 - step[1])


@dataclass(frozen=True)
class Simulated:
    """Simulated experiments: what each arm was called, and after how many seeds, both `[experiments, arms]`."""

    states: np.ndarray[Any, Any]
    seeds: np.ndarray[Any, Any]

    def baseline(self) -> float:
        """The mean of the baseline's trainings."""
        return float(self.seeds.max(axis=1).mean())

    def trainings(self) -> float:
        """The mean of all trainings, the baseline's among them."""
        return float((self.seeds.sum(axis=1) + self.seeds.max(axis=1)).mean())


def simulate(
    schedule: Schedule,
    gaps: Sequence[float],
    spreads: Sequence[float],
    margin: float,
    *,
    unit: float,
    noises: np.ndarray[Any, Any],
) -> Simulated:
    """Run experiments on made-up numbers: arms `gaps` above a baseline, all decided as `run` decides them.

    `spreads` are the sds between seeds, the baseline's first; values are whole multiples of `unit`, as counts of images
    are. `noises` `[experiments, arms, seeds]` have mean 0 and sd 1.
    """
    centres, sds = np.array([0.0, *gaps]), np.array(spreads)
    counts = np.rint((centres[:, None] + sds[:, None] * noises) / unit).astype(int)
    return Simulated(*_settle(counts, schedule, margin, unit))


def _settle(
    counts: np.ndarray[Any, Any], schedule: Schedule, margin: float, unit: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What each arm of each experiment is called in the end, and after how many seeds; the baseline's counts are first.

    `decide_look` is asked only where an arm may be different, since its exact p takes most of the time: the interval
    that decides it is no narrower than that of level 1 - alpha.
    """
    gaps = unit * (counts[:, 1:] - counts[:, :1])
    states, seeds = np.full(gaps.shape[:2], "open", dtype="<U10"), np.zeros(gaps.shape[:2], dtype=int)
    for look, (count, alpha) in enumerate(zip(schedule.seeds, schedule.alphas, strict=True)):
        is_open = states == "open"
        seeds[is_open] = count
        if count < MIN_SEEDS:
            continue
        means, errors = gaps[..., :count].mean(axis=2), gaps[..., :count].std(axis=2, ddof=1) / math.sqrt(count)
        states[is_open & (np.abs(means) + t_quantile(1 - alpha, count - 1) * errors < margin)] = "equivalent"
        may_differ = is_open & (np.abs(means) >= (1 - ROUNDING) * t_quantile(1 - alpha / 2, count - 1) * errors)
        for experiment in np.flatnonzero(may_differ.any(axis=1)):
            first, base = counts[experiment, 1:, :count].tolist(), counts[experiment, 0, :count].tolist()
            evidence = [
                Evidence(list(differences), sign_flip_p(values, base)) if decides else None
                for differences, values, decides in zip(
                    gaps[experiment, :, :count].tolist(), first, is_open[experiment], strict=True
                )
            ]
            found = int((states[experiment] == "different").sum())
            for arm, decision in enumerate(decide_look(evidence, schedule, look, found, margin)):
                if decision is not None:
                    states[experiment, arm] = decision.state
    return states, seeds
