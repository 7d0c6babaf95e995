"""How arms were settled: the interval of each arm's difference at every look that it was open at."""

from __future__ import annotations

from collections.abc import Sequence

from actbench.analysis.comparison import Comparison, Row
from actbench.report.figures.layout import (
    MAX_ARMS,
    Paper,
    Picture,
    bottom_axis,
    fitted,
    label_width,
    number_shown,
    picture,
)
from actbench.report.figures.looks import looks
from actbench.report.figures.marks import BAND, QUIET, Area, Dot, Group, Line, Mark, Scene, Text, box, text_width
from actbench.report.figures.scales import Axis, Scale, limits
from actbench.report.numbers import interval, metric_in_words, size
from actbench.report.short import short_verdict
from actbench.statistics.looks import Decision
from actbench.text import listed, visible

Settled = tuple[Row, tuple[Decision, ...]]


def settling_picture(comparison: Comparison) -> Picture | None:
    """A row for each arm with a line for each of its looks; None before the first look, and without looks."""
    planned = comparison.looks
    if planned is None or not comparison.is_judged:
        return None
    arms = [(row, made) for row, made in zip(comparison.rows, planned.decisions, strict=True) if made]
    if not arms:
        return None
    shown = arms[:MAX_ARMS]
    after = listed(list(map(str, planned.schedule.seeds)))
    words = [f"{visible(row.sample.label)} {_verdict(row)} after {made[-1].seeds} seeds" for row, made in arms[:12]]
    return picture(
        "settling",
        "When each arm was settled",
        lambda paper: _draw(shown, comparison, paper),
        caption=[
            f"Looks were planned after {after} seeds; each line is one, with its number of seeds. The thick bar "
            "decides equivalence, the thin one a difference, each at the level of the look.",
            comparison.margin is not None
            and f"Grey: less than {size(comparison.margin, comparison.metric)}, too small to matter.",
            number_shown(len(shown), len(arms)),
        ],
        description=[f"{'; '.join(words)}."],
    )


def _verdict(row: Row) -> str:
    return short_verdict(row.contrast.verdict) if row.contrast else ""


def _draw(arms: Sequence[Settled], comparison: Comparison, paper: Paper) -> Scene:
    em, metric, margin = paper.size, comparison.metric, comparison.margin or 0.0
    chosen = looks({row.sample.label: row.sample.values for row in comparison.rows})
    names = [row.sample.label for row, _ in arms]
    verdicts = max(text_width(_verdict(row), em, is_bold=True) for row, _ in arms)
    column = label_width(names, paper)
    left = column + 2.6 * em
    ends = [end for _, made in arms for one in made for end in (one.adjusted_interval or one.difference.interval or ())]
    scale = Scale("linear", metric.unit == "share")
    axis = Axis(scale, limits([*ends, margin, -margin], scale), left, paper.width - verdicts - em)
    points = ", points" if metric.unit == "share" else ""
    marks: list[Mark] = []
    top = y = 0.6 * em
    rows: list[Mark] = []
    for (row, made), name in zip(arms, names, strict=True):
        high = max(1.1 * em * len(made), 1.1 * em)
        middle = y + high / 2 + 0.35 * em
        look = chosen[row.sample.label]
        lines: list[Mark] = [Text(0, middle, fitted(name, paper, column), em)]
        for number, decision in enumerate(made):
            lines += _line(decision, axis, y + 1.1 * em * (number + 0.5), look.colour, look.marker, left, paper)
        shade = QUIET if made[-1].state == "open" else look.colour
        lines.append(Text(paper.width, middle, _verdict(row), em, "end", shade))
        bounds = made[-1].difference.interval
        tip = f"{row.sample.label}: {interval(bounds, metric, signed=True) if bounds else 'no interval'}"
        rows.append(Group(lines, arm=row.sample.label, tip=tip))
        y += high + 0.7 * em
    if margin:
        marks.append(Area(box(axis.at(-margin), top, axis.at(margin) - axis.at(-margin), y - top), BAND))
    marks += bottom_axis(axis, top, y, f"{metric_in_words(metric)} minus that of the baseline{points}", paper)
    marks.append(Line([(axis.at(0.0), top), (axis.at(0.0), y)], QUIET, 0.1 * em))
    return Scene(paper.width, y + 3.4 * em, [*marks, *rows])


def _line(decision: Decision, axis: Axis, y: float, colour: str, marker: str, left: float, paper: Paper) -> list[Mark]:
    """One look: how many seeds, both intervals, and the mean."""
    em = paper.size
    marks: list[Mark] = [Text(left - 0.6 * em, y + 0.3 * em, str(decision.seeds), paper.small, "end", QUIET)]
    if decision.adjusted_interval:
        marks.append(Line([(axis.at(end), y) for end in decision.adjusted_interval], colour, 0.08 * em))
    if decision.difference.interval:
        marks.append(Line([(axis.at(end), y) for end in decision.difference.interval], colour, 0.26 * em))
    if decision.difference.mean is not None:
        marks.append(Dot(axis.at(decision.difference.mean), y, 0.32 * em, colour, marker))
    return marks
