"""Judged claims: as a table with the numbers behind each verdict, and as bullet charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any, get_args

from actbench.analysis.claims import JudgedClaim, judge_claims
from actbench.analysis.comparison import Comparison
from actbench.analysis.verdicts import NOT_JUDGED
from actbench.experiment.naming import SettingValues, label_of, short_label
from actbench.plan.looks import bounds
from actbench.render.sections import Section
from actbench.report.figures.layout import Canvas, Picture, picture
from actbench.report.figures.marks import BAND, GREEN, GRID, INK, PAGE, QUIET, VERMILLION, lines_of, minus, text_width
from actbench.report.figures.scales import Axis, Scale
from actbench.report.numbers import interval, size, value, with_unit
from actbench.report.statement import MAX_NAMES, Statement
from actbench.statistics.intervals import CONFIDENCE, Verdict, exact_binomial_interval
from actbench.store.results import Results
from actbench.store.tables import Table
from actbench.text import counted, first_few, visible

CLAIM_COLUMNS = (
    "claim", "verdict", "metric", "about", "lower", "upper", "n", "without_value", "estimate", "sd", "ci_low",
    "ci_high", "confidence", "reason", "exploratory",
)  # fmt: skip
EXPLORATORY = (
    "Exploratory: added after final trials had begun, so that their results may have suggested the claim. New seeds "
    "can confirm it."
)
OF_FIRST = "test_accuracy_of_first_"
MAX_CLAIMS = 60
COLOURS = {"supported": GREEN, "contradicted": VERMILLION, "undecided": QUIET}


def judge_results(results: Results) -> list[JudgedClaim]:
    """The claims of a result folder's experiment with their verdicts."""
    judged = judge_claims(results.experiment.claims, results.plan, results.records)
    if doubt := results.seeds_doubt():
        judged = [replace(claim, verdict="undecided", reason=doubt) for claim in judged]
    return [replace(claim, is_exploratory=results.is_exploratory(claim.stated)) for claim in judged]


def claims_statements(claims: Sequence[JudgedClaim], comparison: Comparison | None) -> Iterator[Statement]:
    """How many claims have which verdict, and why some have one where arms are not judged."""
    if not claims:
        return
    counts = {word: sum(claim.verdict == word for claim in claims) for word in get_args(Verdict)}
    text = f"{', '.join(f'{count} {word}' for word, count in counts.items())}."
    exploratory = sum(bool(claim.is_exploratory) for claim in claims)
    yield Statement("claims", "claims", text, numbers=counts | {"exploratory": exploratory}, place="claims")
    rows, contrasts = (comparison.rows, comparison.contrasts()) if comparison else ((), [])
    are_unjudged = any(row.sample.doubt for row in rows) or any(one.word == NOT_JUDGED for one in contrasts)
    is_decided = any(claim.verdict != "undecided" for claim in claims)
    if is_decided and are_unjudged:
        text = (
            "A claim can be decided where an arm is not judged: it is about these trainings as they were set, by its "
            "own interval; a verdict says which arm is better, and needs suitable settings and usable trials for each."
        )
        yield Statement("claims_and_verdicts", "claims", text, place="claims")


def claims_sections(claims: Sequence[JudgedClaim], comparison: Comparison | None = None) -> list[Section]:
    """One section with a row for each claim; none without claims."""
    if not claims:
        return []
    level = _level(claims)
    rows = [{"claim": claim.stated.text} | claim_cells(claim, own_level=not level) for claim in claims]
    header = [level + name if name == "interval" else name for name in rows[0]]
    counts, *others = (one.text for one in claims_statements(claims, comparison))
    notes = [
        f"{counts} Supported: the whole {level}interval over seeds agrees with the claim; contradicted: none "
        f"of it does. Each claim is judged by itself, so {_misses(claims)} what it is about.",
        *dict.fromkeys(_notes(claims)),
        *others,
    ]
    return [Section("claims", header, [list(row.values()) for row in rows], notes, is_complete=True)]


def _level(claims: Sequence[JudgedClaim]) -> str:
    """`95 % `, the confidence of all intervals; empty where looks with unlike shares decided."""
    levels = {claim.confidence for claim in claims}
    return f"{_percent(levels.pop())} " if len(levels) == 1 else ""


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.4g} %"


def _misses(claims: Sequence[JudgedClaim]) -> str:
    """How often an interval is wrong: the looks of a claim share the 5 %, so that they are counted together."""
    if any(claim.confidence != CONFIDENCE for claim in claims):
        return "at most one claim in twenty has an interval, at any of its looks, that misses"
    return "about one in twenty intervals misses"


def claim_cells(claim: JudgedClaim, *, own_level: bool = False) -> dict[str, str]:
    """A claim's cells for readers; the interval with its confidence, if asked for."""
    signed, mean = is_difference(claim), claim.estimate.mean
    limits = interval(claim.estimate.interval, claim.metric, signed=signed)
    return {
        "verdict": "exploratory: " * bool(claim.is_exploratory)
        + claim.verdict
        + (f" ({claim.reason})" if claim.reason else ""),
        "about": about(claim),
        "expected": expected(claim),
        "estimate": size(mean, claim.metric, signed=True) if signed else with_unit(mean, claim.metric),
        "interval": limits + f" ({_percent(claim.confidence)})" * (own_level and claim.estimate.interval is not None),
        "n": str(claim.estimate.n),
    }


def about(claim: JudgedClaim, name: Callable[[SettingValues], str] = short_label) -> str:
    """`test_accuracy of mish minus relu`."""
    arm, reference = claim.stated.arm, claim.stated.reference
    names = name(arm) if reference is None else f"{name(arm)} minus {name(reference)}"
    return f"{claim.metric.name} of {names}"


def expected(claim: JudgedClaim) -> str:
    """`above 0.10 points`, `58.00 to 64.00 %`."""
    shown, (lower, upper) = size if is_difference(claim) else with_unit, bounds(claim.stated, claim.metric)
    if isfinite(lower) and isfinite(upper):
        return f"{value(lower, claim.metric)} to {shown(upper, claim.metric)}"
    return f"above {shown(lower, claim.metric)}" if isfinite(lower) else f"below {shown(upper, claim.metric)}"


def is_difference(claim: JudgedClaim) -> bool:
    """Whether the estimate is a difference: of two arms, or of two metrics."""
    return claim.stated.reference is not None or " - " in claim.metric.name


def _notes(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """What to know of some claims; of those about one run on few images, the accuracies that remain possible."""
    if any(claim.is_exploratory for claim in claims):
        yield EXPLORATORY
    if any("epochs_to_" in claim.metric.name for claim in claims):
        yield "Epochs to a target: a trial that never reaches it counts with one epoch more than it was given."
    for claim in claims:
        mean, count = claim.estimate.mean, claim.metric.name.removeprefix(OF_FIRST)
        if count.isdigit() and mean is not None and claim.stated.reference is None:
            images = int(count)
            hits = round(mean * images)
            low, high = exact_binomial_interval(hits, images)
            yield (
                f"One run on {images} images, {hits} of them right, leaves an accuracy of {100 * low:.1f} % to "
                f"{100 * high:.1f} % possible ({short_label(claim.stated.arm)})."
            )


def claims_table(results: Results) -> Table:
    """One row for each claim; the column `exploratory` only where the plan records claims."""
    claims = judge_results(results)
    is_recorded = any(claim.is_exploratory is not None for claim in claims)
    return Table(CLAIM_COLUMNS if is_recorded else CLAIM_COLUMNS[:-1], claim_rows(claims))


def claim_rows(claims: Sequence[JudgedClaim]) -> Iterator[dict[str, Any]]:
    """One row of `claims.csv` for each claim; shares as fractions, absent bounds empty."""
    for claim in claims:
        lower, upper = bounds(claim.stated, claim.metric)
        limits = claim.estimate.interval or (None, None)
        yield {
            "claim": claim.stated.text,
            "verdict": claim.verdict,
            "metric": claim.metric.name,
            "about": about(claim, label_of),
            "lower": lower if isfinite(lower) else None,
            "upper": upper if isfinite(upper) else None,
            "n": claim.estimate.n,
            "without_value": claim.without_value,
            "estimate": claim.estimate.mean,
            "sd": claim.estimate.sd,
            "ci_low": limits[0],
            "ci_high": limits[1],
            "confidence": claim.confidence,
            "reason": claim.reason or None,
            "exploratory": claim.is_exploratory,
        }


def claims_picture(claims: Sequence[JudgedClaim]) -> Picture | None:
    """A row for each claim; None without claims."""
    if not claims:
        return None
    words = [f"{visible(claim.stated.text)}: {claim.verdict}" for claim in claims]
    return picture(
        "claims",
        "What was claimed, and what was found",
        lambda canvas: _draw(canvas, claims[:MAX_CLAIMS]),
        caption=[
            "Shaded: where the claim says the number is. Marker and bar: what was found, with its "
            f"{_level(claims)}interval. Each row has its own scale.",
            len(claims) > MAX_CLAIMS
            and f"The first {MAX_CLAIMS} of {len(claims)} claims are shown; the table has all.",
        ],
        description=[f"{counted(len(claims), 'claim')}. {'; '.join(first_few(words, MAX_NAMES))}."],
    )


def _draw(canvas: Canvas, claims: Sequence[JudgedClaim]) -> float:
    em, narrow, width = canvas.em, canvas.is_narrow, canvas.width
    verdicts = max(text_width(claim.verdict, em, is_bold=True) for claim in claims)
    left = 0.0 if narrow else 0.46 * width
    right = width if narrow else width - verdicts - 1.2 * em
    room = width - verdicts - em if narrow else left - 1.4 * em
    y = 0.3 * em
    for claim in claims:
        lines = lines_of(claim.stated.text, em, room, most=3)
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
    low, high = bounds(claim.stated, claim.metric)
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
    numbers = [(axis.at(found[0]), value(found[0], claim.metric, signed=is_difference(claim)), INK)]
    numbers += [(axis.at(end), value(end, claim.metric), QUIET) for end in ends]
    taken: list[tuple[float, float]] = []
    for x, text, shade in numbers:
        half = text_width(text, small) / 2
        x = min(max(x, left + half), right - half)
        if all(x + half < begin or x - half > end for begin, end in taken):
            canvas.note(x, y + 1.55 * em, minus(text), colour=shade)
            taken.append((x - half - 0.3 * em, x + half + 0.3 * em))
