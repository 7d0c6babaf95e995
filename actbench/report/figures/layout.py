"""Pictures, and the layout they share: panels, texts, legends."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from actbench.experiment.metrics import Metric
from actbench.report.figures.style import COLUMN_INCHES, FONT_POINTS, PAGE_INCHES, SMALL_POINTS, Stroke, drawing
from actbench.report.numbers import value
from actbench.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

MAX_LABEL_LENGTH = 48
MAX_LINES = 4
MAX_SMALL_IN_A_COLUMN = 4
# Of DejaVu Sans; capitals are wider, and i, l and commas make up for them.
EM_OF_A_CHARACTER = 0.57
HANDLE_INCHES = 0.7
BREAKS = re.compile(r"(\s+|(?<=\()(?=\w))")
Shape = tuple[float, int, int]
Sentences = Iterable[str | Literal[False]]


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when it is needed.

    `name` is the stem of its file; `caption` explains how to read it; `description` states its main numbers in words,
    for readers who cannot see it.
    """

    name: str
    title: str
    caption: str
    description: str
    draw: Callable[[], Figure]


def picture(
    name: str, title: str, draw: Callable[[], Figure], *, caption: Sentences, description: Sentences
) -> Picture:
    """A picture with the sentences that apply, drawn in the style of all pictures."""

    def draw_in_style() -> Figure:
        with drawing():
            return draw()

    def join(sentences: Sentences) -> str:
        return " ".join(sentence for sentence in sentences if sentence)

    return Picture(name, title, join(caption), join(description), draw_in_style)


def number_shown(shown: int, total: int, how: str = "shown", *, first: str = "best") -> str:
    """How many arms are left out, if any are."""
    return f"The {first} {shown} of {total} arms are {how}." if shown < total else ""


def with_unit(number: float | None, metric: Metric) -> str:
    """`97.95 %`; numbers that are no shares have no unit."""
    return f"{value(number, metric)}{' %' * (metric.unit == 'share')}"


def shortened(text: str, longest: int = MAX_LABEL_LENGTH) -> str:
    """The text as it is, or its beginning and end if it is longer."""
    text = visible(text)
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def wrapped(label: str, widest: int = MAX_LABEL_LENGTH) -> str:
    """The label in lines, broken at spaces and brackets if possible; only very long labels are cut."""
    wrapper = textwrap.TextWrapper(widest, break_on_hyphens=False, max_lines=MAX_LINES, placeholder="…")
    wrapper.wordsep_simple_re = BREAKS
    return wrapper.fill(visible(label))


def text_inches(text: str) -> float:
    """The approximate width of small text."""
    return len(text) * EM_OF_A_CHARACTER * SMALL_POINTS / 72


def characters_in(inches: float) -> int:
    """Approximately how many characters of small text fit."""
    return max(8, int(inches / text_inches("x")))


def embolden(texts: Iterable[Text], are_bold: Iterable[bool]) -> None:
    """Set some of the texts, such as the labels of ticks, in bold."""
    for text, is_bold in zip(texts, are_bold, strict=False):  # hidden labels are not among the texts
        text.set_fontweight("bold" if is_bold else "normal")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure with constrained layout; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def grid_shape(panels: int, *, are_small: bool) -> Shape:
    """The width in inches, the rows and the columns: in a paper's column if they fit there, else across the page."""
    if panels <= (MAX_SMALL_IN_A_COLUMN if are_small else 1):
        width, columns = COLUMN_INCHES, min(panels, 2)
    else:
        width, columns = PAGE_INCHES, panels if panels < 4 else 3 if panels in (5, 6, 9) else 4
        columns = 2 if panels == 4 else columns
    return width, -(-panels // columns), columns


def panel_grid(
    titles: Sequence[str], shape: Shape, row_inches: float, are_bold: Sequence[bool] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, some in bold; all share their axes, numbered at the outer panels."""
    width, rows, columns = shape
    figure = new_figure(width, rows * row_inches)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    for axes in panels[len(titles) :]:
        axes.set_visible(False)
    for number, (axes, title) in enumerate(zip(panels, titles, strict=False)):
        weight = "bold" if any(are_bold[number : number + 1]) else "normal"
        lines = wrapped(title, characters_in(width / columns - 0.35))
        axes.set_title(lines, linespacing=1.1, fontweight=weight)
        axes.tick_params(labelbottom=number + columns >= len(titles))
    return figure, panels[: len(titles)]


def name_axes(figure: Figure, panels: Sequence[Axes], shape: Shape, x_name: str, y_name: Sequence[str]) -> None:
    """Name x under the lowest panels, and y once: beside a single row, or along the whole figure."""
    _, rows, columns = shape
    for axes in panels[-columns:]:
        axes.set_xlabel(x_name)
    if rows == 1:
        panels[0].set_ylabel("\n".join(y_name), fontsize=SMALL_POINTS)
    else:
        figure.supylabel(" ".join(y_name), fontsize=FONT_POINTS)


def key(stroke: Stroke, label: str) -> Line2D:
    """A curve's entry in a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, marker=stroke.marker, markersize=3.5, **stroke.line())


def dot(label: str, **style: Any) -> Line2D:
    """A marker's entry in a legend, without a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **{"linestyle": "", **style})


def legend_below(figure: Figure, handles: Sequence[Line2D]) -> None:
    """One legend under all panels; the figure grows by its height."""
    place: Any = {"loc": "outside lower center", "borderaxespad": 0.2}
    legend = _widest_legend(figure.legend, handles, figure.get_figwidth(), place)
    figure.set_figheight(figure.get_figheight() + legend.get_window_extent().height / figure.dpi)


def legends_below_panels(
    figure: Figure, panels: Sequence[Axes], handles: Sequence[Sequence[Line2D]], shape: Shape
) -> None:
    """A legend under each panel; the figure grows by the highest legend for each row."""
    width, rows, columns = shape
    place: Any = {"loc": "upper left", "bbox_to_anchor": (0.0, -0.24), "borderaxespad": 0.0}
    legends = [
        _widest_legend(axes.legend, entries, width / columns, place)
        for axes, entries in zip(panels, handles, strict=True)
    ]
    highest = max(legend.get_window_extent().height for legend in legends) / figure.dpi
    figure.set_figheight(figure.get_figheight() + rows * highest)


def _widest_legend(
    make: Callable[..., Legend], handles: Sequence[Line2D], inches: float, place: dict[str, Any]
) -> Legend:
    """The legend with as many columns as fit."""
    longest = min(MAX_LABEL_LENGTH, characters_in(inches - HANDLE_INCHES))
    labels = [wrapped(str(handle.get_label()), longest) for handle in handles]
    for columns in range(min(len(labels), 3 if inches <= COLUMN_INCHES else 6), 0, -1):
        legend = make(handles, labels, ncols=columns, **place)
        if columns == 1 or legend.get_window_extent().width <= inches * legend.figure.dpi:
            break
        legend.remove()
    return legend
