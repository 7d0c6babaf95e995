"""Means over the seeds of an arm: learning curves, and pairs of factors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.experiment.definition import Arm
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues, settings_by_path
from actbench.experiment.records import Trial, TrialRecord, recorded
from actbench.lazy import numpy as np
from actbench.plan.plan import Plan
from actbench.statistics.intervals import Estimate, estimates

ARMS_AT_ONCE = 256
UNREACHED = -1


@dataclass(frozen=True)
class ArmCurves:
    """An arm's accuracy after each epoch, one list for each seed, as long as its trial was trained.

    `part` is validation, or train if no images were held out. `means` has the mean over the trials that reached an
    epoch, with its 95 % interval; `accuracy` is the same mean, of counts.
    """

    label: str
    values: SettingValues
    part: str
    seeds: tuple[tuple[float, ...], ...]
    means: tuple[Estimate, ...]
    accuracy: tuple[float, ...]
    is_baseline: bool = False

    def mean(self, epoch: int) -> float:
        """The mean after an epoch."""
        return self.means[epoch - 1].mean or 0.0

    def band(self, epoch: int) -> tuple[float, float]:
        """The interval of the mean after an epoch, within what an accuracy can be."""
        low, high = self.means[epoch - 1].interval or (self.mean(epoch), self.mean(epoch))
        return max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class PairTable:
    """Mean of a metric for every combination of two factors, over all other factors and seeds; None where untrained."""

    rows: str
    columns: str
    row_values: tuple[Any, ...]
    column_values: tuple[Any, ...]
    means: tuple[tuple[float | None, ...], ...]


def picked_epochs(last: int, most: int, *, is_log: bool) -> list[int]:
    """At most so many epochs from the first to the last, evenly spaced, or so on a logarithmic scale."""
    if last <= most:
        return list(range(1, last + 1))
    steps = [number / (most - 1) for number in range(most)]
    return sorted({round(last**step if is_log else 1 + step * (last - 1)) for step in steps})


def arm_curves(plan: Plan, records: Mapping[str, TrialRecord]) -> list[ArmCurves]:
    """The curves of each arm; none of its trials may have been trained for an epoch."""
    starts = range(0, len(plan.arms), ARMS_AT_ONCE)
    return [one for start in starts for one in _curves_of(plan.arms[start : start + ARMS_AT_ONCE], records)]


def _curves_of(arms: Sequence[tuple[Arm, Sequence[Trial]]], records: Mapping[str, TrialRecord]) -> Iterator[ArmCurves]:
    found_by_arm = []
    for arm, trials in arms:
        part = "validation" if arm.settings.data.validation_count() else "train"
        found = [(getattr(one.curves, f"{part}_correct_count"), one) for one in recorded(trials, records)]
        trained = [(right, getattr(one, f"{part}_count")) for right, one in found if right]
        epochs, images = max((len(right) for right, _ in trained), default=0), [count for _, count in trained]
        padded = [*itertools.zip_longest(*(right for right, _ in trained), fillvalue=UNREACHED)]
        counts = np.asarray(padded, dtype=int).reshape(epochs, len(trained))
        shares, are_reached = counts / np.asarray(images, dtype=int), counts != UNREACHED
        seeds = tuple(
            tuple(of_seed[: len(right)]) for of_seed, (right, _) in zip(shares.T.tolist(), trained, strict=True)
        )
        accuracy = tuple((one[kept].mean() / images[0]).item() for one, kept in zip(counts, are_reached, strict=True))
        reached = [one[kept] for one, kept in zip(shares, are_reached, strict=True)]
        found_by_arm.append((arm, part, seeds, accuracy, reached))
    means = iter(estimates([one for *_, reached in found_by_arm for one in reached]))
    for arm, part, seeds, accuracy, _ in found_by_arm:
        of_arm = tuple(itertools.islice(means, len(accuracy)))
        yield ArmCurves(arm.label(), arm.values, part, seeds, of_arm, accuracy)


def pair_tables(plan: Plan, records: Mapping[str, TrialRecord], metric: Metric) -> list[PairTable]:
    """A table for every pair of factors."""
    factors = settings_by_path(arm.values for arm, _ in plan.arms)
    measured = [
        (dict(arm.values), [metric.value(one) for one in recorded(trials, records)]) for arm, trials in plan.arms
    ]
    tables = []
    for rows, columns in itertools.combinations(factors, 2):
        cells: dict[tuple[Any, Any], list[float]] = {}
        for values, numbers in measured:
            known = [number for number in numbers if number is not None]
            cells.setdefault((values[rows], values[columns]), []).extend(known)
        means = tuple(
            tuple(_mean(found) if (found := cells.get((row, column))) else None for column in factors[columns])
            for row in factors[rows]
        )
        tables.append(PairTable(rows, columns, tuple(factors[rows]), tuple(factors[columns]), means))
    return tables


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
