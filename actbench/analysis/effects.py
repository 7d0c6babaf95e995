"""How much of a metric's variance each factor explains, alone and in pairs, and how much is left to the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actbench.analysis.samples import loss_unit
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import settings_by_path
from actbench.experiment.records import TrialRecord
from actbench.lazy import numpy as np
from actbench.plan.looks import values_by_seed
from actbench.plan.plan import Plan
from actbench.statistics.anova import Effect, variance_shares
from actbench.statistics.multiple import ALPHA


@dataclass(frozen=True)
class Effects:
    """Omega squared of every effect; with `noise`, the variance between the `seeds` of an arm, they add up to 1.

    `alpha` is the level of the F tests, and 1 - 2 alpha the confidence of the intervals.
    """

    effects: tuple[Effect, ...]
    noise: float
    seeds: int
    alpha: float


def effects(plan: Plan, records: Mapping[str, TrialRecord], metric: Metric) -> Effects | None:
    """The shares of the variance of the metric over arms and seeds (`variance_shares`), at the latest look's level.

    Factors with one value are none. None with fewer than two factors, if not every combination of them is an arm, with
    fewer than two seeds that all arms have, if all values are equal, or if the metric is in the units of different
    losses.
    """
    levels = settings_by_path(arm.values for arm, _ in plan.arms)
    factors = [path for path, values in levels.items() if len(values) > 1]
    by_arm = [values_by_seed(trials, records, metric) for _, trials in plan.arms]
    seeds = sorted(set.intersection(*(set(arm) for arm in by_arm)))
    has_one_unit = not metric.is_loss or len({loss_unit(arm.settings) for arm, _ in plan.arms}) < 2
    is_full_grid = len(plan.arms) == math.prod(map(len, levels.values()))
    if len(factors) < 2 or len(seeds) < 2 or not has_one_unit or not is_full_grid:
        return None
    values = np.empty([len(levels[path]) for path in factors] + [len(seeds)])
    for (arm, _), by_seed in zip(plan.arms, by_arm, strict=True):
        at = dict(arm.values)
        values[tuple(levels[path].index(at[path]) for path in factors)] = [by_seed[seed] for seed in seeds]
    if values.min() == values.max():
        return None
    alpha = plan.looks.schedule.alphas[max(0, plan.looks.look - 1)] if plan.looks else ALPHA
    shares, noise = variance_shares(values, factors, alpha)
    return Effects(tuple(shares), noise, len(seeds), alpha)
