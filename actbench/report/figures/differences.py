"""Differences to the baseline by arm and seed, or the arms' values; and by look, until an arm is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from actbench.analysis.comparison import Comparison, Row, ranked
from actbench.analysis.contrasts import Contrast
from actbench.analysis.verdicts import ArmVerdict
from actbench.experiment.metrics import Metric
from actbench.experiment.records import recorded
from actbench.report.figures.layout import MAX_ARMS, Canvas, Picture, margin_shown, number_shown, picture
from actbench.report.figures.marks import BAND, GREEN, INK, PAGE, QUIET, VERMILLION, minus, text_width
from actbench.report.figures.scales import Axis, Scale, Style, best_or_largest, limits, scale_for, styles_of
from actbench.report.numbers import interval, metric_in_words, seeds_text, value, with_unit
from actbench.report.short import short_verdict
from actbench.report.statement import MAX_NAMES
from actbench.statistics.looks import Decision
from actbench.store.results import Results
from actbench.text import capitalised, counted, first_few, listed, visible

# Beyond so many times what most arms need, an arm is shown as an arrow, so that it does not squeeze the others.
MAX_REACH = 5.0
LARGEST_TIP_COUNT = 600
VERDICT_COLOURS = {"better": GREEN, "worse": VERMILLION}
Interval = tuple[float, float]


@dataclass(frozen=True)
class ArmRow:
    """One row: an arm's differences, or values, by seed with their mean, its intervals and what is said of it.

    `thick` is the interval of this row alone, `thin` the one that the verdict uses. `bad` seeds are of unusable trials.
    Where n is folders, these take the place of the seeds.
    """

    label: str
    by_seed: tuple[tuple[int | str, float], ...]
    mean: float
    thick: Interval | None
    thin: Interval | None = None
    verdict: ArmVerdict | None = None
    bad: frozenset[int | str] = frozenset()

    def numbers(self) -> list[float]:
        """Everything that a row would like to have room for."""
        return [self.mean, *(one for _, one in self.by_seed), *(self.thick or ()), *(self.thin or ())]


def differences_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The first picture of a report; None while no trial of the final phase has a value."""
    rows, bad = ranked(comparison), _bad_seeds(results)
    if known := [shown for row in rows if (shown := difference_row(row.contrast, bad))]:
        return _of_differences(comparison, known)
    return _of_values(comparison, [shown for row in rows if (shown := _value(row, bad))])


def _bad_seeds(results: Results) -> dict[str, frozenset[int]]:
    """The seeds of each arm's trials that diverged, collapsed or failed."""
    return {
        arm.label(): frozenset(record.seed for record in recorded(trials, results.records) if record.ending() != "done")
        for arm, trials in results.plan.arms
    }


def difference_row(
    contrast: Contrast | None, bad: Mapping[str, frozenset[int]], names: Sequence[str] = ()
) -> ArmRow | None:
    """The row of a contrast; None without a difference. `names` are those of folders that take the place of seeds."""
    if contrast is None or (found := contrast.difference).mean is None:
        return None
    first, second = contrast.first, contrast.second
    both = [seed for seed in first.by_seed if seed in second.by_seed and contrast.is_paired]
    dots = tuple((names[seed] if names else seed, first.by_seed[seed] - second.by_seed[seed]) for seed in both)
    wrong = bad.get(first.label, frozenset()) | bad.get(second.label, frozenset())
    return ArmRow(first.label, dots, found.mean, found.interval, contrast.adjusted_interval, contrast.decided, wrong)


def _value(row: Row, bad: dict[str, frozenset[int]]) -> ArmRow | None:
    if row.own.mean is None:
        return None
    seeds, wrong = tuple(row.sample.by_seed.items()), bad.get(row.sample.label, frozenset())
    return ArmRow(row.sample.label, seeds, row.own.mean, row.own.interval, bad=wrong)


def _of_differences(comparison: Comparison, rows: Sequence[ArmRow]) -> Picture:
    metric, sign = comparison.metric, 1 if comparison.metric.larger_is_better is False else -1
    rows = sorted(rows, key=lambda row: sign * row.mean)
    shown = rows[:MAX_ARMS]
    base = comparison.only_baseline()
    against = base or comparison.baseline_label()
    seeds, has_thin = seeds_text(len(row.by_seed) for row in shown), any(row.thin for row in shown)
    has_dots = any(row.by_seed for row in shown)
    thick = "interval at the level of equivalence" if comparison.looks else "95 % interval for this comparison alone"
    return picture(
        "differences",
        f"{capitalised(metric_in_words(metric))} minus {base or 'that of the baseline'}, seed by seed",
        lambda canvas: draw_rows(canvas, shown, metric, comparison.margin, styles_of(comparison), against),
        caption=[
            has_dots and f"Each dot is one of {seeds}: the arm minus {against}, trained with the same seed.",
            f"The marker is the mean, the thick bar its {thick}.",
            has_thin and "The verdict uses the thin bar, which allows for all comparisons that are made here.",
            margin_shown(comparison.margin, metric),
            any(row.bad for row in shown) and "Crosses: a trial diverged, collapsed or failed.",
            number_shown(len(shown), len(rows), first=best_or_largest(metric)),
        ],
        description=_differences_in_words(rows, comparison, against),
    )


def _of_values(comparison: Comparison, rows: Sequence[ArmRow]) -> Picture | None:
    if not rows:
        return None
    metric, shown = comparison.metric, rows[:MAX_ARMS]
    first = best_or_largest(metric) if len(comparison.losses) < 2 else "first"
    seeds = seeds_text(len(row.by_seed) for row in shown)
    said = [f"{visible(row.label)} at {with_unit(row.mean, metric)}" for row in rows]
    return picture(
        "arms",
        f"{capitalised(metric_in_words(metric))} of every seed",
        lambda canvas: draw_rows(canvas, shown, metric, None, styles_of(comparison), ""),
        caption=[
            f"Each dot is one of {seeds}. The marker is the mean, the bar its 95 % interval.",
            any(row.bad for row in shown) and "Crosses: a trial diverged, collapsed or failed.",
            number_shown(len(shown), len(rows), first=first),
        ],
        description=[f"{counted(len(rows), 'arm')}: {'; '.join(first_few(said, 3))}."],
    )


def _differences_in_words(rows: Sequence[ArmRow], comparison: Comparison, against: str) -> list[str]:
    metric, level = comparison.metric, "" if comparison.looks else "95 % "

    def in_words(row: ArmRow) -> str:
        bounds = f", {level}interval {interval(row.thick, metric, signed=True)}" if row.thick else ""
        said = f": {short_verdict(row.verdict)}" if row.verdict else ""
        return f"{visible(row.label)} {value(row.mean, metric, signed=True)}{bounds}{said}"

    what = f"{metric_in_words(metric)} to {visible(against)}{' in points' * metric.is_share}"
    return [f"Differences of {what}: {'; '.join(first_few(list(map(in_words, rows)), MAX_NAMES))}."]


def _axis(rows: Sequence[ArmRow], metric: Metric, margin: float | None, against: str, ends: Interval) -> Axis:
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
    scale = Scale("linear", metric.is_share)
    return Axis(scale, limits([*numbers, -(margin or 0.0), margin or 0.0], scale), *ends)


def draw_rows(
    canvas: Canvas, rows: Sequence[ArmRow], metric: Metric, margin: float | None, chosen: Mapping[str, Style],
    against: str, unit: str = "seed",
) -> float:  # fmt: skip
    """A row for each arm, its differences to another one or, against none, its values; the height."""
    em, narrow, width = canvas.em, canvas.is_narrow, canvas.width
    said = [(minus(value(row.mean, metric, signed=bool(against))), short_verdict(row.verdict)) for row in rows]
    names = canvas.label_width([row.label for row in rows])
    right = max(text_width(" ".join(each), em) for each in said) + 0.6 * em
    left, stop = (0.6 * em, width - 0.6 * em) if narrow else (names + 1.2 * em, width - right - em)
    axis = _axis(rows, metric, margin, against, (left, stop))
    step, head = (3.9 if narrow else 2.5) * em, (2.2 if against else 0.4) * em
    bottom = head + step * len(rows) + 0.2 * em
    if margin:
        start, end = axis.within(-margin), axis.within(margin)
        canvas.box(start, head, end - start, bottom - head, BAND)
    name, points = canvas.named(metric_in_words(metric)), " (points)" * metric.is_share
    named = f"{name} minus {canvas.named(against)}, same {unit}{points}" if against else axis.scale.name_of(name)
    canvas.bottom_axis(axis, head, bottom, named)
    if against:
        _draw_directions(canvas, axis, head, bottom, metric, canvas.named(against))
    for number, (row, words) in enumerate(zip(rows, said, strict=True)):
        centre = head + step * (number + (0.68 if narrow else 0.5))
        with canvas.group(row.label):
            _draw_row(canvas, row, centre, axis, metric, chosen[row.label], unit)
        with canvas.group(row.label):
            _draw_words(canvas, row, centre, words, names, right)
    return bottom + 4.2 * canvas.small + (1.2 * canvas.small if narrow else 0)


def _draw_directions(canvas: Canvas, axis: Axis, top: float, bottom: float, metric: Metric, against: str) -> None:
    """The line at 0, and on which side of it an arm is better."""
    small, zero = canvas.small, axis.within(0.0)
    canvas.line([(zero, top - 0.3 * small), (zero, bottom)], INK, 0.1)
    if metric.larger_is_better is None:
        return
    for word, is_right in (("better", metric.larger_is_better), ("worse", not metric.larger_is_better)):
        room = (canvas.width - zero if is_right else zero) - small
        texts = [f"{words} →" if is_right else f"← {words}" for words in (f"{word} than {against}", word)]
        if fitting := [text for text in texts if text_width(text, small) <= room]:
            x = zero + (0.8 if is_right else -0.8) * small
            canvas.note(x, top - 0.8 * small, fitting[0], "start" if is_right else "end")


def _draw_row(canvas: Canvas, row: ArmRow, y: float, axis: Axis, metric: Metric, style: Style, unit: str) -> None:
    em, (low, high) = canvas.em, axis.bounds
    if not low <= row.mean <= high:
        x, marker = (axis.end - 0.3 * em, ">") if row.mean > high else (axis.start + 0.3 * em, "<")
        canvas.dot(x, y, 0.4, style.colour, marker)
        return
    for bounds, width in ((row.thin, 0.11), (row.thick, 0.36)):
        if bounds:
            canvas.line([(axis.within(bounds[0]), y), (axis.within(bounds[1]), y)], INK, width, opacity=0.8)
    canvas.dot(axis.at(row.mean), y, 0.5, PAGE, style.marker)
    signed = row.verdict is not None
    parts = (
        f"{row.label}: {value(row.mean, metric, signed=signed)}",
        row.thick and f"alone {interval(row.thick, metric, signed=signed)}",
        row.thin and f"for the verdict {interval(row.thin, metric, signed=True)}",
        short_verdict(row.verdict),
    )
    canvas.dot(axis.at(row.mean), y, 0.37, style.colour, style.marker, tip=", ".join(part for part in parts if part))
    has_tips = len(row.by_seed) * em <= LARGEST_TIP_COUNT
    for seed, one in row.by_seed:
        if low <= one <= high:
            said = f"{row.label}, {unit} {seed}: {value(one, metric, signed=signed)}" if has_tips else ""
            marker = "x" if seed in row.bad else "o"
            canvas.dot(axis.at(one), y + 0.72 * em, 0.21, style.colour, marker, 0.85, tip=said)


def _draw_words(canvas: Canvas, row: ArmRow, y: float, words: tuple[str, str], names: float, room: float) -> None:
    """The arm's name and what is said of it: beside its row, or above it on a narrow paper."""
    em, width, (number, word) = canvas.em, canvas.width, words
    said = row.verdict.word if row.verdict else ""
    colour, is_decided = VERDICT_COLOURS.get(said, QUIET), said in VERDICT_COLOURS
    if canvas.is_narrow:
        above, taken = y - 0.95 * em, text_width(f"{number}  {word}", em)
        canvas.box(0, above - 0.9 * em, width, 1.2 * em, PAGE, 0.85)
        canvas.text(0, above, canvas.fitted(row.label, width - taken - em), is_bold=True)
        canvas.text(width, above, word, "end", colour, is_bold=is_decided)
        canvas.text(width - text_width(f"  {word}", em, is_bold=is_decided), above, number, "end")
        return
    canvas.name_beside(row.label, y, names)
    base, start = y + 0.35 * em, width - room
    canvas.text(start, base, number)
    canvas.text(start + text_width(number, em) + 0.6 * em, base, word, colour=colour, is_bold=is_decided)


Settled = tuple[Row, tuple[Decision, ...]]


def settling_picture(comparison: Comparison) -> Picture | None:
    """A row for each arm with a line for each of its looks; None before the first look, and without looks."""
    planned = comparison.looks
    if planned is None or not comparison.is_judged:
        return None
    arms = [(row, made) for row, made in zip(comparison.rows, planned.decisions, strict=True) if made]
    if not arms:
        return None
    sign = 1 if comparison.metric.larger_is_better is False else -1
    arms.sort(key=lambda arm: sign * (arm[1][-1].difference.mean or 0.0))  # as the picture of differences
    shown = arms[:MAX_ARMS]
    after = listed(list(map(str, planned.schedule.seeds)))
    words = [f"{visible(row.sample.label)} {_verdict(row)} after {made[-1].seeds} seeds" for row, made in arms]
    return picture(
        "settling",
        "When each arm was settled",
        lambda canvas: _draw_looks(canvas, shown, comparison),
        caption=[
            f"Looks were planned after {after} seeds; each line is one, with its number of seeds. The thick bar "
            "decides equivalence, the thin one a difference, each at the level of the look.",
            margin_shown(comparison.margin, comparison.metric),
            number_shown(len(shown), len(arms)),
        ],
        description=[f"{'; '.join(first_few(words, MAX_NAMES))}."],
    )


def _verdict(row: Row) -> str:
    return short_verdict(row.contrast.decided) if row.contrast else ""


def _draw_looks(canvas: Canvas, arms: Sequence[Settled], comparison: Comparison) -> float:
    em, metric, margin = canvas.em, comparison.metric, comparison.margin or 0.0
    chosen = styles_of(comparison)
    verdicts = max(text_width(_verdict(row), em, is_bold=True) for row, _ in arms)
    column = canvas.label_width([row.sample.label for row, _ in arms])
    left = column + 2.6 * em
    ends = [end for _, made in arms for one in made for end in (one.adjusted_interval or one.difference.interval or ())]
    scale = Scale("linear", metric.is_share)
    axis = Axis(scale, limits([*ends, margin, -margin], scale), left, canvas.width - verdicts - em)
    y = 0.6 * em
    bottom = sum((1.1 * em * len(made) + 0.7 * em for _, made in arms), y)
    if margin:
        canvas.box(axis.at(-margin), y, axis.at(margin) - axis.at(-margin), bottom - y, BAND)
    points = ", points" * metric.is_share
    canvas.bottom_axis(axis, y, bottom, f"{metric_in_words(metric)} minus that of the baseline{points}")
    canvas.line([(axis.at(0.0), y), (axis.at(0.0), bottom)], QUIET, 0.1)
    for row, made in arms:
        label, high, bounds = row.sample.label, 1.1 * em * len(made), made[-1].difference.interval
        middle, style = y + high / 2 + 0.35 * em, chosen[label]
        with canvas.group(label, f"{label}: {interval(bounds, metric, signed=True) if bounds else 'no interval'}"):
            canvas.text(0, middle, canvas.fitted(label, column))
            for number, decision in enumerate(made):
                _draw_look(canvas, decision, axis, y + 1.1 * em * (number + 0.5), style, left)
            colour = VERDICT_COLOURS.get(row.contrast.word, QUIET) if row.contrast else QUIET
            canvas.text(canvas.width, middle, _verdict(row), "end", colour)
        y += high + 0.7 * em
    return bottom + 3.4 * em


def _draw_look(canvas: Canvas, decision: Decision, axis: Axis, y: float, style: Style, left: float) -> None:
    """One look: how many seeds, both intervals, and the mean."""
    canvas.note(left - 0.6 * canvas.em, y + 0.3 * canvas.em, str(decision.seeds), "end")
    for bounds, width in ((decision.adjusted_interval, 0.08), (decision.difference.interval, 0.26)):
        if bounds:
            canvas.line([(axis.at(end), y) for end in bounds], style.colour, width)
    if decision.difference.mean is not None:
        canvas.dot(axis.at(decision.difference.mean), y, 0.32, style.colour, style.marker)
