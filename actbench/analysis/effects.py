"""How much of a metric's variation each factor explains, alone and in pairs, and how much is left to the seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.samples import values_by_seed
from actbench.experiment.metrics import Metric
from actbench.experiment.records import TrialRecord
from actbench.lazy import LazyModule
from actbench.plan.plan import Plan

if TYPE_CHECKING:
    import numpy as np
else:
    np = LazyModule("numpy")


@dataclass(frozen=True)
class Effect:
    """A factor's main effect, or the interaction of two, as a share of the total sum of squares."""

    factors: tuple[str, ...]
    share: float


@dataclass(frozen=True)
class Effects:
    """Shares of the total sum of squares, which add up to 1.

    `higher` is of all interactions of three factors and more; `noise` is what seeds differ by within arms, over the
    `seeds` that every arm has. An effect that does not exist still takes about its degrees of freedom's share.
    """

    effects: tuple[Effect, ...]
    higher: float
    noise: float
    seeds: int


def effects(plan: Plan, records: Mapping[str, TrialRecord], metric: Metric) -> Effects | None:
    """Balanced analysis of variance of the metric over arms and seeds (Fisher 1925), as shares (eta squared).

    Factors with one value are none. None with fewer than two factors, with fewer than two seeds that all arms have, or
    where all values are equal.
    """
    levels: dict[str, dict[Any, int]] = {}
    for arm, _ in plan.arms:
        for path, level in arm.values:
            levels.setdefault(path, {}).setdefault(level, len(levels[path]))
    factors = [path for path, values in levels.items() if len(values) > 1]
    by_arm = [values_by_seed(trials, records, metric) for _, trials in plan.arms]
    seeds = sorted(set.intersection(*(set(arm) for arm in by_arm)))
    if len(factors) < 2 or len(seeds) < 2:
        return None
    values = np.empty([len(levels[path]) for path in factors] + [len(seeds)])
    for (arm, _), found in zip(plan.arms, by_arm, strict=True):
        at = dict(arm.values)
        values[tuple(levels[path][at[path]] for path in factors)] = [found[seed] for seed in seeds]
    return None if values.min() == values.max() else _shares(factors, values)


def _shares(factors: list[str], values: np.ndarray[Any, Any]) -> Effects:
    """The decomposition of values with one axis for each factor and a last one for the seeds."""
    axes = range(len(factors))
    centred = values - values.mean()

    def mean_over_all_but(*kept: int) -> np.ndarray[Any, Any]:
        others = tuple(axis for axis in range(values.ndim) if axis not in kept)
        return np.asarray(centred.mean(axis=others, keepdims=True))

    def sum_of_squares(part: np.ndarray[Any, Any]) -> float:
        return float((np.broadcast_to(part, centred.shape) ** 2).sum())

    cells = mean_over_all_but(*axes)
    main = {axis: mean_over_all_but(axis) for axis in axes}
    pairs = {pair: mean_over_all_but(*pair) - main[pair[0]] - main[pair[1]] for pair in itertools.combinations(axes, 2)}
    rest = cells - sum(main.values()) - sum(pairs.values())
    named = [((axis,), part) for axis, part in main.items()] + list(pairs.items())
    sums = [sum_of_squares(part) for _, part in named]
    higher = sum_of_squares(rest) if len(factors) > 2 else 0.0
    noise = sum_of_squares(centred - cells)
    total = sum(sums) + higher + noise
    found = tuple(
        Effect(tuple(factors[axis] for axis in kept), part / total) for (kept, _), part in zip(named, sums, strict=True)
    )
    return Effects(found, higher / total, noise / total, values.shape[-1])
