"""Claims as bullet charts: one line each, with what was claimed, what was found, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from actbench.analysis.claims import JudgedClaim
from actbench.plan.looks import bounds
from actbench.report.claims import about, expected
from actbench.report.figures.layout import Canvas, Picture, picture
from actbench.report.figures.marks import BAND, GREEN, GRID, INK, PAGE, QUIET, VERMILLION, lines_of, minus, text_width
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
        lambda canvas: _draw(canvas, claims[:MAX_CLAIMS]),
        caption=[
            "Shaded: where the claim says the number is. Marker and bar: what was found, with its 95 % interval. Each "
            "row has its own scale.",
            len(claims) > MAX_CLAIMS
            and f"The first {MAX_CLAIMS} of {len(claims)} claims are shown; the table has all.",
        ],
        description=[f"{counted(len(claims), 'claim')}. {'; '.join(words)}."],
    )


def _draw(canvas: Canvas, claims: Sequence[JudgedClaim]) -> float:
    em, narrow, width = canvas.em, canvas.is_narrow, canvas.width
    verdicts = max(text_width(claim.verdict, em, is_bold=True) for claim in claims)
    left = 0.0 if narrow else 0.46 * width
    right = width if narrow else width - verdicts - 1.2 * em
    room = width - verdicts - em if narrow else left - 1.4 * em
    y = 0.3 * em
    for claim in claims:
        lines = lines_of(claim.expectation.claim, em, room, most=3)
        words = 1.3 * em * len(lines)
        high = words + 3.2 * em if narrow else max(words + 1.3 * em, 3.3 * em)
        middle = y + words + 1.2 * em if narrow else y + high / 2 - 0.45 * em
        first = y + em if narrow else y + high / 2 - words / 2 + 0.6 * em
        for number, line in enumerate(lines):
            canvas.text(0, first + 1.3 * em * number, line)
        base, is_decided = first if narrow else middle + 0.4 * em, claim.verdict != "undecided"
        canvas.text(width, base, claim.verdict, "end", COLOURS[claim.verdict], is_bold=is_decided)
        tip = f"{about(claim)}: expected {expected(claim)}, found {value(claim.estimate.mean, claim.metric)}"
        with canvas.group(tip=tip):
            _draw_bullet(canvas, claim, left, right, middle)
        canvas.line([(0, y + high), (width, y + high)], GRID, 0.05)
        y += high + 0.2 * em
    return y + 0.4 * em


def _draw_bullet(canvas: Canvas, claim: JudgedClaim, left: float, right: float, y: float) -> None:
    """Where the number should be, and where it is."""
    em, small, estimate = canvas.em, canvas.small, claim.estimate
    low, high = bounds(claim.expectation, claim.metric)
    ends = [end for end in (low, high) if isfinite(end)]
    found = [one for one in (estimate.mean, *(estimate.interval or ())) if one is not None]
    if not found:
        canvas.note((left + right) / 2, y + 0.35 * em, claim.reason or "no number")
        return
    least, most = min([*found, *ends]), max([*found, *ends])
    span = most - least or abs(found[0]) or 1.0
    axis = Axis(Scale(), (least - 0.25 * span, most + 0.25 * span), left + em, right - em)
    start, stop = axis.within(low), axis.within(high)
    canvas.box(left + em, y - 0.55 * em, right - left - 2 * em, 1.1 * em, PAGE, 1.0, GRID, 0.06)
    canvas.box(start, y - 0.55 * em, stop - start, 1.1 * em, BAND)
    for end in ends:
        canvas.line([(axis.at(end), y - 0.75 * em), (axis.at(end), y + 0.75 * em)], QUIET)
    if estimate.interval:
        canvas.line([(axis.at(end), y) for end in estimate.interval], INK, 0.28)
    colour = COLOURS[claim.verdict]
    canvas.dot(axis.at(found[0]), y, 0.36, INK if colour == QUIET else colour, "D")
    is_difference = claim.expectation.reference is not None
    numbers = [(axis.at(found[0]), value(found[0], claim.metric, signed=is_difference), INK)]
    numbers += [(axis.at(end), value(end, claim.metric), QUIET) for end in ends]
    taken: list[tuple[float, float]] = []
    for x, text, shade in numbers:
        half = text_width(text, small) / 2
        x = min(max(x, left + half), right - half)
        if all(x + half < begin or x - half > end for begin, end in taken):
            canvas.note(x, y + 1.55 * em, minus(text), colour=shade)
            taken.append((x - half - 0.3 * em, x + half + 0.3 * em))
