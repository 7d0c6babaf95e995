"""Pictures as files: SVG by ourselves, PDF and PNG by matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.figures.marks import ROLES, Area, Dot, Group, Line, Mark, Scene, Text, marker_points
from actbench.report.figures.svg import file_svg
from actbench.store.files import write_atomically
from actbench.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("svg", "png", "pdf")
DOTS_PER_INCH = 300
# Both come with matplotlib; STIX goes with the serif fonts of papers.
FONTS = {"sans": "DejaVu Sans", "serif": "STIXGeneral"}
SANS_SCALE = 0.9  # DejaVu Sans is wider than most fonts of its size


def save_scene(scene: Scene, path: Path, title: str, description: str, font: str = "sans") -> None:
    """Write a picture as SVG, PNG or PDF, depending on the suffix; the same picture gives the same bytes.

    Raises `ConfigurationError` on another suffix and `UnusableEnvironmentError` if the file cannot be written.
    """
    suffix = require_format(path)
    try:
        if suffix == "svg":
            write_atomically(path, file_svg(scene, title, description))
        else:
            _paint(scene, path, suffix, font)
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be written ({problem.strerror})") from None


def require_format(path: Path) -> str:
    """The image format of a file name, by its suffix; raises `ConfigurationError` on an unknown one."""
    suffix = path.suffix[1:].lower()
    if suffix not in FORMATS:
        raise ConfigurationError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return suffix


def _paint(scene: Scene, path: Path, suffix: str, font: str) -> None:
    from matplotlib.figure import Figure

    metadata: dict[str, Any] = {"png": {}, "pdf": {"CreationDate": None}}[suffix]
    with _style(font):
        figure = Figure(figsize=(scene.width / 72, scene.height / 72))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
        axes.set_axis_off()
        for number, mark in enumerate(_flat(scene.marks)):
            _draw(axes, mark, number, SANS_SCALE if font == "sans" else 1.0)
        figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)


@contextmanager
def _style(font: str) -> Iterator[None]:
    """Independent of the user's matplotlib settings; text stays text."""
    from matplotlib import style

    settings = {"font.family": FONTS[font], "pdf.fonttype": 42, "text.parse_math": False}
    with style.context(["default", settings]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _flat(marks: Any) -> Iterator[Any]:
    for mark in marks:
        yield from _flat(mark.marks) if isinstance(mark, Group) else (mark,)


def _draw(axes: Axes, mark: Mark, order: int, text_scale: float) -> None:
    if isinstance(mark, Group):
        return
    style: dict[str, Any] = {"color": ROLES.get(mark.colour, mark.colour), "zorder": order, "clip_on": False}
    if isinstance(mark, Text):
        placed: Any = {"ha": {"start": "left", "middle": "center", "end": "right"}[mark.anchor], "va": "baseline"}
        turned: Any = {"rotation": -mark.turn, "rotation_mode": "anchor"}
        weight = "bold" if mark.is_bold else "normal"
        axes.text(
            mark.x, mark.y, visible(mark.text), fontsize=mark.size * text_scale, fontweight=weight,
            **placed, **turned, **style,
        )  # fmt: skip
    elif isinstance(mark, Line):
        x, y = zip(*mark.points, strict=True)
        dashes: Any = {"dashes": [length / mark.width for length in mark.dashes]} if mark.dashes else {}
        axes.plot(x, y, linewidth=mark.width, alpha=mark.opacity, solid_capstyle="butt", **dashes, **style)
    elif isinstance(mark, Area):
        edge = (
            {"edgecolor": ROLES.get(mark.edge, mark.edge), "linewidth": mark.edge_width}
            if mark.edge
            else {"linewidth": 0}
        )
        _fill(axes, mark.points, style, mark.opacity, edge)
    elif isinstance(mark, Dot) and mark.marker == "x":
        r = mark.radius
        for sign in (-1, 1):
            axes.plot([mark.x - r, mark.x + r], [mark.y - sign * r, mark.y + sign * r], linewidth=1.0, **style)
    elif mark.marker == "o":
        inside = "none" if mark.is_hollow else style["color"]
        rim: dict[str, Any] = {"edgecolor": style["color"], "linewidth": 1.0 if mark.is_hollow else 0.0}
        axes.add_patch(
            _circle(mark, {"facecolor": inside, "zorder": order, "alpha": mark.opacity, "clip_on": False, **rim})
        )
    else:
        _fill(axes, marker_points(mark), style, mark.opacity, {"linewidth": 0})


def _fill(axes: Axes, points: Any, style: dict[str, Any], opacity: float, edge: dict[str, Any]) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Polygon

    fill = to_rgba(style["color"], opacity)
    axes.add_patch(Polygon(points, facecolor=fill, zorder=style["zorder"], clip_on=False, **edge))


def _circle(dot: Dot, style: dict[str, Any]) -> Any:
    from matplotlib.patches import Circle

    return Circle((dot.x, dot.y), dot.radius, **style)
