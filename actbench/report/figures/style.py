"""The look of every picture: sizes, fonts, colours that differ in more than hue, and figures as bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.figures.svg import inline_svg
from actbench.text import visible

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

COLUMN_INCHES, PAGE_INCHES = 3.4, 7.0
FONT_POINTS, SMALL_POINTS, CELL_POINTS = 8.0, 7.0, 6.5
FORMATS = ("svg", "png", "pdf")
DOTS_PER_INCH = 300

# Placeholders that an inlined picture replaces by the page's colours, so that it follows a light or dark scheme.
FOREGROUND, GRID = "#1b1f25", "#d3d7dd"
IN_A_PAGE = {FOREGROUND: "currentColor", GRID: f"var(--grid, {GRID})"}
IN_A_PAGE_PIXELS_PER_POINT = 1.75

# Okabe & Ito (2008); orange and sky blue are darkened, so that each has a contrast of 3:1 to white and to near-black.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87f00", "#3a96ce"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
# For one of many seeds: keeps that contrast although other lines shine through.
SEED, SEED_ALPHA = "#1780c4", 0.85
# Made for colour-blind eyes, and ordered by lightness alone (Nunez, Anderton & Renslow 2018).
COLOUR_MAP = "cividis"
Dash = tuple[float, ...]
DASHES: tuple[Dash, ...] = ((), (4, 1.5), (1, 1.2), (5, 1.2, 1, 1.2), (2.2, 1.2))
MARKERS = ("o", "^", "v", "D", "P", "<", ">", "p", "*", "h", "d")

TICKS = {"color": FOREGROUND, "labelsize": SMALL_POINTS, "major.size": 2.5, "major.width": 0.6}
SETTINGS: dict[str, Any] = {
    "axes.edgecolor": FOREGROUND,
    "axes.facecolor": "none",
    "axes.labelcolor": FOREGROUND,
    "axes.labelsize": FONT_POINTS,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 3.0,
    "axes.titlesize": SMALL_POINTS,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_POINTS,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "legend.columnspacing": 1.0,
    "legend.fontsize": SMALL_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "lines.markersize": 4.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "actbench",
    "text.color": FOREGROUND,
    "text.parse_math": False,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in TICKS.items()},
}


@dataclass(frozen=True)
class Stroke:
    """What distinguishes a curve from the others: its colour, dashes and marker, each of them sufficient."""

    colour: str
    dashes: Dash
    marker: str
    width: float = 1.2

    def line(self) -> dict[str, Any]:
        """The arguments of matplotlib's `plot`, without the marker."""
        return {"color": self.colour, "dashes": self.dashes or (None, None), "linewidth": self.width}


BASELINE = Stroke(FOREGROUND, (), "s", 1.6)


def strokes(labels: Sequence[str], baselines: Sequence[str] = ()) -> dict[str, Stroke]:
    """A different stroke for each of up to 330 labels; baselines have the stroke that is reserved for them."""
    others = [label for label in dict.fromkeys(labels) if label not in baselines]
    chosen = {
        label: Stroke(COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)])
        for number, label in enumerate(others)
    }
    return {label: chosen.get(label, BASELINE) for label in labels}


def colour_map(steps: int | None = None, *, is_reversed: bool = False) -> Colormap:
    """Colours from dark to light, or from light to dark; continuous, or in so many steps."""
    import matplotlib as mpl

    chosen = mpl.colormaps[f"{COLOUR_MAP}{'_r' * is_reversed}"]
    return chosen if steps is None else chosen.resampled(steps)


def contrast(first: Sequence[float], second: Sequence[float]) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2 defines it for red, green and blue from 0 to 1."""

    def luminance(colour: Sequence[float]) -> float:
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def text_colour(cell: Sequence[float]) -> str:
    """White or black, the one that is easier to read on the cell; its contrast is at least 4.5 to 1."""
    return "white" if contrast(cell, (1, 1, 1)) >= contrast(cell, (0, 0, 0)) else "black"


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of all pictures, independent of the user's matplotlib settings."""
    from matplotlib import style

    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        # A name in a script that the font lacks is text in an SVG all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def figure_to_svg(figure: Figure, identifier: str, title: str, description: str) -> str:
    """The figure as an `svg` element of a page, with a title and a description for screen readers.

    All ids begin with `identifier`. Text stays text, and what is drawn in `FOREGROUND` or `GRID` takes the page's
    colours `currentColor` and `--grid`.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with drawing():
        figure.savefig(buffer, format="svg", facecolor="none", metadata=metadata)
    width = figure.get_figwidth()
    return inline_svg(
        buffer.getvalue(),
        identifier,
        visible(title),
        visible(description),
        IN_A_PAGE,
        max_pixels=round(width * 72 * IN_A_PAGE_PIXELS_PER_POINT),
        size="wide" if width > COLUMN_INCHES else "column",
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as SVG, PNG or PDF, depending on the suffix; the same figure gives the same bytes.

    Raises `ConfigurationError` on another suffix and `UnusableEnvironmentError` if the file cannot be written.
    """
    suffix = require_format(path)
    metadata: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[suffix]
    with drawing():
        try:
            figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
        except OSError as problem:
            raise UnusableEnvironmentError(f"{path}: cannot be written ({problem.strerror})") from None


def require_format(path: Path) -> str:
    """The image format of a file name, by its suffix; raises `ConfigurationError` on an unknown one."""
    suffix = path.suffix[1:].lower()
    if suffix not in FORMATS:
        raise ConfigurationError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return suffix
