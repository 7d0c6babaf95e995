"""Tables of a result folder: rows of its records, written as CSV or read as a pandas frame."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from actbench.experiment.metrics import CURVES, MEASURES, learnt_name, parse_metric
from actbench.experiment.naming import value_to_text
from actbench.experiment.records import HISTOGRAM_EDGES, LayerProbe, TrialRecord
from actbench.lazy import pandas
from actbench.store.results import Results
from actbench.text import visible

Row = dict[str, Any]

TRIAL_COLUMNS = (
    "trial", "arm", "phase", "seed", "outcome", "diverged_epoch", "cause", "train_count", "validation_count",
    "test_count", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss",
    "test_accuracy", "test_correct_count", *MEASURES, "plan", "wall_seconds", "stack_trials", "device", "environment",
)  # fmt: skip
VALIDATION_MEASURES = tuple(name for name in MEASURES if name.startswith("validation"))
EPOCH_COLUMNS = (
    "trial", "arm", "phase", "seed", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    *VALIDATION_MEASURES, "train_seconds",
)  # fmt: skip
PROBE_COLUMNS = tuple(name for name in LayerProbe.model_fields if name not in ("histogram", "learnt"))
HISTOGRAM_COLUMNS = (*(f"below_{edge:g}" for edge in HISTOGRAM_EDGES), f"from_{HISTOGRAM_EDGES[-1]:g}")
# A semicolon begins a cell where the decimal sign is a comma. Some spreadsheets accept the full-width signs too.
FORMULA_START = re.compile("(^|;)(?=\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
MAX_REMEMBERED = 4096


@dataclass(frozen=True)
class Table:
    """Rows under named columns; the rows are read once. `settings` are columns of settings' values as text."""

    columns: Sequence[str]
    rows: Iterable[Row]
    settings: Sequence[str] = ()

    def to_csv(self) -> str:
        """Comma-separated text with a header; absent values are empty, and no text is a formula to a spreadsheet."""
        return "".join(self.to_csv_lines())

    def to_csv_lines(self) -> Iterator[str]:
        """The same line by line: of a hundred thousand trials the whole text takes hundreds of megabytes."""
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        writer.writerow(self.columns)
        yield line.getvalue()
        for row in self.rows:
            line.seek(0)
            line.truncate()
            writer.writerow(
                [_no_formula(cell) if isinstance(cell, str) else cell for cell in map(row.get, self.columns)]
            )
            yield line.getvalue()

    def to_frame(self) -> pandas.DataFrame:
        """A frame with the texts unchanged; settings whose values are all numbers are numbers."""
        frame = pandas.DataFrame(list(self.rows), columns=list(self.columns))
        frame = frame.fillna(float("nan")) if len(frame) else frame
        for name in self.settings:
            numbers = pandas.to_numeric(frame[name], errors="coerce")
            if len(numbers) and numbers.notna().equals(frame[name].notna()):
                frame[name] = numbers
        return frame


@lru_cache(maxsize=MAX_REMEMBERED)
def _no_formula(text: str) -> str:
    """Numbers unchanged; other text in one line, after an apostrophe where it begins like a formula."""
    return text if NUMBER.fullmatch(text) else FORMULA_START.sub(r"\1'", visible(text))


def varied_settings(results: Results) -> list[str]:
    """The settings in which trials differ: factors, then tuned settings."""
    return [factor.path for factor in (*results.experiment.factors, *results.experiment.tune)]


def trials_table(results: Results) -> Table:
    """One row for each recorded trial of the plan, arm by arm, with its varied and tuned values."""
    settings = varied_settings(results)
    columns = _recorded_columns(results, TRIAL_COLUMNS, (*MEASURES, "plan"))
    return Table([*columns[:2], *settings, *columns[2:]], _trial_rows(results), settings)


def epochs_table(results: Results) -> Table:
    """One row for each trial and epoch, epochs counted from 1."""
    return Table(_recorded_columns(results, EPOCH_COLUMNS, MEASURES), _epoch_rows(results))


def layers_table(results: Results) -> Table:
    """One row for each trial, probed epoch and layer; epochs counted from 0 (before any step), layers from 1."""
    learnt = {name for record in results.records.values() for probe in record.probes for name in probe.learnt}
    return layers_table_from(results, lambda record: record.probes, learnt)


def layers_table_from(
    results: Results, probes_of: Callable[[TrialRecord], Sequence[LayerProbe]], learnt: Iterable[str]
) -> Table:
    """The same from probes that are not in the records, and the names of all learnt parameters in them."""
    names = sorted(set(map(learnt_name, learnt)))
    columns = ("trial", "arm", "phase", "seed", *PROBE_COLUMNS, *names, *HISTOGRAM_COLUMNS)
    columns_there = _recorded_columns(results, columns, ("weight_norm", *HISTOGRAM_COLUMNS))
    return Table(columns_there, _layer_rows(results, probes_of))


def _recorded_columns(results: Results, columns: Sequence[str], since_schema_2: Sequence[str]) -> list[str]:
    """The columns without those that records of schema 1 do not have, if all are: tables of old folders stay equal."""
    is_old = results.records and all(record.schema_version < 2 for record in results.records.values())
    return [name for name in columns if not is_old or name not in since_schema_2]


def _layer_rows(results: Results, probes_of: Callable[[TrialRecord], Sequence[LayerProbe]]) -> Iterator[Row]:
    for named, _, record in _recorded(results):
        for probe in probes_of(record):
            learnt = {learnt_name(name): number for name, number in probe.learnt.items()}
            yield {**named, **vars(probe), **learnt, **_histogram_cells(probe)}


def _histogram_cells(probe: LayerProbe) -> Row:
    """The share of the values before the activation in each bin, to about 1/255."""
    if not probe.histogram:
        return {}
    shares = base64.b64decode(probe.histogram)
    return {name: round(share / 255, 4) for name, share in zip(HISTOGRAM_COLUMNS, shares, strict=True)}


def _recorded(results: Results) -> Iterator[tuple[Row, Row, TrialRecord]]:
    """The columns that name each recorded trial, its varied and tuned values, and its record."""
    by_arm = groupby(results.plan.trials_by_arm(), key=lambda one: (id(one[0]), id(one[1])))  # comparing them is slow
    for _, trials in by_arm:
        (arm, tuned, first), *others = trials
        label, values = arm.label(), {path: value_to_text(value) for path, value in (*arm.values, *tuned)}
        for trial in (first, *(trial for _, _, trial in others)):
            if trial.id in results.records:
                named: Row = {"trial": trial.id, "arm": label, "phase": trial.phase, "seed": trial.seed}
                yield named, values, results.records[trial.id]


def _trial_rows(results: Results) -> Iterator[Row]:
    kept = [name for name in TRIAL_COLUMNS if name in TrialRecord.model_fields]
    value_of = {name: parse_metric(name).value for name in (*CURVES, *MEASURES)}
    for named, values, record in _recorded(results):
        fields = vars(record)
        yield {
            **{name: fields[name] for name in kept},
            **{name: value(record) for name, value in value_of.items()},
            **named,
            **values,
        }


def _epoch_rows(results: Results) -> Iterator[Row]:
    for named, _, record in _recorded(results):
        curves = record.curves
        measures = {name: series for name in VALIDATION_MEASURES if (series := getattr(curves, name, ()))}
        for index in range(len(curves.train_loss)):
            row: Row = {**named, "epoch": index + 1, "train_loss": curves.train_loss[index]}
            row["train_accuracy"] = curves.train_correct_count[index] / record.train_count
            if curves.validation_loss:
                row["validation_loss"] = curves.validation_loss[index]
                row["validation_accuracy"] = curves.validation_correct_count[index] / record.validation_count
            row |= {name: series[index] for name, series in measures.items()}
            if curves.validation_top2_correct_count:
                top2 = curves.validation_top2_correct_count[index]
                row["validation_top2_accuracy"] = top2 / record.validation_count
            row["train_seconds"] = record.epoch_seconds[index] if record.epoch_seconds else None
            yield row
