"""Pictures, the papers and the canvas that they are drawn on: marks, axes, names, labels at lines' ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from actbench.experiment.metrics import Metric
from actbench.report.figures.marks import (
    GRID,
    INK,
    QUIET,
    Anchor,
    Area,
    Dot,
    Group,
    Line,
    Mark,
    Points,
    Scene,
    Text,
    box,
    lines_of,
    shortened,
    text_width,
)
from actbench.report.figures.scales import Axis, Limits, Scale
from actbench.report.numbers import size

Sentences = Iterable[str | Literal[False]]
MAX_ARMS = 40
EMS_OF_A_NARROW_PAPER = 45


@dataclass(frozen=True)
class Paper:
    """What a picture is drawn on: its width and the size of its letters, both in points or pixels."""

    width: float
    size: float
    names: Mapping[str, str] | None = None

    @property
    def small(self) -> float:
        """The size of numbers and notes."""
        return 0.9 * self.size

    @property
    def is_narrow(self) -> bool:
        """Whether a name and a number beside a plot leave too little of it."""
        return self.width < EMS_OF_A_NARROW_PAPER * self.size

    def named(self, label: str) -> str:
        """How a label is printed on this paper."""
        return (self.names or {}).get(label, label)


PAGE, PHONE = Paper(900, 14), Paper(360, 13)
COLUMN, FULL = Paper(245, 8), Paper(504, 8)


def number_shown(shown: int, total: int, *, first: str = "best", noun: str = "arms") -> str:
    """How many arms, or what else they are, are shown, if not all."""
    return f"The {first} {shown} of {total} {noun} are shown." if shown < total else ""


def margin_shown(margin: float | None, metric: Metric) -> str:
    """What a grey band around 0 means, if there is one."""
    return "" if margin is None else f"Grey: less than {size(margin, metric)}, too small to matter."


class Canvas:
    """The marks of a picture on a paper, in their order; widths, radii and dashes are in the size of its letters."""

    def __init__(self, paper: Paper) -> None:
        self.em, self.small, self.width = paper.size, paper.small, paper.width
        self.is_narrow, self.named = paper.is_narrow, paper.named
        self.marks: list[Mark] = []

    @contextmanager
    def group(self, arm: str = "", tip: str = "") -> Iterator[None]:
        """What is drawn in it belongs to an arm, or has a tip."""
        outer, self.marks = self.marks, []
        yield
        outer.append(Group(self.marks, arm, tip))
        self.marks = outer

    def line(
        self, points: Points, colour: str = INK, width: float = 0.12, dashes: Sequence[float] = (), opacity: float = 1.0
    ) -> None:
        """A line through points; dashes are for letters of 14 pixels."""
        scaled = [length * self.em / 14 for length in dashes]
        self.marks.append(Line(points, colour, width * self.em, scaled, opacity))

    def box(
        self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0, edge: str = "",
        edge_width: float = 0.0,
    ) -> None:  # fmt: skip
        """A filled rectangle, from its upper left corner."""
        self.marks.append(Area(box(x, y, width, height), colour, opacity, edge, edge_width * self.em))

    def dot(
        self, x: float, y: float, radius: float, colour: str = INK, marker: str = "o", opacity: float = 1.0, *,
        is_hollow: bool = False, tip: str = "",
    ) -> None:  # fmt: skip
        """A marker."""
        self.marks.append(Dot(x, y, radius * self.em, colour, marker, opacity, is_hollow, tip))

    def text(
        self, x: float, y: float, text: str, anchor: Anchor = "start", colour: str = INK, *, is_bold: bool = False,
        size: float = 1.0,
    ) -> None:  # fmt: skip
        """One line of text on a baseline."""
        self.marks.append(Text(x, y, text, size * self.em, anchor, colour, is_bold))

    def note(
        self, x: float, y: float, text: str, anchor: Anchor = "middle", colour: str = QUIET, *, is_bold: bool = False
    ) -> None:
        """One line of small text."""
        self.marks.append(Text(x, y, text, self.small, anchor, colour, is_bold))

    def label_width(self, labels: Iterable[str], most: float = 0.34) -> float:
        """How wide a column of names is, at most this share of the paper."""
        widest = max((text_width(self.named(label), self.em, is_bold=True) for label in labels), default=0.0)
        return min(widest, most * self.width)

    def fitted(self, label: str, width: float) -> str:
        """The printed name of a label, shortened to a width."""
        return shortened(self.named(label), self.em, width / 1.07)

    def name_beside(self, label: str, centre: float, width: float) -> None:
        """A name left of a row, in at most two lines."""
        lines = lines_of(self.named(label), self.em, width, most=2)
        for number, line in enumerate(lines):
            y = centre + 0.35 * self.em + (number - (len(lines) - 1) / 2) * 1.1 * self.em
            self.text(width, y, line, "end")

    def bottom_axis(self, axis: Axis, top: float, bottom: float, name: str, most: int = 0) -> None:
        """Vertical lines at round values, the values below them, and the axis' name."""
        for place, text in axis.ticks(most or max(2, int((axis.end - axis.start) / (4.5 * self.small)))):
            self.line([(place, top), (place, bottom)], GRID, 0.07)
            self.note(place, bottom + 1.2 * self.small, text)
        middle, widest = (axis.start + axis.end) / 2, 2 * min(self.width - axis.start, axis.end)
        for number, line in enumerate(lines_of(name, self.small, min(widest, self.width), most=2)):
            half = text_width(line, self.small) / 2
            y = bottom + (2.5 + 1.15 * number) * self.small
            self.note(min(max(middle, half), self.width - half), y, line)

    def left_axis(self, axis: Axis, left: float, right: float, name: str) -> None:
        """Horizontal lines at round values, the values to their left, and the axis' name above them."""
        for place, text in self._left_ticks(axis):
            self.line([(left, place), (right, place)], GRID, 0.07)
            self.note(left - 0.4 * self.em, place + 0.35 * self.small, text, "end")
        top = min(axis.start, axis.end) - 0.9 * self.em
        self.note(0, top, shortened(name, self.small, self.width), "start")

    def _left_ticks(self, axis: Axis) -> list[tuple[float, str]]:
        return axis.ticks(max(2, int(abs(axis.end - axis.start) / (3 * self.small))))

    def tick_width(self, axis: Axis) -> float:
        """The room that the values to the left of an axis take."""
        return max((text_width(text, self.small) for _, text in self._left_ticks(axis)), default=0.0) + 0.6 * self.em

    def ended_axes(
        self, y: Axis, x: tuple[Scale, Limits], name: str, texts: Iterable[str], gaps: tuple[float, float] = (0.5, 0.3)
    ) -> Axis:
        """The lower axis, with the gaps at its ends, of lines at whose ends texts are; the left one is drawn."""
        widest = max((text_width(text, self.small, is_bold=True) for text in texts), default=0.0)
        left, right = self.tick_width(y), self.width - min(widest + 1.4 * self.em, 0.4 * self.width)
        self.left_axis(y, left, right, name)
        return Axis(*x, left + gaps[0] * self.em, right - gaps[1] * self.em)

    def labels_at_ends(self, ends: Sequence[End], x: float, y: Axis) -> None:
        """Texts to the right of lines, moved apart where they would overlap, with a hair line to where each belongs."""
        em, step, gap, (top, bottom) = self.em, 1.15 * self.small, 1.2 * self.em, (y.end, y.start)
        ordered = sorted(ends, key=lambda end: end.y)
        places: list[float] = []
        for end in ordered:
            places.append(max(end.y, places[-1] + step) if places else max(end.y, top))
        limit = max(bottom, top + step * (len(ordered) - 1))
        for index in reversed(range(len(places))):
            places[index] = min(places[index], limit)
            limit = places[index] - step
        for end, place in zip(ordered, places, strict=True):
            text = shortened(end.text, self.small, (self.width - x - gap) / (1.07 if end.is_bold else 1.0))
            with self.group(end.arm):
                self.line([(x + 0.3 * em, end.y), (x + gap - 0.3 * em, place)], end.colour, 0.06)
                self.note(x + gap, place + 0.35 * self.small, text, "start", INK, is_bold=end.is_bold)


@dataclass(frozen=True)
class End:
    """Where a line ends, and what is written there."""

    arm: str
    y: float
    text: str
    colour: str
    is_bold: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when it is needed, on the paper that is needed.

    `name` is the stem of its file; `draw_on` draws and gives the height; `caption` explains how to read it;
    `description` states its main numbers in words, for readers who cannot see it.
    """

    name: str
    title: str
    draw_on: Callable[[Canvas], float]
    caption: str
    description: str

    def draw(self, paper: Paper) -> Scene:
        """The picture on a paper."""
        canvas = Canvas(paper)
        return Scene(paper.width, self.draw_on(canvas), canvas.marks)


def picture(
    name: str, title: str, draw_on: Callable[[Canvas], float], *, caption: Sentences, description: Sentences
) -> Picture:
    """A picture with the sentences that apply."""
    return Picture(name, title, draw_on, *(" ".join(one for one in each if one) for each in (caption, description)))
