"""Claims as bullet charts: one line each, with what was claimed, what was found, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from actbench.analysis.claims import JudgedClaim
from actbench.plan.looks import bounds
from actbench.report.claims import about, expected
from actbench.report.figures.layout import Paper, Picture, picture
from actbench.report.figures.marks import (
    BAND,
    GREEN,
    GRID,
    INK,
    PAGE,
    QUIET,
    VERMILLION,
    Area,
    Dot,
    Group,
    Line,
    Mark,
    Scene,
    Text,
    box,
    lines_of,
    minus,
    text_width,
)
from actbench.report.figures.scales import Axis, Scale
from actbench.report.numbers import value
from actbench.text import counted, visible

MAX_CLAIMS = 60
COLOURS = {"supported": GREEN, "contradicted": VERMILLION, "undecided": QUIET}


def claims_picture(claims: Sequence[JudgedClaim]) -> Picture | None:
    """A row for each claim; None without claims."""
    if not claims:
        return None
    words = [f"{visible(claim.expectation.claim)}: {claim.verdict}" for claim in claims[:12]]
    return picture(
        "claims",
        "What was claimed, and what was found",
        lambda paper: _draw(claims[:MAX_CLAIMS], paper),
        caption=[
            "Shaded: where the claim says the number is. Marker and bar: what was found, with its 95 % interval. Each "
            "row has its own scale.",
            len(claims) > MAX_CLAIMS
            and f"The first {MAX_CLAIMS} of {len(claims)} claims are shown; the table has all.",
        ],
        description=[f"{counted(len(claims), 'claim')}. {'; '.join(words)}."],
    )


def _draw(claims: Sequence[JudgedClaim], paper: Paper) -> Scene:
    em, narrow = paper.size, paper.is_narrow
    verdicts = max(text_width(claim.verdict, em, is_bold=True) for claim in claims)
    left = 0.0 if narrow else 0.46 * paper.width
    right = paper.width if narrow else paper.width - verdicts - 1.2 * em
    room = paper.width - verdicts - em if narrow else left - 1.4 * em
    marks: list[Mark] = []
    y = 0.3 * em
    for claim in claims:
        lines = lines_of(claim.expectation.claim, em, room, most=3)
        words = 1.3 * em * len(lines)
        high = words + 3.2 * em if narrow else max(words + 1.3 * em, 3.3 * em)
        middle = y + words + 1.2 * em if narrow else y + high / 2 - 0.45 * em
        first = y + em if narrow else y + high / 2 - words / 2 + 0.6 * em
        row: list[Mark] = [Text(0, first + 1.3 * em * number, line, em) for number, line in enumerate(lines)]
        base = first if narrow else middle + 0.4 * em
        is_decided = claim.verdict != "undecided"
        row.append(Text(paper.width, base, claim.verdict, em, "end", COLOURS[claim.verdict], is_decided))
        tip = f"{about(claim)}: expected {expected(claim)}, found {value(claim.estimate.mean, claim.metric)}"
        row.append(Group(_bullet(claim, left, right, middle, paper), tip=tip))
        marks += [*row, Line([(0, y + high), (paper.width, y + high)], GRID, 0.05 * em)]
        y += high + 0.2 * em
    return Scene(paper.width, y + 0.4 * em, marks)


def _bullet(claim: JudgedClaim, left: float, right: float, y: float, paper: Paper) -> list[Mark]:
    """Where the number should be, and where it is."""
    em, estimate = paper.size, claim.estimate
    low, high = bounds(claim.expectation, claim.metric)
    ends = [end for end in (low, high) if isfinite(end)]
    found = [one for one in (estimate.mean, *(estimate.interval or ())) if one is not None]
    if not found:
        return [Text((left + right) / 2, y + 0.35 * em, claim.reason or "no number", paper.small, "middle", QUIET)]
    span = max([*found, *ends]) - min([*found, *ends]) or abs(found[0]) or 1.0
    axis = Axis(
        Scale(), (min([*found, *ends]) - 0.25 * span, max([*found, *ends]) + 0.25 * span), left + em, right - em
    )
    start, stop = axis.within(low), axis.within(high)
    marks: list[Mark] = [
        Area(box(left + em, y - 0.55 * em, right - left - 2 * em, 1.1 * em), PAGE, 1.0, GRID, 0.06 * em)
    ]
    marks.append(Area(box(start, y - 0.55 * em, stop - start, 1.1 * em), BAND))
    marks += [Line([(axis.at(end), y - 0.75 * em), (axis.at(end), y + 0.75 * em)], QUIET, 0.12 * em) for end in ends]
    colour = COLOURS[claim.verdict]
    if estimate.interval:
        marks.append(Line([(axis.at(end), y) for end in estimate.interval], INK, 0.28 * em))
    marks.append(Dot(axis.at(found[0]), y, 0.36 * em, INK if colour == QUIET else colour, "D"))
    is_difference = claim.expectation.reference is not None
    numbers = [(axis.at(found[0]), value(found[0], claim.metric, signed=is_difference), INK)]
    numbers += [(axis.at(end), value(end, claim.metric), QUIET) for end in ends]
    taken: list[tuple[float, float]] = []
    for x, text, shade in numbers:
        half = text_width(text, paper.small) / 2
        x = min(max(x, left + half), right - half)
        if all(x + half < begin or x - half > end for begin, end in taken):
            marks.append(Text(x, y + 1.55 * em, minus(text), paper.small, "middle", shade))
            taken.append((x - half - 0.3 * em, x + half + 0.3 * em))
    return marks
