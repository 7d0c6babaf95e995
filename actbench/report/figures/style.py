"""How every picture looks: sizes, fonts, colours that differ in more than hue, and how a figure becomes bytes."""

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
from actbench.report.figures.words import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_INCHES, PAGE_INCHES = 3.4, 7.0
FONT_POINTS, SMALL_POINTS, CELL_POINTS = 8.0, 7.0, 6.5
FORMATS = ("svg", "png", "pdf")
DOTS_PER_INCH = 300

# Stand-ins that an inlined picture swaps for what the page says, so that it follows a light or dark scheme.
FOREGROUND, GRID = "#1b1f25", "#d3d7dd"
IN_A_PAGE = {FOREGROUND: "currentColor", GRID: f"var(--grid, {GRID})"}
IN_A_PAGE_PIXELS_PER_POINT = 1.75

# Okabe & Ito (2008); orange and sky blue are darkened, so that each has a contrast of 3:1 to white and to near-black.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87f00", "#3a96ce"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
# One of many, such as a seed: can be told from either page though others shine through.
ONE_OF_MANY, ALPHA_OF_MANY = "#1780c4", 0.85
Dash = tuple[float, ...]
DASHES: tuple[Dash, ...] = ((), (4, 1.5), (1, 1.2), (5, 1.2, 1, 1.2), (2.2, 1.2))
MARKERS = ("o", "^", "v", "D", "P", "<", ">", "p", "*", "h", "d")

SETTINGS: dict[str, Any] = {
    "axes.edgecolor": FOREGROUND,
    "axes.facecolor": "none",
    "axes.labelcolor": FOREGROUND,
    "axes.labelsize": FONT_POINTS,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": FOREGROUND,
    "axes.titlelocation": "left",
    "axes.titlepad": 3.0,
    "axes.titlesize": SMALL_POINTS,
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.04,
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_POINTS,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "legend.fontsize": SMALL_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.labelcolor": FOREGROUND,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "actbench",
    "text.color": FOREGROUND,
    "text.parse_math": False,
    "xtick.color": FOREGROUND,
    "xtick.labelsize": SMALL_POINTS,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.color": FOREGROUND,
    "ytick.labelsize": SMALL_POINTS,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}


@dataclass(frozen=True)
class Stroke:
    """What tells one curve from the others: its colour, its dashes and its marker, any of which is enough."""

    colour: str
    dashes: Dash
    marker: str
    width: float = 1.2

    def line(self) -> dict[str, Any]:
        """As matplotlib's `plot` takes it, markers left out."""
        return {"color": self.colour, "dashes": self.dashes or (None, None), "linewidth": self.width}


BASELINE = Stroke(FOREGROUND, (), "s", 1.6)


def strokes(labels: Sequence[str], baselines: Sequence[str] = ()) -> dict[str, Stroke]:
    """A stroke of its own for each label, up to 330 of them; what is a baseline has the one that is kept for that."""
    others = [label for label in dict.fromkeys(labels) if label not in baselines]
    chosen = {
        label: Stroke(COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)], MARKERS[number % len(MARKERS)])
        for number, label in enumerate(others)
    }
    return {label: chosen.get(label, BASELINE) for label in labels}


@contextmanager
def drawing() -> Iterator[None]:
    """The style of every picture, whatever the user's own settings of matplotlib are."""
    import matplotlib as mpl

    families = {key.split(".")[0] for key in SETTINGS} | {"errorbar", "hatch", "lines", "patch", "path", "savefig"}
    defaults = {key: mpl.rcParamsDefault[key] for key in mpl.rcParamsDefault if key.split(".")[0] in families}
    settings: Any = {**defaults, **SETTINGS}
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A name in a script that the font lacks is text in an SVG all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def figure_to_svg(figure: Figure, identifier: str, title: str, description: str) -> str:
    """The figure as an element for a page: named for screen readers, all ids its own, as wide as the page lets it.

    Text stays text, and what is drawn in `FOREGROUND` or `GRID` takes the page's colours `currentColor` and `--grid`.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with drawing():
        figure.savefig(buffer, format="svg", facecolor="none", metadata=metadata)
    pixels = round(figure.get_figwidth() * 72 * IN_A_PAGE_PIXELS_PER_POINT)
    size = "wide" if figure.get_figwidth() > COLUMN_INCHES else "column"
    return inline_svg(
        buffer.getvalue(), identifier, plain(title), plain(description), IN_A_PAGE, widest=pixels, size=size
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as SVG, PNG or PDF, as the file's ending says; the same bytes for the same figure.

    Raises `ConfigurationError` on another ending and `UnusableEnvironmentError` where the file cannot be written.
    """
    ending = require_format(path)
    metadata: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[ending]
    with drawing():
        try:
            figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)
        except OSError as problem:
            raise UnusableEnvironmentError(f"{path}: cannot be written ({problem.strerror})") from None


def require_format(path: Path) -> str:
    """The format that a file's ending names; raises `ConfigurationError` on any that cannot be drawn."""
    ending = path.suffix[1:].lower()
    if ending not in FORMATS:
        raise ConfigurationError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return ending
