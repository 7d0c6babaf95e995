"""The parts of a report as plain data, which the terminal and Markdown each render in their way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actbench.analysis.comparison import Comparison
from actbench.analysis.curves import Curve, PairTable, learning_curves, pair_tables
from actbench.experiment import value_to_text
from actbench.metrics import Metric, parse_metric
from actbench.plan import Plan
from actbench.records import TrialRecord
from actbench.report.numbers import comparison_cells, comparison_header, comparison_notes, ranked, value

SPARKS = "▁▂▃▄▅▆▇█"
MOST_EPOCH_COLUMNS = 6
NUMBER = re.compile(r"[-+<]?[\d.,]+(\s|%|$)")


@dataclass(frozen=True)
class Section:
    """A table with a title and notes.

    `importance` orders the columns for a narrow terminal, the most important first; empty means in their order.
    `is_complete` says that no column may go: where they do not fit, every row becomes a list.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    importance: Sequence[int] = ()
    is_complete: bool = False


def numeric_columns(section: Section) -> list[bool]:
    """Whether each column is mostly numbers, which line up on the right."""
    return [
        2 * sum(NUMBER.match(row[index]) is not None for row in section.rows) > len(section.rows)
        for index in range(len(section.header))
    ]


def comparison_section(comparison: Comparison) -> Section:
    """All arms, the best mean first."""
    return Section(
        title=f"{comparison.metric.name} by arm",
        header=comparison_header(comparison.metric),
        rows=[comparison_cells(row, comparison.metric) for row in ranked(comparison)],
        notes=comparison_notes(comparison),
        importance=(0, 2, 5, 1, 4, 3, 9, 7, 8, 6),
    )


def report_sections(plan: Plan, records: Mapping[str, TrialRecord], comparison: Comparison) -> list[Section]:
    """Accuracy by arm, by pair of factors, and learning curves; parts without data are left out."""
    sections = [comparison_section(comparison)]
    sections += [_pair_section(table, comparison.metric) for table in pair_tables(plan, records, comparison.metric)]
    curves = [curve for curve in learning_curves(plan, records) if curve.accuracy]
    parts = dict.fromkeys(curve.part for curve in curves)
    return sections + [_curves_section([curve for curve in curves if curve.part == part]) for part in parts]


def _pair_section(table: PairTable, metric: Metric) -> Section:
    return Section(
        title=f"mean {metric.name} by {table.rows} and {table.columns}",
        header=[table.rows, *map(value_to_text, table.column_values)],
        rows=[
            [value_to_text(row), *(value(mean, metric) for mean in means)]
            for row, means in zip(table.row_values, table.means, strict=True)
        ],
    )


def _curves_section(curves: Sequence[Curve]) -> Section:
    metric = parse_metric(f"{curves[0].part}_accuracy")
    epochs = shown_epochs(max(len(curve.accuracy) for curve in curves))
    lowest = min(min(curve.accuracy) for curve in curves)
    highest = max(max(curve.accuracy) for curve in curves)
    return Section(
        title=f"learning curve: mean {curves[0].part} accuracy in % after each epoch",
        header=["arm", "curve", *(f"epoch {epoch}" for epoch in epochs)],
        rows=[
            [
                curve.label,
                spark(curve.accuracy, lowest, highest),
                *(
                    value(curve.accuracy[epoch - 1] if epoch <= len(curve.accuracy) else None, metric)
                    for epoch in epochs
                ),
            ]
            for curve in curves
        ],
        notes=[
            f"Curves run from {100 * lowest:.1f} % to {100 * highest:.1f} %; each epoch's mean is over the trials that "
            "reached it."
        ],
        importance=(0, len(epochs) + 1, 1, *range(2, len(epochs) + 1)),
    )


def shown_epochs(last: int) -> list[int]:
    """The first epoch, the last, and some between, about evenly spaced on a logarithmic scale."""
    if last <= MOST_EPOCH_COLUMNS:
        return list(range(1, last + 1))
    steps = MOST_EPOCH_COLUMNS - 1
    return sorted({round(last ** (step / steps)) for step in range(steps + 1)})


def spark(values: Sequence[float], lowest: float, highest: float, most: int = 20) -> str:
    """A curve in one line of block characters."""
    picked = values if len(values) <= most else [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
    span = (highest - lowest) or 1.0
    return "".join(SPARKS[round((v - lowest) / span * (len(SPARKS) - 1))] for v in picked)
