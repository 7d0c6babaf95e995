"""Derived tables: one row per trial, per trial and epoch, and per arm; the same bytes from the same journal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from actbench.analysis.claims import judge_claims
from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.definition import Arm, Values, value_to_text
from actbench.experiment.metrics import CURVES, parse_metric
from actbench.experiment.records import LayerProbe, Trial, TrialRecord
from actbench.plan.plan import PRIMARY_METRIC, Plan
from actbench.render.markdown import section_to_markdown
from actbench.report.claims import CLAIM_COLUMNS, claim_rows
from actbench.report.comparison import PAIR_NUMBERS, comparison_columns, comparison_rows, flat_pair_rows
from actbench.report.contents import comparison_sections
from actbench.report.tuning import TUNING_COLUMNS, tuning_rows
from actbench.store.files import write_atomically
from actbench.store.results import Results
from actbench.text import visible

Row = dict[str, Any]
Table = tuple[Iterable[Row], Sequence[str]]

TRIAL_COLUMNS = (
    "trial", "arm", "phase", "seed", "outcome", "diverged_epoch", "cause", "train_count", "validation_count",
    "test_count", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss",
    "test_accuracy", "test_correct_count", "wall_seconds", "stack_trials", "device", "environment",
)  # fmt: skip
EPOCH_COLUMNS = (
    "trial", "arm", "phase", "seed", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    "train_seconds",
)  # fmt: skip
# A semicolon begins a cell where the decimal sign is a comma. Some spreadsheets accept the full-width signs too.
FORMULA_START = re.compile("(^|;)(?=\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
MAX_REMEMBERED = 4096
LAYER_COLUMNS = ("trial", "arm", "phase", "seed", *LayerProbe.model_fields)


def write_tables(results: Results) -> Comparison:
    """Derive the tables of trials, epochs, layers, arms and, where there are any, of tuning and claims.

    Gives the comparison that stands in the table of arms.
    """
    comparison = primary_comparison(results)
    for name, text in table_texts(results, comparison).items():
        if text is None:
            (results.folder / name).unlink(missing_ok=True)
        else:
            write_atomically(results.folder / name, text)
    return comparison


def table_texts(results: Results, comparison: Comparison) -> dict[str, str | None]:
    """Every derived file by its name, given the primary comparison; None for one that there are no data for."""
    (section,) = comparison_sections(comparison, [results])
    tables = {"trials": trials_table(results), "epochs": epochs_table(results), "layers": layers_table(results)}
    tables |= {"table": arms_table(comparison), "tuning": tuning_table(results), "claims": claims_table(results)}
    has_data = {"tuning": bool(results.plan.tunings), "claims": bool(results.experiment.expectations)}
    texts = {f"{name}.csv": to_csv(*table) if has_data.get(name, True) else None for name, table in tables.items()}
    return texts | {"table.md": section_to_markdown(section, heading=None)}


def primary_comparison(results: Results) -> Comparison:
    """What the experiment was planned to answer, and its answer."""
    question = question_of(results.experiment, parse_metric(PRIMARY_METRIC))
    return compare(results.plan, results.records, question)


def trials_table(results: Results) -> Table:
    """One row for each trial, with the settings that differ."""
    columns = [*TRIAL_COLUMNS[:2], *varied_settings(results), *TRIAL_COLUMNS[2:]]
    return trial_rows(results.plan, results.records), columns


def epochs_table(results: Results) -> Table:
    """One row for each trial and epoch."""
    return epoch_rows(results.plan, results.records), EPOCH_COLUMNS


def layers_table(results: Results) -> Table:
    """One row for each trial, probed epoch and layer."""
    return layer_rows(results.plan, results.records), LAYER_COLUMNS


def arms_table(comparison: Comparison) -> Table:
    """One row for each arm."""
    return comparison_rows(comparison), comparison_columns(comparison)


def pairs_table(comparison: Comparison) -> Table:
    """One row for each pair of arms, where these were asked for."""
    return ({name: row[name] for name in PAIR_NUMBERS} for row in flat_pair_rows(comparison)), PAIR_NUMBERS


def tuning_table(results: Results) -> Table:
    """One row for each arm and each value that tuning tried."""
    return tuning_rows(results.plan, results.records), ["arm", *varied_settings(results), *TUNING_COLUMNS]


def claims_table(results: Results) -> Table:
    """One row for each claim."""
    claims = judge_claims(results.experiment.expectations, results.plan, results.records)
    return claim_rows(claims), CLAIM_COLUMNS


def varied_settings(results: Results) -> list[str]:
    """The settings in which trials differ: factors, then what is tuned."""
    return [factor.path for factor in (*results.experiment.factors, *results.experiment.tune)]


def to_csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Comma-separated text with a header; absent values are empty, and no text is a formula to a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        [_no_formula(cell) if isinstance(cell, str) else cell for cell in map(row.get, columns)] for row in rows
    )
    return buffer.getvalue()


@lru_cache(maxsize=MAX_REMEMBERED)
def _no_formula(text: str) -> str:
    """Numbers as they are; other text in one line, behind an apostrophe where it begins as a formula does."""
    return text if NUMBER.fullmatch(text) else FORMULA_START.sub(r"\1'", visible(text))


def all_trials(plan: Plan) -> Iterator[tuple[Arm, Values, Trial]]:
    """Every trial of the plan with its arm and the nuisance values that it was given, those of the tuning first."""
    for tuning in plan.tunings:
        for candidate in tuning.candidates:
            yield from ((tuning.arm, candidate.values, trial) for trial in candidate.trials)
    for arm, trials in plan.arms:
        yield from ((arm, arm.tuned, trial) for trial in trials)


def _recorded(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[tuple[Row, Row, TrialRecord]]:
    """What names each recorded trial, its varied and tuned values, and its record."""
    for arm, tuned, trial in all_trials(plan):
        if trial.id in records:
            values = {path: value_to_text(value) for path, value in (*arm.values, *tuned)}
            named: Row = {"trial": trial.id, "arm": arm.label(), "phase": trial.phase, "seed": trial.seed}
            yield named, values, records[trial.id]


def trial_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per recorded trial of the plan, arm by arm."""
    for named, values, record in _recorded(plan, records):
        kept = {name: getattr(record, name) for name in TRIAL_COLUMNS if name in TrialRecord.model_fields}
        yield {**kept, **{name: parse_metric(name).value(record) for name in CURVES}, **named, **values}


def epoch_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per trial and epoch, epochs counted from 1."""
    for named, _, record in _recorded(plan, records):
        curves = record.curves
        for index in range(len(curves.train_loss)):
            row: Row = {**named, "epoch": index + 1}
            row["train_loss"] = curves.train_loss[index]
            row["train_accuracy"] = curves.train_correct_count[index] / record.train_count
            if curves.validation_loss:
                row["validation_loss"] = curves.validation_loss[index]
                row["validation_accuracy"] = curves.validation_correct_count[index] / record.validation_count
            row["train_seconds"] = record.epoch_seconds[index] if record.epoch_seconds else None
            yield row


def layer_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per trial, probed epoch and layer, epochs counted from 0 (before any step), layers from 1."""
    for named, _, record in _recorded(plan, records):
        yield from ({**named, **vars(layer)} for layer in record.probes)
