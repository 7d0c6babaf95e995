"""What several pictures do with matplotlib's axes: ticks, small multiples, legends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.report.figures.scales import Scale, ticks
from actbench.report.figures.style import COLUMN_INCHES, FONT_POINTS, SMALL_POINTS, Stroke
from actbench.report.figures.words import MAX_LABEL_LENGTH, wrapped

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

EPOCHS_ON_A_LOG_AXIS = Scale("log")
# Of DejaVu Sans; capitals are wider, and i, l and commas make up for them.
EM_OF_A_CHARACTER = 0.57
HANDLE_INCHES, GAP_INCHES = 0.42, 0.12


def new_figure(width: float, height: float) -> Figure:
    """An empty figure whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def text_inches(text: str, points: float = SMALL_POINTS) -> float:
    """About how wide a text is."""
    return len(text) * EM_OF_A_CHARACTER * points / 72


def characters_in(inches: float, points: float = SMALL_POINTS) -> int:
    """About how many characters fit."""
    return max(8, int(inches * 72 / (EM_OF_A_CHARACTER * points)))


def set_x(axes: Axes, scale: Scale, bounds: tuple[float, float], most: int) -> None:
    """Round values along x, which runs between two positions."""
    axes.set_xlim(*bounds)
    marked = ticks(scale, *bounds, most)
    axes.set_xticks([position for position, _ in marked], labels=[text for _, text in marked])


def set_y(axes: Axes, scale: Scale, bounds: tuple[float, float], most: int) -> None:
    """Round values along y, with lines across."""
    axes.set_ylim(*bounds)
    marked = ticks(scale, *bounds, most)
    axes.set_yticks([position for position, _ in marked], labels=[text for _, text in marked])
    axes.grid(axis="y")


def set_epochs(axes: Axes, last: int, *, is_long: bool, most: int) -> None:
    """Whole epochs along x, by ratio in a long training."""
    if is_long:
        marked = ticks(EPOCHS_ON_A_LOG_AXIS, 0.0, EPOCHS_ON_A_LOG_AXIS.at(last), most)
        axes.set_xticks([position for position, _ in marked], labels=[text for _, text in marked])
    else:
        step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100) if last // step <= most)
        shown = [1, *(epoch for epoch in range(step, last + 1, step) if epoch > 1 and (step == 1 or epoch > step / 2))]
        axes.set_xticks(shown, labels=[str(epoch) for epoch in shown])


def set_epochs_from_0(axes: Axes, last: int, *, is_long: bool) -> None:
    """A few whole epochs along x, epoch 0 among them: in a long training by ratio of one more than the epoch."""
    if is_long:
        shown = [0, *(10**power for power in range(1, 7) if 10**power <= last)]
        axes.set_xticks([math.log10(epoch + 1) for epoch in shown], labels=[f"{epoch:g}" for epoch in shown])
    else:
        step = max(1, -(-last // 4))
        axes.set_xticks(range(0, last + 1, step))


def name_y(figure: Figure, grid: Any, parts: Sequence[str]) -> None:
    """One name for all y axes: beside a single row of panels, else along the whole figure, where it has room."""
    if len(grid) == 1:
        grid[0][0].set_ylabel("\n".join(parts), fontsize=SMALL_POINTS)
    else:
        figure.supylabel(" ".join(parts), fontsize=FONT_POINTS)


def title_panel(axes: Axes, title: str, inches: float, *, is_bold: bool = False) -> None:
    """A panel's title in as many lines as its width takes."""
    weight = "bold" if is_bold else "normal"
    axes.set_title("\n".join(wrapped(title, characters_in(inches))), linespacing=1.1, fontweight=weight)


def key(stroke: Stroke, label: str, *, has_marker: bool = True) -> Line2D:
    """A curve's entry in a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, marker=stroke.marker if has_marker else "", markersize=3.5, **stroke.line())


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend under all panels, in as many columns as its names leave room for."""
    labels, columns = _legend_labels(handles, figure.get_figwidth())
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, columnspacing=1.0, borderaxespad=0.2)


def legend_under(axes: Axes, handles: Sequence[Artist], width: float) -> None:
    """A panel's own legend under its axis' name."""
    labels, columns = _legend_labels(handles, width)
    below: Any = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.24), "borderaxespad": 0.0}
    axes.legend(handles, labels, ncols=columns, columnspacing=1.0, **below)


def legend_inches(handles: Sequence[Artist], width: float) -> float:
    """How much height a legend takes."""
    labels, columns = _legend_labels(handles, width)
    rows = -(-len(labels) // columns) if labels else 0
    heights = [0.035 + 0.12 * (label.count("\n") + 1) for label in labels]
    return 0.12 + max((sum(heights[first : first + rows]) for first in range(0, len(labels), rows or 1)), default=0.0)


def _legend_labels(handles: Sequence[Artist], width: float) -> tuple[list[str], int]:
    """The names in lines that fit, and how many columns of them do."""
    room = min(MAX_LABEL_LENGTH, characters_in(width - HANDLE_INCHES - 2 * GAP_INCHES))
    labels = ["\n".join(wrapped(str(handle.get_label()), room)) for handle in handles]
    widest = max((text_inches(line) for label in labels for line in label.split("\n")), default=0.0)
    columns = int((width - GAP_INCHES) / (widest + HANDLE_INCHES + GAP_INCHES))
    return labels, max(1, min(len(labels), columns, 3 if width <= COLUMN_INCHES else 6))


def dot(label: str, **style: Any) -> Line2D:
    """A marker's entry in a legend, without a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"linestyle": "", **style})
