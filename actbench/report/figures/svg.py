"""A picture as an `svg` element of a page, or as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from actbench.report.figures.marks import (
    INK,
    ROLES,
    Area,
    Dot,
    Group,
    Line,
    Mark,
    Point,
    Scene,
    Text,
    marker_points,
)
from actbench.text import visible

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
IN_A_PAGE = {role: f"var(--{role}, {colour})" for role, colour in ROLES.items()} | {INK: "currentColor"}


def page_svg(scene: Scene, identifier: str, title: str, description: str, arms: Mapping[str, int]) -> str:
    """The picture in the colours of its page, with a title and a description for screen readers.

    What belongs to an arm has its number as `data-arm`.
    """
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
        edge = f' stroke="{colours.get(mark.edge, mark.edge)}" stroke-width="{_number(mark.edge_width)}"' * bool(
            mark.edge
        )
        inside = "" if mark.opacity == 1 else f' fill-opacity="{_number(mark.opacity)}"'
        return f'<path d="{path_of(mark.points)}Z" fill="{colour}"{inside}{edge}/>'
    if isinstance(mark, Dot):
        return _dot(mark, colour, opacity)
    turned = f' transform="rotate({_number(mark.turn)} {_number(mark.x)} {_number(mark.y)})"' if mark.turn else ""
    anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
    bold = ' font-weight="600"' if mark.is_bold else ""
    place = f'x="{_number(mark.x)}" y="{_number(mark.y)}" font-size="{_number(mark.size)}"'
    return f'<text {place}{anchor}{bold} fill="{colour}"{turned}>{_text(mark.text)}</text>'


def _dot(dot: Dot, colour: str, opacity: str) -> str:
    if dot.marker == "x":
        r = dot.radius
        ends = [(dot.x - r, dot.y - r), (dot.x + r, dot.y + r)], [(dot.x - r, dot.y + r), (dot.x + r, dot.y - r)]
        drawn, style = f'path d="{"".join(map(path_of, ends))}"', f'stroke="{colour}" stroke-width="1.4"'
    else:
        style = f'fill="none" stroke="{colour}" stroke-width="1.3"' if dot.is_hollow else f'fill="{colour}"'
        drawn = f'path d="{path_of(marker_points(dot))}Z"' if dot.marker != "o" else _circle(dot)
    tip = _tip(dot.tip)
    return f"<{drawn} {style}{opacity}>{tip}</{drawn.partition(' ')[0]}>" if tip else f"<{drawn} {style}{opacity}/>"


def _circle(dot: Dot) -> str:
    return f'circle cx="{_number(dot.x)}" cy="{_number(dot.y)}" r="{_number(dot.radius)}"'


def _tip(tip: str) -> str:
    return f"<title>{_text(tip)}</title>" if tip else ""


def path_of(points: Sequence[Point]) -> str:
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
