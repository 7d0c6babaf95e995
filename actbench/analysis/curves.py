"""Means over the seeds of an arm: learning curves, and pairs of factors."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.experiment.metrics import Metric
from actbench.experiment.records import TrialRecord, recorded
from actbench.plan.plan import Plan


@dataclass(frozen=True)
class Curve:
    """An arm's mean accuracy after each epoch, over the trials that reached it; `part` is validation or train."""

    label: str
    part: str
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class PairTable:
    """Mean of a metric for every combination of two factors, over all other factors and seeds; None where untrained."""

    rows: str
    columns: str
    row_values: tuple[Any, ...]
    column_values: tuple[Any, ...]
    means: tuple[tuple[float | None, ...], ...]


def learning_curves(plan: Plan, records: Mapping[str, TrialRecord]) -> list[Curve]:
    """One curve per arm: validation accuracy where images were held out, training accuracy where none were."""
    curves = []
    for arm, trials in plan.arms:
        finished = recorded(trials, records)
        part = "validation" if arm.settings.data.validation_count() else "train"
        counts = [getattr(record.curves, f"{part}_correct_count") for record in finished]
        images = arm.settings.data.validation_count() or arm.settings.data.train_count()
        longest = max(map(len, counts), default=0)
        reached = [[count[epoch] for count in counts if len(count) > epoch] for epoch in range(longest)]
        curves.append(Curve(arm.label(), part, tuple(_mean(hits) / images for hits in reached)))
    return curves


def pair_tables(plan: Plan, records: Mapping[str, TrialRecord], metric: Metric) -> list[PairTable]:
    """A table for every pair of factors."""
    factors: dict[str, dict[Any, None]] = {}
    for arm, _ in plan.arms:
        for path, value in arm.values:
            factors.setdefault(path, {})[value] = None
    return [_pair_table(plan, records, metric, *pair, factors) for pair in itertools.combinations(factors, 2)]


def _pair_table(
    plan: Plan,
    records: Mapping[str, TrialRecord],
    metric: Metric,
    rows: str,
    columns: str,
    factors: Mapping[str, Mapping[Any, None]],
) -> PairTable:
    cells: dict[tuple[Any, Any], list[float]] = {}
    for arm, trials in plan.arms:
        values = dict(arm.values)
        for trial in trials:
            value = metric.value(records[trial.id]) if trial.id in records else None
            if value is not None:
                cells.setdefault((values[rows], values[columns]), []).append(value)
    means = tuple(
        tuple(_mean(cells[row, column]) if (row, column) in cells else None for column in factors[columns])
        for row in factors[rows]
    )
    return PairTable(rows, columns, tuple(factors[rows]), tuple(factors[columns]), means)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
