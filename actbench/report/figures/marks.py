"""What a picture consists of: lines, dots, texts and areas at fixed places, for every renderer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
Points = Sequence[Point]
Anchor = Literal["start", "middle", "end"]

# Colours by their role; each renderer has its own, so that a page follows a light or dark scheme.
INK, QUIET, GRID, BAND, PAGE = "ink", "quiet", "grid", "band", "page"
ROLES = {INK: "#1b1f25", QUIET: "#525a64", GRID: "#d3d7dd", BAND: "#e9ebee", PAGE: "#ffffff"}
# Okabe & Ito (2008), darkened where needed, so that each has a contrast of 3:1 to white and to near-black.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#b8639a", "#b87f00", "#3a96ce"
GREY = "#7b828c"

MARKER_CORNERS = {
    "s": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
    "D": [(0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)],
    "^": [(0, -1.15), (1.1, 0.85), (-1.1, 0.85)],
    "v": [(0, 1.15), (1.1, -0.85), (-1.1, -0.85)],
    "<": [(-1.15, 0), (0.85, 1.1), (0.85, -1.1)],
    ">": [(1.15, 0), (-0.85, 1.1), (-0.85, -1.1)],
    "P": [
        (-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4),
        (0.4, 1.1), (-0.4, 1.1), (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4),
    ],
}  # fmt: skip
CJK, MINUS = 0x2E80, "\N{MINUS SIGN}"
EMS = dict.fromkeys("iljtfrI.,:;'|!()[] -", 0.38) | dict.fromkeys(f"mwMW%@+{MINUS}\N{MULTIPLICATION SIGN}=→←", 0.9)


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Points
    colour: str = INK
    width: float = 1.0
    dashes: Sequence[float] = ()
    opacity: float = 1.0


@dataclass(frozen=True)
class Area:
    """A filled polygon; `edge` is the colour of its outline, if it has one."""

    points: Points
    colour: str
    opacity: float = 1.0
    edge: str = ""
    edge_width: float = 1.0


@dataclass(frozen=True)
class Dot:
    """A marker: one of `MARKERS`, or a cross `x`."""

    x: float
    y: float
    radius: float
    colour: str = INK
    marker: str = "o"
    opacity: float = 1.0
    is_hollow: bool = False
    tip: str = ""


@dataclass(frozen=True)
class Text:
    """One line of text on a baseline."""

    x: float
    y: float
    text: str
    size: float
    anchor: Anchor = "start"
    colour: str = INK
    is_bold: bool = False


@dataclass(frozen=True)
class Group:
    """What belongs to one arm, named by its label; `tip` is shown where a reader points at it."""

    marks: Sequence[Mark]
    arm: str = ""
    tip: str = ""


Mark = Line | Area | Dot | Text | Group


@dataclass(frozen=True)
class Scene:
    """A picture of a fixed size, in points of paper or in pixels of a page."""

    width: float
    height: float
    marks: Sequence[Mark]

    def walk(self) -> Iterator[Mark]:
        """Every mark, those in groups included."""
        waiting = list(reversed(self.marks))
        while waiting:
            yield (mark := waiting.pop())
            waiting += reversed(mark.marks) if isinstance(mark, Group) else ()


def box(x: float, y: float, width: float, height: float) -> list[Point]:
    """The corners of a rectangle, from its upper left one."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def marker_points(dot: Dot) -> list[Point]:
    """The corners of a marker that is no circle."""
    return [(dot.x + dot.radius * x, dot.y + dot.radius * y) for x, y in MARKER_CORNERS[dot.marker]]


def minus(text: str) -> str:
    """The text with a true minus before its numbers."""
    return text.replace("-", MINUS)


def text_width(text: str, size: float, *, is_bold: bool = False) -> float:
    """About how wide a text is in any usual font."""
    ems = sum(EMS.get(one) or (1.0 if ord(one) >= CJK else 0.63 + 0.09 * one.isupper()) for one in text)
    return ems * size * (1.07 if is_bold else 1.0)


def shortened(text: str, size: float, width: float) -> str:
    """The text as it is, or its beginning and end if it is wider."""
    if text_width(text, size) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = kept * 2 // 3
        short = f"{text[:head]}…{text[len(text) - (kept - head) :]}"
        if text_width(short, size) <= width:
            return short
    return "…"


def lines_of(text: str, size: float, width: float, most: int = 4) -> list[str]:
    """The text in lines, broken at spaces; a line that is too wide is shortened, as is the rest beyond the last."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and (text_width(joined, size) <= width or len(lines) == most):
            lines[-1] = joined
        else:
            lines.append(word)
    return [shortened(line, size, width) for line in lines]
