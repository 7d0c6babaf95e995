"""Derived tables: one row per trial, per trial and epoch, and per arm; the same bytes from the same journal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actbench.analysis.claims import judge_claims
from actbench.analysis.comparison import Comparison, compare
from actbench.experiment import Experiment, value_to_text, value_to_yaml
from actbench.metrics import CURVES, parse_metric
from actbench.plan import Plan
from actbench.records import LayerProbe, TrialRecord
from actbench.report.claims import CLAIM_COLUMNS, claim_rows
from actbench.report.markdown import section_to_markdown
from actbench.report.sections import comparison_section
from actbench.store import write_atomically

Row = dict[str, Any]

TRIAL_COLUMNS = (
    "trial", "arm", "phase", "seed", "outcome", "diverged_epoch", "cause", "train_count", "validation_count",
    "test_count", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "test_loss",
    "test_accuracy", "test_correct_count", "wall_seconds", "stack_trials", "device", "environment",
)  # fmt: skip
EPOCH_COLUMNS = (
    "trial", "arm", "seed", "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    "train_seconds",
)  # fmt: skip
LAYER_COLUMNS = ("trial", "arm", "seed", *LayerProbe.model_fields)
COMPARISON_COLUMNS = (
    "n", "failed", "mean", "sd", "ci_low", "ci_high", "difference", "difference_ci_low", "difference_ci_high",
    "p", "p_holm", "probability_better", "verdict",
)  # fmt: skip


def write_tables(folder: Path, experiment: Experiment, plan: Plan, records: Mapping[str, TrialRecord]) -> None:
    """Derive the tables of trials, epochs, layers, arms and (where there are any) claims from the journal's records."""
    comparison = compare(plan, records, experiment.baseline, parse_metric("test_accuracy"))
    factors = [factor.path for factor in experiment.factors]
    write_atomically(
        folder / "trials.csv", to_csv(trial_rows(plan, records), [*TRIAL_COLUMNS[:2], *factors, *TRIAL_COLUMNS[2:]])
    )
    write_atomically(folder / "epochs.csv", to_csv(epoch_rows(plan, records), EPOCH_COLUMNS))
    write_atomically(folder / "layers.csv", to_csv(layer_rows(plan, records), LAYER_COLUMNS))
    write_atomically(folder / "table.csv", to_csv(comparison_rows(comparison), comparison_columns(comparison)))
    write_atomically(folder / "table.md", section_to_markdown(comparison_section(comparison), heading=None))
    if experiment.expectations:
        claims = judge_claims(experiment.expectations, plan, records)
        write_atomically(folder / "claims.csv", to_csv(claim_rows(claims), CLAIM_COLUMNS))


def comparison_columns(comparison: Comparison) -> list[str]:
    """The columns of `table.csv`: the arm, its factors, and the numbers."""
    return ["arm", *(path for path, _ in comparison.arms[0].arm.values), *COMPARISON_COLUMNS]


def to_csv(rows: Iterable[Row], columns: Sequence[str]) -> str:
    """Comma-separated text with a header; absent values are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def trial_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per finished trial of the plan, arm by arm."""
    for arm, trials in plan.arms:
        factors = {path: value_to_text(value) for path, value in arm.values}
        for trial in trials:
            if trial.id not in records:
                continue
            record = records[trial.id]
            kept = {name: getattr(record, name) for name in TRIAL_COLUMNS if name in TrialRecord.model_fields}
            values = {name: parse_metric(name).value(record) for name in CURVES}
            yield {**kept, **values, "trial": record.trial, "arm": arm.label(), **factors}


def epoch_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per trial and epoch, epochs counted from 1."""
    for arm, trials in plan.arms:
        for trial in trials:
            record = records.get(trial.id)
            if record is None:
                continue
            curves = record.curves
            for index in range(len(curves.train_loss)):
                row: Row = {"trial": trial.id, "arm": arm.label(), "seed": trial.seed, "epoch": index + 1}
                row["train_loss"] = curves.train_loss[index]
                row["train_accuracy"] = curves.train_correct_count[index] / record.train_count
                if curves.validation_loss:
                    row["validation_loss"] = curves.validation_loss[index]
                    row["validation_accuracy"] = curves.validation_correct_count[index] / record.validation_count
                row["train_seconds"] = record.epoch_seconds[index] if record.epoch_seconds else None
                yield row


def layer_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[Row]:
    """One row per trial, probed epoch and layer, epochs counted from 0 (before any step), layers from 1."""
    for arm, trials in plan.arms:
        for trial in trials:
            for layer in records[trial.id].probes if trial.id in records else ():
                yield {"trial": trial.id, "arm": arm.label(), "seed": trial.seed, **layer.model_dump()}


def comparison_rows(comparison: Comparison) -> Iterator[Row]:
    """One row per arm; accuracies and their differences as fractions."""
    for row in comparison.arms:
        difference = row.difference
        yield {
            "arm": row.arm.label(),
            **{path: value_to_text(value) for path, value in row.arm.values},
            "n": row.own.n,
            "failed": row.failed,
            "mean": row.own.mean,
            "sd": row.own.sd,
            "ci_low": row.own.interval and row.own.interval[0],
            "ci_high": row.own.interval and row.own.interval[1],
            "difference": difference and difference.mean,
            "difference_ci_low": difference and difference.interval and difference.interval[0],
            "difference_ci_high": difference and difference.interval and difference.interval[1],
            "p": row.p,
            "p_holm": row.p_holm,
            "probability_better": row.probability_better,
            "verdict": row.verdict,
        }


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON document; accuracies as fractions, absent numbers null."""
    return {
        "metric": comparison.metric.name,
        "baseline": {path: value_to_yaml(value) for path, value in comparison.baseline} or None,
        "seeds": list(comparison.seeds),
        "arms": [
            {
                "arm": row.arm.to_yaml(),
                "n": row.own.n,
                "failed": row.failed,
                "mean": row.own.mean,
                "sd": row.own.sd,
                "ci": row.own.interval and list(row.own.interval),
                "difference": row.difference and row.difference.mean,
                "difference_ci": row.difference and row.difference.interval and list(row.difference.interval),
                "p": row.p,
                "p_holm": row.p_holm,
                "probability_better": row.probability_better,
                "verdict": row.verdict,
            }
            for row in comparison.arms
        ],
    }
