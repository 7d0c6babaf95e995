"""What characters can draw in a table: a bar for every arm's interval; and tables without such drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from actbench.render.sections import Section
from actbench.report.numbers import value

if TYPE_CHECKING:
    from actbench.analysis.comparison import Comparison
    from actbench.statistics.intervals import Estimate

WIDTH = 25
BESIDE = "95 % interval"
LESS_IMPORTANT = "p (Holm)"


def with_interval_bars(section: Section, comparison: Comparison) -> Section:
    """The table of arms with a bar `├──●──┤` for each mean and its interval, all on one scale, which the header names.

    The table as it is where fewer than two arms differ.
    """
    by_label = {row.sample.label: row.own for row in comparison.rows}
    ends = [end for own in by_label.values() if own.mean is not None for end in (own.interval or (own.mean, own.mean))]
    if len(by_label) < 2 or len(set(ends)) < 2:
        return section
    low, high = min(ends), max(ends)
    scale = f"bars from {value(low, comparison.metric)} to {value(high, comparison.metric)}"
    at = section.header.index(BESIDE) + 1
    bars = [interval_bar(by_label[row[0]], low, high) for row in section.rows]
    return _with_column(section, at, scale, bars, before=section.header.index(LESS_IMPORTANT))


def interval_bar(own: Estimate, low: float, high: float) -> str:
    """A mean and its interval on the scale from `low` to `high`; empty where there is no mean."""
    if own.mean is None:
        return ""
    first, last = own.interval or (own.mean, own.mean)
    start, mean, end = (round((number - low) / (high - low) * (WIDTH - 1)) for number in (first, own.mean, last))
    cells = [" "] * start + ["─"] * (end - start + 1)
    cells[start], cells[end] = "├", "┤"
    cells[mean] = "●"
    return "".join(cells)


def _with_column(section: Section, at: int, name: str, cells: Sequence[str], *, before: int) -> Section:
    """A table with one more column, which is more important than the column `before`."""

    def moved(indices: Sequence[int]) -> list[int]:
        return [index + (index >= at) for index in indices]

    importance = moved(section.importance)
    importance.insert(section.importance.index(before), at)
    return replace(
        section,
        header=[*section.header[:at], name, *section.header[at:]],
        rows=[[*row[:at], cell, *row[at:]] for row, cell in zip(section.rows, cells, strict=True)],
        importance=importance,
        prose=moved(section.prose),
    )
