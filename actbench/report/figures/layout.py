"""Pictures, the papers that they are drawn on, and what most of them share: axes, names, labels at lines' ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from actbench.experiment.choices import Choice
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import Values, label_of, value_to_text
from actbench.report.figures.marks import (
    GRID,
    INK,
    QUIET,
    Group,
    Line,
    Mark,
    Scene,
    Text,
    lines_of,
    shortened,
    text_width,
)
from actbench.report.figures.scales import Axis
from actbench.report.numbers import value

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


@dataclass(frozen=True)
class Picture:
    """A picture that is drawn when it is needed, on the paper that is needed.

    `name` is the stem of its file; `caption` explains how to read it; `description` states its main numbers in words,
    for readers who cannot see it.
    """

    name: str
    title: str
    caption: str
    description: str
    draw: Callable[[Paper], Scene]


def picture(
    name: str, title: str, draw: Callable[[Paper], Scene], *, caption: Sentences, description: Sentences
) -> Picture:
    """A picture with the sentences that apply."""

    def join(sentences: Sentences) -> str:
        return " ".join(sentence for sentence in sentences if sentence)

    return Picture(name, title, join(caption), join(description), draw)


def number_shown(shown: int, total: int, *, first: str = "best") -> str:
    """How many arms are shown, if not all."""
    return f"The {first} {shown} of {total} arms are shown." if shown < total else ""


def short_names(arms: Mapping[str, Values]) -> dict[str, str]:
    """How pictures call arms of several factors: `relu, kaiming_normal` for `activation=relu, init=kaiming_normal`.

    Numbers keep the name of their setting. Nothing where two arms would have the same name.
    """

    def name(values: Values) -> str:
        return ", ".join(
            value_to_text(one) if isinstance(one, Choice | str) else label_of(((path, one),)) for path, one in values
        )

    names = {label: name(values) for label, values in arms.items() if len(values) > 1}
    return names if len(set(names.values())) == len(names) else {}


def with_unit(number: float | None, metric: Metric) -> str:
    """`97.95 %`; numbers that are no shares have no unit."""
    return f"{value(number, metric)}{' %' * (metric.unit == 'share')}"


def label_width(labels: Iterable[str], paper: Paper, most: float = 0.34) -> float:
    """How wide a column of names is, at most this share of the paper."""
    widest = max((text_width(paper.named(label), paper.size, is_bold=True) for label in labels), default=0.0)
    return min(widest, most * paper.width)


def fitted(label: str, paper: Paper, width: float) -> str:
    """The printed name of a label, shortened to a width."""
    return shortened(paper.named(label), paper.size, width / 1.07)


def name_beside(label: str, centre: float, width: float, paper: Paper) -> list[Mark]:
    """A name left of a row, in at most two lines."""
    lines = lines_of(paper.named(label), paper.size, width, most=2)
    places = [centre + 0.35 * paper.size + (n - (len(lines) - 1) / 2) * 1.1 * paper.size for n in range(len(lines))]
    return [Text(width, y, line, paper.size, "end") for y, line in zip(places, lines, strict=True)]


def bottom_axis(axis: Axis, top: float, bottom: float, name: str, paper: Paper, most: int = 0) -> list[Mark]:
    """Vertical lines at round values, the values below them, and the axis' name."""
    room = most or max(2, int((axis.end - axis.start) / (4.5 * paper.small)))
    marks: list[Mark] = []
    for place, text in axis.ticks(room):
        marks.append(Line([(place, top), (place, bottom)], GRID, 0.07 * paper.size))
        marks.append(Text(place, bottom + 1.2 * paper.small, text, paper.small, "middle", QUIET))
    middle, widest = (axis.start + axis.end) / 2, 2 * min(paper.width - axis.start, axis.end)
    for number, line in enumerate(lines_of(name, paper.small, min(widest, paper.width), most=2)):
        y = bottom + (2.5 + 1.15 * number) * paper.small
        half = text_width(line, paper.small) / 2
        marks.append(Text(min(max(middle, half), paper.width - half), y, line, paper.small, "middle", QUIET))
    return marks


def left_axis(axis: Axis, left: float, right: float, name: str, paper: Paper) -> list[Mark]:
    """Horizontal lines at round values, the values to their left, and the axis' name above them."""
    marks: list[Mark] = []
    for place, text in axis.ticks(max(2, int(abs(axis.end - axis.start) / (3 * paper.small)))):
        marks.append(Line([(left, place), (right, place)], GRID, 0.07 * paper.size))
        marks.append(Text(left - 0.4 * paper.size, place + 0.35 * paper.small, text, paper.small, "end", QUIET))
    top = min(axis.start, axis.end) - 0.9 * paper.size
    marks.append(Text(0, top, shortened(name, paper.small, paper.width), paper.small, "start", QUIET))
    return marks


def tick_width(axis: Axis, paper: Paper) -> float:
    """The room that the values to the left of an axis take."""
    texts = [text for _, text in axis.ticks(max(2, int(abs(axis.end - axis.start) / (3 * paper.small))))]
    return max((text_width(text, paper.small) for text in texts), default=0.0) + 0.6 * paper.size


@dataclass(frozen=True)
class End:
    """Where a line ends, and what is written there."""

    arm: str
    y: float
    text: str
    colour: str
    is_bold: bool = False


def labels_at_ends(ends: Sequence[End], x: float, top: float, bottom: float, paper: Paper) -> list[Mark]:
    """Texts to the right of lines, moved apart where they would overlap, with a hair line to where each belongs."""
    step, gap = 1.15 * paper.small, 1.2 * paper.size
    ordered = sorted(ends, key=lambda end: end.y)
    places: list[float] = []
    for end in ordered:
        places.append(max(end.y, places[-1] + step) if places else max(end.y, top))
    limit = max(bottom, top + step * (len(ordered) - 1))
    for index in reversed(range(len(places))):
        places[index] = min(places[index], limit)
        limit = places[index] - step
    marks: list[Mark] = []
    for end, place in zip(ordered, places, strict=True):
        room = paper.width - x - gap
        text = shortened(end.text, paper.small, room / (1.07 if end.is_bold else 1.0))
        hair = Line([(x + 0.3 * paper.size, end.y), (x + gap - 0.3 * paper.size, place)], end.colour, 0.06 * paper.size)
        name = Text(x + gap, place + 0.35 * paper.small, text, paper.small, "start", INK, end.is_bold)
        marks.append(Group([hair, name], end.arm))
    return marks


def end_label_width(texts: Iterable[str], paper: Paper) -> float:
    """The room that texts at the ends of lines take, with the gap before them."""
    widest = max((text_width(text, paper.small, is_bold=True) for text in texts), default=0.0)
    return min(widest + 1.4 * paper.size, 0.4 * paper.width)
