"""A picture as an element of a page, or as a file: SVG by ourselves, PDF and PNG by matplotlib."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actbench.errors import ConfigurationError
from actbench.report.figures.marks import INK, ROLES, Area, Dot, Group, Line, Mark, Points, Scene, Text, marker_points
from actbench.store.files import write_atomically, writing
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
    with writing(path):
        if suffix == "svg":
            write_atomically(path, file_svg(scene, title, description))
        else:
            _paint(scene, path, suffix, font)


def require_format(path: Path) -> str:
    """The image format of a file name, by its suffix; raises `ConfigurationError` on an unknown one."""
    suffix = path.suffix[1:].lower()
    if suffix not in FORMATS:
        raise ConfigurationError(f"{path}: expected a name that ends in {', '.join(FORMATS)}")
    return suffix


def _paint(scene: Scene, path: Path, suffix: str, font: str) -> None:
    from matplotlib import style
    from matplotlib.figure import Figure

    metadata: dict[str, Any] = {"png": {}, "pdf": {"CreationDate": None}}[suffix]
    settings = {"font.family": FONTS[font], "pdf.fonttype": 42, "text.parse_math": False}
    # Independent of the user's matplotlib settings; text stays text.
    with style.context(["default", settings]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(scene.width / 72, scene.height / 72))
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
        axes.set_axis_off()
        for number, mark in enumerate(scene.walk()):
            _draw(axes, mark, number, SANS_SCALE if font == "sans" else 1.0)
        figure.savefig(path, dpi=DOTS_PER_INCH, facecolor="white", metadata=metadata)


def _draw(axes: Axes, mark: Mark, order: int, text_scale: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Circle, Polygon

    if isinstance(mark, Group):
        return
    placed: dict[str, Any] = {"zorder": order, "clip_on": False}
    colour = ROLES.get(mark.colour, mark.colour)
    if isinstance(mark, Text):
        placed |= {"ha": {"start": "left", "middle": "center", "end": "right"}[mark.anchor], "va": "baseline"}
        placed |= {"fontsize": mark.size * text_scale, "fontweight": "bold" if mark.is_bold else "normal"}
        axes.text(mark.x, mark.y, visible(mark.text), color=colour, **placed)
    elif isinstance(mark, Line):
        placed |= {"dashes": [length / mark.width for length in mark.dashes]} if mark.dashes else {}
        style: dict[str, Any] = {"linewidth": mark.width, "alpha": mark.opacity, "solid_capstyle": "butt"}
        axes.plot(*zip(*mark.points, strict=True), color=colour, **style, **placed)
    elif isinstance(mark, Dot) and mark.marker == "x":
        for ends in _cross(mark):
            axes.plot(*zip(*ends, strict=True), color=colour, linewidth=1.0, **placed)
    elif isinstance(mark, Area):
        style = {"edgecolor": ROLES.get(mark.edge, mark.edge), "linewidth": mark.edge_width} if mark.edge else {"lw": 0}
        axes.add_patch(Polygon(mark.points, facecolor=to_rgba(colour, mark.opacity), **style, **placed))
    else:
        shape = Circle((mark.x, mark.y), mark.radius) if mark.marker == "o" else Polygon(marker_points(mark))
        face, width = ("none", 1.0) if mark.is_hollow else (colour, 0.0)
        shape.set(facecolor=face, edgecolor=colour, linewidth=width, alpha=mark.opacity, **placed)
        axes.add_patch(shape)


def _cross(dot: Dot) -> Sequence[Points]:
    x, y, r = dot.x, dot.y, dot.radius
    return [(x - r, y - r), (x + r, y + r)], [(x - r, y + r), (x + r, y - r)]


FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
IN_A_PAGE = {role: f"var(--{role}, {colour})" for role, colour in ROLES.items()} | {INK: "currentColor"}


def page_svg(scene: Scene, identifier: str, title: str, description: str, arms: Mapping[str, int]) -> str:
    """The picture in the colours of its page, with a title and a description for screen readers."""
    names = f'aria-labelledby="{identifier}-title {identifier}-description"'
    return (
        f'<svg role="img" {names} viewBox="0 0 {_number(scene.width)} {_number(scene.height)}">'
        f'<title id="{identifier}-title">{_text(title)}</title>'
        f'<desc id="{identifier}-description">{_text(description)}</desc>'
        f"{_marks(scene.marks, IN_A_PAGE, arms)}</svg>"
    )


def file_svg(scene: Scene, title: str, description: str) -> str:
    """The picture as a file, on a white ground."""
    width, height = _number(scene.width), _number(scene.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="background: white; color: {ROLES[INK]}; font-family: {FONT}">\n'
        f"<title>{_text(title)}</title>\n<desc>{_text(description)}</desc>\n"
        f"{_marks(scene.marks, ROLES, {})}\n</svg>\n"
    )


def _marks(marks: Sequence[Mark], colours: Mapping[str, str], arms: Mapping[str, int]) -> str:
    return "".join(_mark(mark, colours, arms) for mark in marks)


def _mark(mark: Mark, colours: Mapping[str, str], arms: Mapping[str, int]) -> str:
    if isinstance(mark, Group):
        arm = f' data-arm="{arms[mark.arm]}"' if mark.arm in arms else ""
        return f"<g{arm}>{_tip(mark.tip)}{_marks(mark.marks, colours, arms)}</g>"
    colour = colours.get(mark.colour, mark.colour)
    opacity = "" if isinstance(mark, Text) or mark.opacity == 1 else f' opacity="{_number(mark.opacity)}"'
    if isinstance(mark, Line):
        dashes = f' stroke-dasharray="{" ".join(map(_number, mark.dashes))}"' if mark.dashes else ""
        drawn = f'fill="none" stroke="{colour}" stroke-width="{_number(mark.width)}"{dashes}{opacity}'
        return f'<path d="{path_of(mark.points)}" {drawn}/>'
    if isinstance(mark, Area):
        edge = colours.get(mark.edge, mark.edge)
        stroke = f' stroke="{edge}" stroke-width="{_number(mark.edge_width)}"' if edge else ""
        inside = "" if mark.opacity == 1 else f' fill-opacity="{_number(mark.opacity)}"'
        return f'<path d="{path_of(mark.points)}Z" fill="{colour}"{inside}{stroke}/>'
    if isinstance(mark, Dot):
        return _dot(mark, colour, opacity)
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    bold = ' font-weight="600"' if mark.is_bold else ""
    place = f'x="{_number(mark.x)}" y="{_number(mark.y)}" font-size="{_number(mark.size)}"'
    return f'<text {place}{anchor}{bold} fill="{colour}">{_text(mark.text)}</text>'


def _dot(dot: Dot, colour: str, opacity: str) -> str:
    x, y, r = dot.x, dot.y, dot.radius
    style = f'fill="none" stroke="{colour}" stroke-width="1.3"' if dot.is_hollow else f'fill="{colour}"'
    if dot.marker == "x":
        drawn, style = f'path d="{"".join(map(path_of, _cross(dot)))}"', f'stroke="{colour}" stroke-width="1.4"'
    elif dot.marker == "o":
        drawn = f'circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(r)}"'
    else:
        drawn = f'path d="{path_of(marker_points(dot))}Z"'
    tip = _tip(dot.tip)
    return f"<{drawn} {style}{opacity}>{tip}</{drawn.partition(' ')[0]}>" if tip else f"<{drawn} {style}{opacity}/>"


def _tip(tip: str) -> str:
    return f"<title>{_text(tip)}</title>" if tip else ""


def path_of(points: Points) -> str:
    """The commands of a path through points."""
    return "M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in points)


def _text(text: str) -> str:
    return escape(visible(text), quote=False)


def _number(number: float) -> str:
    """At most one digit after the point, two below ten."""
    if not math.isfinite(number):
        return "0"
    text = f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
