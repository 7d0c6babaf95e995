"""A result folder as runs of another tool: what both tools write, and where."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Literal

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.experiment.definition import SECTIONS
from actbench.experiment.metrics import MEASURES, learnt_name, parse_metric
from actbench.experiment.naming import label_of, value_to_text
from actbench.experiment.records import TrialRecord
from actbench.render.sections import Section
from actbench.store.results import Results
from actbench.store.tables import PROBE_COLUMNS, VALIDATION_MEASURES

Tool = Literal["tensorboard", "mlflow"]

DEFAULT_FOLDERS: dict[Tool, Path] = {"tensorboard": Path("runs"), "mlflow": Path("mlflow")}
NOT_IN_A_NAME = re.compile(r"[^\w.=,()+-]+", re.ASCII)
MAX_PART_LENGTH = 100


@dataclass(frozen=True)
class Point:
    """One value of a metric after an epoch; epoch 0 is before any step. NaN if it was not finite."""

    metric: str
    epoch: int
    value: float


@dataclass(frozen=True)
class Run:
    """A trial with its name (`final/relu/seed-3`), what was varied and tuned for it, all its settings, and its numbers.

    `varied` holds numbers, booleans and texts. `points` end with the test metrics, if they were measured. `seconds` is
    the training time until the end of each epoch.
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

    def final_values(self) -> dict[str, float]:
        """The last value of every metric but those of the layers."""
        return {point.metric: point.value for point in self.points if not point.metric.startswith("layer")}

    def seconds_at(self, point: Point) -> float:
        """The training time until the end of a point's epoch, 0 before any step."""
        return self.seconds[point.epoch - 1] if 1 <= point.epoch <= len(self.seconds) else 0.0


def runs_of(results: Results) -> list[Run]:
    """One run for every recorded trial, tuning trials first; a trial that is in two arms is one run."""
    runs: dict[str, Run] = {}
    names: set[str] = set()
    for arm, tuned, trial in results.plan.trials_by_arm():
        record = results.records.get(trial.id)
        if record is None or trial.id in runs:
            continue
        parts = [trial.phase, arm.label(), *([label_of(tuned)] if trial.phase == "tune" else []), f"seed-{trial.seed}"]
        # ASCII letters, digits and a few signs, of limited length: a name for a folder on any system.
        name = "/".join(NOT_IN_A_NAME.sub("_", part).strip("._")[:MAX_PART_LENGTH] or "_" for part in parts)
        name = f"{name}-{trial.id}" if name in names else name
        names.add(name)
        varied = {
            path: value if isinstance(value, bool | int | float) else value_to_text(value)
            for path, value in (*arm.values, *tuned, ("phase", trial.phase), ("seed", trial.seed))
        }
        runs[trial.id] = Run(
            trial=trial.id,
            name=name,
            arm=arm.label(),
            outcome=record.outcome,
            cause=record.cause or "",
            varied=varied,
            settings={
                f"{section}.{name}": value_to_text(value)
                for section in SECTIONS
                for name, value in getattr(record.settings, section)
                if value is not None
            },
            points=tuple(_points(record)),
            seconds=tuple(itertools.accumulate(record.epoch_seconds)),
            wall_seconds=record.wall_seconds,
        )
    return list(runs.values())


def _points(record: TrialRecord) -> Iterator[Point]:
    """The curves, then the probes of the layers, then the test metrics."""
    for epoch in range(1, len(record.curves.train_loss) + 1):
        for part in ("validation", "train") if record.curves.validation_loss else ("train",):
            count = getattr(record.curves, f"{part}_correct_count")[epoch - 1]
            yield Point(f"{part}_accuracy", epoch, count / getattr(record, f"{part}_count"))
            yield Point(f"{part}_loss", epoch, _number(getattr(record.curves, f"{part}_loss")[epoch - 1]))
        for name in VALIDATION_MEASURES:
            if (measured := parse_metric(f"{name}@{epoch}").value(record)) is not None:
                yield Point(name, epoch, measured)
    for probe in record.probes:
        learnt = ((learnt_name(name), value) for name, value in probe.learnt.items())
        for name, value in (*((name, getattr(probe, name)) for name in PROBE_COLUMNS[2:]), *learnt):
            if value is not None:
                yield Point(f"layer{probe.layer}.{name}", probe.epoch, value)
    if record.test_correct_count is not None:
        for name in ("test_accuracy", "test_loss", *(name for name in MEASURES if name.startswith("test"))):
            measured = parse_metric(name).value(record)
            if measured is not None or name not in MEASURES:
                yield Point(name, len(record.curves.train_loss), _number(measured))


def _number(value: float | None) -> float:
    return nan if value is None else value


def export_results(results: Results, tool: Tool, out: Path | None) -> dict[str, Any]:
    """Write every recorded trial as a run: where, how many in all and now, and the command that opens them.

    Raises `ConfigurationError` if there is none, and `UnusableEnvironmentError` if the tool's library is not installed.
    """
    runs = runs_of(results)
    if not runs:
        raise ConfigurationError(f"{results.folder}: no trial has a result; actbench run trains what is missing")
    folder, name = out or DEFAULT_FOLDERS[tool], results.experiment.name
    try:
        if tool == "tensorboard":
            from actbench.report.export import to_tensorboard
        else:
            from actbench.report.export import to_mlflow
    except ModuleNotFoundError as missing:
        raise UnusableEnvironmentError(
            f"--to {tool}: {missing.name} is not installed; pip install 'actbench[{tool}]'"
        ) from None
    if tool == "tensorboard":
        to_tensorboard.write_runs(runs, folder / name)
        place, written, opens_with = folder / name, len(runs), ["tensorboard", "--logdir", str(folder)]
    else:
        written, place = to_mlflow.write_runs(runs, folder, name), folder / to_mlflow.DATABASE
        opens_with = ["mlflow", "ui", "--backend-store-uri", f"sqlite:///{place}"]
    return {"to": tool, "place": str(place), "runs": len(runs), "written": written, "opens_with": opens_with}


def export_section(exported: Mapping[str, Any]) -> Section:
    """What was written, for people."""
    rows = [[str(exported[key]) for key in ("to", "runs", "written", "place")]]
    return Section("export", ["to", "runs", "written now", "place"], rows, is_complete=True)
