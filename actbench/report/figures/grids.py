"""An arrangement of arms as a figure: a panel beside the other, with titles and legends that have room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.report.figures.axes import key, legend_below, legend_inches, legend_under, name_y, new_figure, title_panel
from actbench.report.figures.panels import Arrangement, Panel
from actbench.report.figures.style import COLUMN_INCHES, PAGE_INCHES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


@dataclass(frozen=True)
class Place:
    """How wide a panel is, and how many of them the figure has."""

    inches: float
    panels: int


def draw_arrangement(
    arrangement: Arrangement,
    draw: Callable[[Axes, Panel, Place], None],
    y_name: Sequence[str],
    signs: Sequence[Line2D] = (),
) -> Figure:
    """Every panel, drawn by `draw`; the legend names the curves where there are several, and then the signs."""
    panels = arrangement.panels
    width, rows, columns = _shape(len(panels))
    is_shared, has_names = arrangement.shares_legend, len(arrangement.strokes) > 1
    named = [[key(arrangement.strokes[name], name) for _, name in panel.members] for panel in panels]
    below = [*(named[0] if is_shared and has_names else ()), *signs]
    each = 0.0 if is_shared else max(legend_inches(handles, width / columns) for handles in named)
    height = 0.4 + rows * ((2.1 if columns < 4 else 1.4) + each) + legend_inches(below, width)
    figure = new_figure(width, height)
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(panels):
            axes.set_visible(False)
            continue
        draw(axes, panels[number], Place(width / columns, len(panels)))
        title_panel(axes, panels[number].title, width / columns - 0.4)
        if not is_shared:
            legend_under(axes, named[number], width / columns)
    name_y(figure, grid, y_name)
    if below:
        legend_below(figure, below)
    return figure


def _shape(panels: int) -> tuple[float, int, int]:
    """The width, rows and columns."""
    columns = panels if panels < 3 else 2 if panels == 4 else 3 if panels <= 6 or panels == 9 else 4
    return COLUMN_INCHES if columns == 1 else PAGE_INCHES, -(-panels // columns), columns
