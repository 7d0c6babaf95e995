"""The mean of every combination of two factors as a cell with its number, a panel for each value of a third."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.definition import label_of, value_to_text
from actbench.experiment.metrics import Metric
from actbench.report.figures.axes import new_figure, text_inches, title_panel
from actbench.report.figures.heat import colour_map, text_colour
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, first_word, limits, scale_for
from actbench.report.figures.style import CELL_POINTS, COLUMN_INCHES, PAGE_INCHES, SMALL_POINTS, drawing
from actbench.report.figures.words import plain, shortened
from actbench.report.numbers import ABSENT, metric_in_words, value
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NAME_LENGTH = 34
ROW_INCHES, CELL_INCHES, MAX_CELL_INCHES = 0.22, 0.46, 0.9
MAX_ROWS, MAX_COLUMNS, MAX_PANELS = 40, 14, 9
Cells = dict[tuple[Any, Any, Any], float]


@dataclass(frozen=True)
class Grid:
    """Means by the values of the row, the column and the panel; the panel's path is empty where there are two factors.

    `averaged` are factors beyond the third, over whose values the means are taken.
    """

    paths: tuple[str, str, str]
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    panels: tuple[Any, ...]
    cells: Cells
    averaged: tuple[str, ...]


def factors_picture(results: Results, comparison: Comparison) -> Picture | None:
    """A heat map of two factors; None where fewer are varied, or nothing has a value."""
    grid = _grid(results, comparison.metric)
    if grid is None or not grid.cells:
        return None
    row, column, panel = grid.paths
    return Picture(
        name="factors",
        title=f"Mean {metric_in_words(comparison.metric)} by {row} and {column}" + (f" and {panel}" if panel else ""),
        caption=_caption(grid, comparison),
        description=_description(grid, comparison.metric),
        draw=lambda: _draw(grid, comparison),
    )


def _grid(results: Results, metric: Metric) -> Grid | None:
    """The two factors with the most values make the table, the longer one its rows; the next one makes the panels."""
    found: dict[str, dict[Any, None]] = {}
    for arm, _ in results.plan.arms:
        for path, one in arm.values:
            found.setdefault(path, {})[one] = None
    by_size = sorted(found, key=lambda path: -len(found[path]))
    if len(by_size) < 2:
        return None
    row, column, *others = by_size
    panel = others[0] if others else ""
    collected: dict[tuple[Any, Any, Any], list[float]] = {}
    for arm, trials in results.plan.arms:
        values = dict(arm.values)
        known = [metric.value(results.records[trial.id]) for trial in trials if trial.id in results.records]
        key = (values[row], values[column], values.get(panel))
        collected.setdefault(key, []).extend(one for one in known if one is not None)
    return Grid(
        (row, column, panel),
        tuple(found[row])[:MAX_ROWS],
        tuple(found[column])[:MAX_COLUMNS],
        tuple(found[panel])[:MAX_PANELS] if panel else (None,),
        {key: sum(numbers) / len(numbers) for key, numbers in collected.items() if numbers},
        tuple(others[1:]),
    )


def _caption(grid: Grid, comparison: Comparison) -> str:
    unit = " in %" if comparison.metric.unit == "share" else ""
    over = " and ".join(["seeds", *grid.averaged])
    row, column, panel = grid.paths
    sentences = [f"Mean {metric_in_words(comparison.metric)}{unit} over all {over}: {row} by {column}."]
    if panel:
        sentences.append(f"A panel for each {panel}.")
    if comparison.metric.larger_is_better is not None:
        sentences.append("The lighter a cell, the better.")
    if any(path in (row, column) for path, _ in comparison.baseline):
        sentences.append("The baseline's names are in bold.")
    if len(grid.cells) < len(grid.rows) * len(grid.columns) * len(grid.panels):
        sentences.append("Cells without a number have not been trained.")
    return " ".join(sentences)


def _description(grid: Grid, metric: Metric) -> str:
    unit = " %" if metric.unit == "share" else ""

    def said(key: tuple[Any, Any, Any]) -> str:
        named = [(path, one) for path, one in zip(grid.paths, key, strict=True) if path]
        names = ", ".join(f"{path} {plain(value_to_text(one))}" for path, one in named)
        return f"{value(grid.cells[key], metric)}{unit} for {names}"

    ordered = sorted(grid.cells, key=lambda key: grid.cells[key], reverse=metric.larger_is_better is not False)
    row, column, _ = grid.paths
    sizes = f"{counted(len(grid.rows), 'row')} ({row}) and {counted(len(grid.columns), 'column')} ({column})"
    return (
        f"{counted(len(grid.cells), 'mean')} of {metric_in_words(metric)} in {sizes}. "
        f"The {first_word(metric)} is {said(ordered[0])}; the last is {said(ordered[-1])}."
    )


def _draw(grid: Grid, comparison: Comparison) -> Figure:
    means = list(grid.cells.values())
    scale = scale_for(means, comparison.metric)
    bounds = limits(means, scale)
    names = [shortened(value_to_text(one), MAX_NAME_LENGTH) for one in grid.columns]
    left = 0.25 + max(text_inches(shortened(value_to_text(one), MAX_NAME_LENGTH)) for one in grid.rows)
    widest = max(map(text_inches, names)) + 0.1
    are_upright = widest > max(CELL_INCHES, (COLUMN_INCHES - left) / len(names))
    cell = CELL_INCHES if are_upright else min(max(widest, CELL_INCHES), MAX_CELL_INCHES)
    each = left + cell * len(names)
    columns = max(1, min(len(grid.panels), int(PAGE_INCHES / each)))
    width = max(COLUMN_INCHES, min(PAGE_INCHES, each * columns)) if each * columns > COLUMN_INCHES else COLUMN_INCHES
    rows = -(-len(grid.panels) // columns)
    height = rows * (0.55 + ROW_INCHES * len(grid.rows) + (widest if are_upright else 0.15))
    with drawing():
        figure = new_figure(width, height)
        axes_grid = figure.subplots(rows, columns, squeeze=False)
        for number, axes in enumerate(axes_grid.flat):
            if number >= len(grid.panels):
                axes.set_visible(False)
                continue
            panel = grid.panels[number]
            _draw_panel(axes, grid, panel, comparison, scale, bounds)
            _name_cells(axes, grid, comparison, are_upright=are_upright)
            if grid.paths[2]:
                title_panel(axes, label_of(((grid.paths[2], panel),)), width / columns - 0.2)
    return figure


def _draw_panel(
    axes: Axes, grid: Grid, panel: Any, comparison: Comparison, scale: Scale, bounds: tuple[float, float]
) -> None:
    from matplotlib.patches import Rectangle

    colours = colour_map(is_reversed=comparison.metric.larger_is_better is False)
    for y, row in enumerate(grid.rows):
        for x, column in enumerate(grid.columns):
            mean = grid.cells.get((row, column, panel))
            text: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": CELL_POINTS}
            if mean is None:
                axes.text(x, y, ABSENT, **text)
                continue
            colour = colours((scale.at(mean) - bounds[0]) / (bounds[1] - bounds[0]))
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, linewidth=0))
            axes.text(x, y, value(mean, comparison.metric), color=text_colour(colour), **text)


def _name_cells(axes: Axes, grid: Grid, comparison: Comparison, *, are_upright: bool) -> None:
    baseline = dict(comparison.baseline)
    axes.set(xlim=(-0.5, len(grid.columns) - 0.5), ylim=(len(grid.rows) - 0.5, -0.5))
    names = [shortened(value_to_text(one), MAX_NAME_LENGTH) for one in grid.columns]
    axes.set_xticks(range(len(grid.columns)), labels=names, rotation=90 if are_upright else 0)
    axes.set_yticks(range(len(grid.rows)), labels=[shortened(value_to_text(one), MAX_NAME_LENGTH) for one in grid.rows])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    row, column, _ = grid.paths
    axes.set_xlabel(shortened(column), fontsize=SMALL_POINTS)
    axes.set_ylabel(shortened(row), fontsize=SMALL_POINTS)
    for labels, values, path in (
        (axes.get_xticklabels(), grid.columns, column),
        (axes.get_yticklabels(), grid.rows, row),
    ):
        _embolden(labels, values, baseline.get(path))


def _embolden(labels: Sequence[Any], values: Sequence[Any], baseline: Any) -> None:
    for label, one in zip(labels, values, strict=True):
        label.set_fontweight("bold" if baseline is not None and one == baseline else "normal")
