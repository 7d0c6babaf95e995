"""The mean of every combination of two factors as a heat map, with a panel for each value of a third."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import label_of, value_to_text
from actbench.lazy import LazyModule
from actbench.report.figures.layout import Picture, embolden, panel_grid, picture, shortened, text_inches, with_unit
from actbench.report.figures.scales import first_word, limits, scale_for
from actbench.report.figures.style import (
    CELL_POINTS,
    COLUMN_INCHES,
    PAGE_INCHES,
    SMALL_POINTS,
    colour_map,
    text_colour,
)
from actbench.report.numbers import metric_in_words, value
from actbench.store.results import Results
from actbench.text import counted, visible

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    np = LazyModule("numpy")

MAX_NAME_LENGTH = 34
ROW_INCHES, CELL_INCHES, MAX_CELL_INCHES = 0.22, 0.46, 0.9
MAX_ROWS, MAX_COLUMNS, MAX_PANELS = 40, 14, 9


@dataclass(frozen=True)
class Factors:
    """Means by the values of a row, a column and a panel factor; the panel's path is empty if there are two factors.

    `averaged` are the factors beyond the third: the means are over their values too.
    """

    paths: tuple[str, str, str]
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    panels: tuple[Any, ...]
    means: dict[tuple[Any, Any, Any], float]
    averaged: tuple[str, ...]


def factors_picture(results: Results, comparison: Comparison) -> Picture | None:
    """A heat map of two factors; None if fewer are varied, or nothing has a value."""
    metric = comparison.metric
    factors = _factors(results, metric)
    if factors is None or not factors.means:
        return None
    row, column, panel = factors.paths
    name, unit = metric_in_words(metric), " in %" if metric.unit == "share" else ""
    cells = len(factors.rows) * len(factors.columns) * len(factors.panels)
    return picture(
        "factors",
        f"Mean {name} by {row} and {column}{f' and {panel}' if panel else ''}",
        lambda: _draw(factors, comparison),
        caption=[
            f"Mean {name}{unit} over all {' and '.join(['seeds', *factors.averaged])}: {row} by {column}.",
            bool(panel) and f"A panel for each {panel}.",
            metric.larger_is_better is not None and "The lighter a cell, the better.",
            any(path in (row, column) for path, _ in comparison.baseline) and "The baseline's names are in bold.",
            len(factors.means) < cells and "Cells without a number have not been trained.",
        ],
        description=_description(factors, metric),
    )


def _factors(results: Results, metric: Metric) -> Factors | None:
    """The two factors with the most values make the table, the longer one its rows; the next one makes the panels."""
    values: dict[str, dict[Any, None]] = {}
    numbers: dict[tuple[Any, Any, Any], list[float]] = {}
    for arm, _ in results.plan.arms:
        for path, one in arm.values:
            values.setdefault(path, {})[one] = None
    if len(values) < 2:
        return None
    row, column, *others = sorted(values, key=lambda path: -len(values[path]))
    panel = others[0] if others else ""
    for arm, trials in results.plan.arms:
        settings = dict(arm.values)
        known = [metric.value(results.records[trial.id]) for trial in trials if trial.id in results.records]
        cell = (settings[row], settings[column], settings.get(panel))
        numbers.setdefault(cell, []).extend(number for number in known if number is not None)
    return Factors(
        (row, column, panel),
        tuple(values[row])[:MAX_ROWS],
        tuple(values[column])[:MAX_COLUMNS],
        tuple(values[panel])[:MAX_PANELS] if panel else (None,),
        {cell: sum(known) / len(known) for cell, known in numbers.items() if known},
        tuple(others[1:]),
    )


def _description(factors: Factors, metric: Metric) -> list[str]:
    def in_words(cell: tuple[Any, Any, Any]) -> str:
        named = [(path, one) for path, one in zip(factors.paths, cell, strict=True) if path]
        names = ", ".join(f"{path} {visible(value_to_text(one))}" for path, one in named)
        return f"{with_unit(factors.means[cell], metric)} for {names}"

    ordered = sorted(factors.means, key=lambda cell: factors.means[cell], reverse=metric.larger_is_better is not False)
    row, column, _ = factors.paths
    sizes = f"{counted(len(factors.rows), 'row')} ({row}) and {counted(len(factors.columns), 'column')} ({column})"
    return [
        f"{counted(len(factors.means), 'mean')} of {metric_in_words(metric)} in {sizes}.",
        f"The {first_word(metric)} is {in_words(ordered[0])}; the last is {in_words(ordered[-1])}.",
    ]


def _names(values: Sequence[Any]) -> list[str]:
    return [shortened(value_to_text(one), MAX_NAME_LENGTH) for one in values]


def _draw(factors: Factors, comparison: Comparison) -> Figure:
    left = 0.25 + max(map(text_inches, _names(factors.rows)))
    widest = max(map(text_inches, _names(factors.columns))) + 0.1
    are_upright = widest > max(CELL_INCHES, (COLUMN_INCHES - left) / len(factors.columns))
    cell_inches = CELL_INCHES if are_upright else min(max(widest, CELL_INCHES), MAX_CELL_INCHES)
    each = left + cell_inches * len(factors.columns)
    columns = max(1, min(len(factors.panels), int(PAGE_INCHES / each)))
    shape = (min(max(COLUMN_INCHES, each * columns), PAGE_INCHES), -(-len(factors.panels) // columns), columns)
    panel = factors.paths[2]
    titles = [label_of(((panel, one),)) if panel else "" for one in factors.panels]
    row_inches = 0.55 + ROW_INCHES * len(factors.rows) + (widest if are_upright else 0.15)
    figure, grid = panel_grid(titles, shape, row_inches)
    for axes, one in zip(grid, factors.panels, strict=True):
        _draw_cells(axes, factors, one, comparison.metric)
        _name_cells(axes, factors, comparison, are_upright=are_upright)
    return figure


def _draw_cells(axes: Axes, factors: Factors, panel: Any, metric: Metric) -> None:
    scale = scale_for(factors.means.values(), metric)
    dark, light = scale.positions(limits(factors.means.values(), scale))
    means = np.array(
        [[factors.means.get((row, column, panel), np.nan) for column in factors.columns] for row in factors.rows]
    )
    colours = colour_map(is_reversed=metric.larger_is_better is False)
    cells = axes.pcolormesh(scale.positions(means), cmap=colours, vmin=dark, vmax=light)
    shades: Any = cells.to_rgba(scale.positions(means))
    for (y, x), mean in np.ndenumerate(means):
        known = None if np.isnan(mean) else float(mean)
        text: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": CELL_POINTS}
        if known is not None:
            text["color"] = text_colour(shades[y, x])
        axes.text(x + 0.5, y + 0.5, value(known, metric), **text)


def _name_cells(axes: Axes, factors: Factors, comparison: Comparison, *, are_upright: bool) -> None:
    baseline = dict(comparison.baseline)
    (row, column, _), rows, columns = factors.paths, factors.rows, factors.columns
    axes.set(ylim=(len(rows), 0))
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels=_names(columns), rotation=90 if are_upright else 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, labels=_names(rows))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(shortened(column), fontsize=SMALL_POINTS)
    axes.set_ylabel(shortened(row), fontsize=SMALL_POINTS)
    for labels, values, path in ((axes.get_xticklabels(), columns, column), (axes.get_yticklabels(), rows, row)):
        embolden(labels, (path in baseline and one == baseline[path] for one in values))
