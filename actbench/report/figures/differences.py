"""Differences to the baseline by arm and seed, or the arms' values; and by look, until an arm is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from actbench.analysis.comparison import Comparison, Contrast, Row, ranked
from actbench.experiment.metrics import Metric
from actbench.experiment.records import recorded
from actbench.report.figures.layout import (
    MAX_ARMS,
    Paper,
    Picture,
    bottom_axis,
    fitted,
    label_width,
    name_beside,
    number_shown,
    picture,
    with_unit,
)
from actbench.report.figures.looks import Look, looks_of
from actbench.report.figures.marks import (
    BAND,
    GREEN,
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
    minus,
    text_width,
)
from actbench.report.figures.scales import Axis, Scale, first_word, limits, scale_for
from actbench.report.numbers import interval, metric_in_words, size, value
from actbench.report.short import short_verdict
from actbench.statistics.intervals import estimate
from actbench.statistics.looks import Decision
from actbench.store.results import Results
from actbench.text import counted, listed, visible

# Beyond so many times what most arms need, an arm is shown as an arrow, so that it does not squeeze the others.
MAX_REACH = 5.0
LARGEST_TIP_COUNT = 600
Interval = tuple[float, float]


@dataclass(frozen=True)
class Shown:
    """One row: an arm's differences, or values, by seed with their mean, its intervals and what is said of it.

    `thick` is the interval of this row alone, `thin` the one that the verdict uses. `bad` seeds are of unusable trials.
    """

    label: str
    by_seed: tuple[tuple[int, float], ...]
    mean: float
    thick: Interval | None
    thin: Interval | None = None
    word: str = ""
    bad: frozenset[int] = frozenset()

    def numbers(self) -> list[float]:
        """Everything that a row would like to have room for."""
        return [self.mean, *(one for _, one in self.by_seed), *(self.thick or ()), *(self.thin or ())]


def differences_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The first picture of a report; None while no trial of the final phase has a value."""
    rows, bad = ranked(comparison), _bad_seeds(results)
    if known := [shown for row in rows if (shown := _difference(row.contrast, bad))]:
        return _of_differences(comparison, known)
    return _of_values(comparison, [shown for row in rows if (shown := _value(row, bad))])


def first_seeds(comparison: Comparison, count: int) -> Picture | None:
    """The same picture as it would be if only the first so many seeds had been trained; None without a baseline."""
    kept, rows = set(comparison.seeds[:count]), []
    for row in ranked(comparison):
        shown = _difference(row.contrast, {}) if row.contrast and row.contrast.is_paired else None
        if shown and (by_seed := tuple((seed, one) for seed, one in shown.by_seed if seed in kept)):
            over = estimate([one for _, one in by_seed])
            rows.append(Shown(shown.label, by_seed, over.mean or 0.0, over.interval))
    return _of_differences(replace(comparison, looks=None), rows) if rows else None


def _bad_seeds(results: Results) -> dict[str, frozenset[int]]:
    """The seeds of each arm's trials that diverged, collapsed or failed."""
    return {
        arm.label(): frozenset(record.seed for record in recorded(trials, results.records) if record.ending() != "done")
        for arm, trials in results.plan.arms
    }


def _difference(contrast: Contrast | None, bad: dict[str, frozenset[int]]) -> Shown | None:
    if contrast is None or contrast.difference.mean is None:
        return None
    first, second, found = contrast.first, contrast.second, contrast.difference
    by_seed = {seed: one - second.by_seed[seed] for seed, one in first.by_seed.items() if seed in second.by_seed}
    paired, word = tuple(by_seed.items()) if contrast.is_paired else (), short_verdict(contrast.verdict)
    wrong = bad.get(first.label, frozenset()) | bad.get(second.label, frozenset())
    return Shown(first.label, paired, contrast.difference.mean, found.interval, contrast.adjusted_interval, word, wrong)


def _value(row: Row, bad: dict[str, frozenset[int]]) -> Shown | None:
    if row.own.mean is None:
        return None
    seeds, wrong = tuple(row.sample.by_seed.items()), bad.get(row.sample.label, frozenset())
    return Shown(row.sample.label, seeds, row.own.mean, row.own.interval, bad=wrong)


def _of_differences(comparison: Comparison, rows: Sequence[Shown]) -> Picture:
    metric, sign = comparison.metric, 1 if comparison.metric.larger_is_better is False else -1
    rows = sorted(rows, key=lambda row: sign * row.mean)
    shown = rows[:MAX_ARMS]
    base = comparison.only_baseline()
    against = base or comparison.baseline_label()
    seeds = counted(len(comparison.seeds), "seed")
    has_thin = any(row.thin for row in shown)
    thick = "interval at the level of equivalence" if comparison.looks else "95 % interval for this comparison alone"
    chosen = looks_of(comparison)
    return picture(
        "differences",
        f"{metric_in_words(metric).capitalize()} minus {base or 'that of the baseline'}, seed by seed",
        lambda paper: _draw(paper, shown, metric, chosen, against, comparison.margin),
        caption=[
            f"Each dot is one of {seeds}: the arm minus {against}, trained with the same seed. The marker is the mean, "
            f"the thick bar its {thick}.",
            has_thin and "The verdict uses the thin bar, which allows for all comparisons that are made here.",
            comparison.margin is not None
            and f"Grey: less than {size(comparison.margin, metric)}, too small to matter.",
            any(row.bad for row in shown) and "Crosses: a trial diverged, collapsed or failed.",
            number_shown(len(shown), len(rows), first=first_word(metric)),
        ],
        description=_differences_in_words(rows, comparison, against),
    )


def _of_values(comparison: Comparison, rows: Sequence[Shown]) -> Picture | None:
    if not rows:
        return None
    metric, shown, chosen = comparison.metric, rows[:MAX_ARMS], looks_of(comparison)
    return picture(
        "arms",
        f"{metric_in_words(metric).capitalize()} of every seed",
        lambda paper: _draw(paper, shown, metric, chosen, "", None),
        caption=[
            f"Each dot is one of {counted(len(comparison.seeds), 'seed')}. The marker is the mean, the bar its 95 % "
            "interval.",
            any(row.bad for row in shown) and "Crosses: a trial diverged, collapsed or failed.",
            number_shown(len(shown), len(rows), first=first_word(metric) if len(comparison.losses) < 2 else "first"),
        ],
        description=[
            f"{counted(len(rows), 'arm')}: "
            + "; ".join(f"{visible(row.label)} at {with_unit(row.mean, metric)}" for row in rows[:3])
            + "."
        ],
    )


def _differences_in_words(rows: Sequence[Shown], comparison: Comparison, against: str) -> list[str]:
    metric, level = comparison.metric, "" if comparison.looks else "95 % "

    def in_words(row: Shown) -> str:
        bounds = f", {level}interval {interval(row.thick, metric, signed=True)}" if row.thick else ""
        return f"{visible(row.label)} {value(row.mean, metric, signed=True)}{bounds}{f': {row.word}' * bool(row.word)}"

    more = f"; and {len(rows) - 12} more" if len(rows) > 12 else ""
    what = f"{metric_in_words(metric)} to {visible(against)}{' in points' * (metric.unit == 'share')}"
    return [f"Differences of {what}: {'; '.join(map(in_words, rows[:12]))}{more}."]


def _axis(rows: Sequence[Shown], metric: Metric, margin: float | None, against: str, ends: Interval) -> Axis:
    """Around 0 for differences, with room for what most rows need."""
    if not against:
        numbers = [number for row in rows for number in row.numbers()]
        scale = scale_for([one for row in rows for _, one in row.by_seed], metric)
        if scale.is_share and scale.kind != "linear":
            numbers = [one for row in rows for _, one in row.by_seed]
        return Axis(scale, limits(numbers, scale), *ends)
    reaches = [max(map(abs, row.numbers())) for row in rows]
    usual = MAX_REACH * (median(reaches) or max(reaches))
    numbers = [number for row in rows for number in row.numbers() if abs(number) <= usual]
    scale = Scale("linear", metric.unit == "share")
    return Axis(scale, limits([*numbers, -(margin or 0.0), margin or 0.0], scale), *ends)


def _draw(
    paper: Paper, rows: Sequence[Shown], metric: Metric, chosen: dict[str, Look], against: str, margin: float | None
) -> Scene:
    em, narrow = paper.size, paper.is_narrow
    said = [(minus(value(row.mean, metric, signed=bool(against))), row.word) for row in rows]
    names = label_width([row.label for row in rows], paper)
    right = max(text_width(" ".join(each), em) for each in said) + 0.6 * em
    left, stop = (0.6 * em, paper.width - 0.6 * em) if narrow else (names + 1.2 * em, paper.width - right - em)
    axis = _axis(rows, metric, margin, against, (left, stop))
    step, head = (3.9 if narrow else 2.5) * em, (2.2 if against else 0.4) * em
    centres = [head + step * (number + (0.68 if narrow else 0.5)) for number in range(len(rows))]
    bottom = head + step * len(rows) + 0.2 * em
    marks: list[Mark] = []
    if against and margin:
        edges = [axis.within(end) for end in (-margin, margin)]
        marks.append(Area(box(edges[0], head, edges[1] - edges[0], bottom - head), BAND))
    marks += bottom_axis(axis, head, bottom, _axis_name(metric, axis, against, paper), paper)
    if against:
        marks += _directions(axis, head, bottom, metric, paper.named(against), paper)
    for row, centre, words in zip(rows, centres, said, strict=True):
        marks.append(Group(_row(row, centre, axis, metric, chosen[row.label], paper), row.label))
        marks.append(Group(_words(row, centre, words, paper, names, right), row.label))
    return Scene(paper.width, bottom + 4.2 * paper.small + (1.2 * paper.small if narrow else 0), marks)


def _axis_name(metric: Metric, axis: Axis, against: str, paper: Paper) -> str:
    name = paper.named(metric_in_words(metric))
    if not against:
        return axis.scale.name_of(name)
    return f"{name} minus {paper.named(against)}, same seed{' (points)' * (metric.unit == 'share')}"


def _directions(axis: Axis, top: float, bottom: float, metric: Metric, against: str, paper: Paper) -> list[Mark]:
    """The line at 0, and on which side of it an arm is better."""
    em, zero = paper.small, axis.within(0.0)
    marks: list[Mark] = [Line([(zero, top - 0.3 * em), (zero, bottom)], INK, 0.1 * paper.size)]
    if metric.larger_is_better is None:
        return marks
    for word, is_right in (("better", metric.larger_is_better), ("worse", not metric.larger_is_better)):
        x, room = (zero + 0.8 * em, paper.width - zero - em) if is_right else (zero - 0.8 * em, zero - em)
        ends = ("", " →") if is_right else ("← ", "")
        texts = [f"{ends[0]}{words}{ends[1]}" for words in (f"{word} than {against}", word)]
        fitting = [text for text in texts if text_width(text, em) <= room]
        if fitting:
            marks.append(Text(x, top - 0.8 * em, fitting[0], em, "start" if is_right else "end", QUIET))
    return marks


def _row(row: Shown, y: float, axis: Axis, metric: Metric, look: Look, paper: Paper) -> list[Mark]:
    em, (low, high) = paper.size, axis.bounds
    marks: list[Mark] = []
    if not low <= row.mean <= high:
        x, marker = (axis.end - 0.3 * em, ">") if row.mean > high else (axis.start + 0.3 * em, "<")
        return [Dot(x, y, 0.4 * em, look.colour, marker)]
    for bounds, width in ((row.thin, 0.11), (row.thick, 0.36)):
        if bounds:
            marks.append(Line([(axis.within(bounds[0]), y), (axis.within(bounds[1]), y)], INK, width * em, opacity=0.8))
    marks.append(Dot(axis.at(row.mean), y, 0.5 * em, PAGE, look.marker))
    signed = row.word != ""
    parts = (
        f"{row.label}: {value(row.mean, metric, signed=signed)}",
        row.thick and f"alone {interval(row.thick, metric, signed=signed)}",
        row.thin and f"for the verdict {interval(row.thin, metric, signed=True)}",
        row.word,
    )
    tip = ", ".join(part for part in parts if part)
    marks.append(Dot(axis.at(row.mean), y, 0.37 * em, look.colour, look.marker, tip=tip))
    has_tips = len(row.by_seed) * em <= LARGEST_TIP_COUNT
    for seed, one in row.by_seed:
        if low <= one <= high:
            said = f"{row.label}, seed {seed}: {value(one, metric, signed=signed)}" if has_tips else ""
            marker = "x" if seed in row.bad else "o"
            marks.append(Dot(axis.at(one), y + 0.72 * em, 0.21 * em, look.colour, marker, 0.85, tip=said))
    return marks


def _words(row: Shown, y: float, words: tuple[str, str], paper: Paper, names: float, room: float) -> list[Mark]:
    """The arm's name and what is said of it: beside its row, or above it on a narrow paper."""
    em = paper.size
    number, word = words
    is_decided = word.startswith(("better", "worse"))
    colour = GREEN if word.startswith("better") else VERMILLION if is_decided else QUIET
    if paper.is_narrow:
        above, taken = y - 0.95 * em, text_width(f"{number}  {word}", em)
        return [
            Area(box(0, above - 0.9 * em, paper.width, 1.2 * em), PAGE, 0.85),
            Text(0, above, fitted(row.label, paper, paper.width - taken - em), em, is_bold=True),
            Text(paper.width, above, word, em, "end", colour, is_decided),
            Text(paper.width - text_width(f" {word}", em, is_bold=is_decided), above, number, em, "end"),
        ]
    base = y + 0.35 * em
    start = paper.width - room
    after = start + text_width(number, em) + 0.6 * em
    said = [Text(start, base, number, em), Text(after, base, word, em, "start", colour, is_decided)]
    return [*name_beside(row.label, y, names, paper), *said]


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
        lambda paper: _draw_looks(shown, comparison, paper),
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


def _draw_looks(arms: Sequence[Settled], comparison: Comparison, paper: Paper) -> Scene:
    em, metric, margin = paper.size, comparison.metric, comparison.margin or 0.0
    chosen = looks_of(comparison)
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
        high = 1.1 * em * len(made)
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
