"""A result folder as runs, which is what other tools call a trial: parameters, curves and final numbers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import Any

from actbench.experiment.definition import SECTIONS, label_of, value_to_text
from actbench.experiment.metrics import CURVES, parse_metric
from actbench.experiment.records import TrialRecord
from actbench.store.results import Results
from actbench.store.tables import epochs_table, layers_table, trials_table

EPOCH_METRICS = tuple(name for name in CURVES if not name.startswith("test_"))
NOT_IN_A_NAME = re.compile(r"[^\w.=,()+-]+", re.ASCII)
MAX_PART_LENGTH = 100


@dataclass(frozen=True)
class Point:
    """One value of a metric after an epoch; epoch 0 is before any step. NaN where it was not finite."""

    metric: str
    epoch: int
    value: float


@dataclass(frozen=True)
class Run:
    """A trial with its name (`final/relu/seed-3`), what was varied and tuned for it, all its settings, and its numbers.

    `varied` holds numbers, booleans and texts. `points` end with the final figures, on test images too where they were
    looked at. `seconds` counts the training to the end of each epoch.
    """

    trial: str
    name: str
    arm: str
    outcome: str
    cause: str
    varied: dict[str, float | bool | str]
    settings: dict[str, str]
    points: tuple[Point, ...]
    seconds: tuple[float, ...]
    wall_seconds: float


def runs_of(results: Results) -> list[Run]:
    """One run for every recorded trial, those of the tuning first; a trial that is in two arms is one run."""
    points: dict[str, list[Point]] = {}
    for point_of in (_epoch_points, _layer_points, _test_points):
        for trial_id, point in point_of(results):
            points.setdefault(trial_id, []).append(point)
    runs: dict[str, Run] = {}
    taken: set[str] = set()
    for arm, tuned, trial in results.plan.trials_by_arm():
        record = results.records.get(trial.id)
        if record is None or trial.id in runs:
            continue
        parts = [trial.phase, arm.label(), *([label_of(tuned)] if trial.phase == "tune" else []), f"seed-{trial.seed}"]
        name = "/".join(map(_name_part, parts))
        name = f"{name}-{trial.id}" if name in taken else name
        taken.add(name)
        runs[trial.id] = Run(
            trial=trial.id,
            name=name,
            arm=arm.label(),
            outcome=record.outcome,
            cause=record.cause or "",
            varied={path: _plain(value) for path, value in (*arm.values, *tuned)}
            | {"phase": trial.phase, "seed": trial.seed},
            settings=_all_settings(record),
            points=tuple(dict.fromkeys(points.get(trial.id, []))),
            seconds=tuple(itertools.accumulate(record.epoch_seconds)),
            wall_seconds=record.wall_seconds,
        )
    return list(runs.values())


def _name_part(text: str) -> str:
    """Fit for a folder's name anywhere: a label of ASCII letters, digits and a few signs, not too long."""
    return NOT_IN_A_NAME.sub("_", text).strip("._")[:MAX_PART_LENGTH] or "_"


def _plain(value: Any) -> float | bool | str:
    return value if isinstance(value, bool | int | float) else value_to_text(value)


def _all_settings(record: TrialRecord) -> dict[str, str]:
    """Every setting that was given or has a default, by its path."""
    fields = ((f"{section}.{name}", value) for section in SECTIONS for name, value in getattr(record.settings, section))
    return {path: value_to_text(value) for path, value in fields if value is not None}


def _epoch_points(results: Results) -> Iterator[tuple[str, Point]]:
    for row in epochs_table(results).rows:
        for name in EPOCH_METRICS:
            if name in row:
                yield row["trial"], Point(name, row["epoch"], _number(row[name]))


def _layer_points(results: Results) -> Iterator[tuple[str, Point]]:
    for row in layers_table(results).rows:
        for name, value in row.items():
            if name not in ("trial", "arm", "phase", "seed", "epoch", "layer") and value is not None:
                yield row["trial"], Point(f"layer{row['layer']}.{name}", row["epoch"], value)


def _test_points(results: Results) -> Iterator[tuple[str, Point]]:
    for row in trials_table(results).rows:
        record = results.records[row["trial"]]
        if record.test_correct_count is not None:
            last = len(record.curves.train_loss)
            for name in ("test_accuracy", "test_loss"):
                yield row["trial"], Point(name, last, _number(parse_metric(name).value(record)))


def _number(value: float | None) -> float:
    return nan if value is None else value


def final_points(run: Run) -> dict[str, float]:
    """The last value of every metric but those of the layers."""
    return {point.metric: point.value for point in run.points if not point.metric.startswith("layer")}
