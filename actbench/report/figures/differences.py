"""The picture of a comparison: each arm's paired differences, or its values where there is no baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from actbench.analysis.comparison import Comparison, Contrast, Row, ranked
from actbench.experiment.metrics import Metric
from actbench.report.figures.layout import (
    MAX_ARMS,
    Paper,
    Picture,
    bottom_axis,
    column_of,
    label_width,
    number_shown,
    picture,
    with_unit,
)
from actbench.report.figures.looks import Look, looks
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
    shortened,
    text_width,
)
from actbench.report.figures.scales import Axis, Scale, first_word, limits, scale_for
from actbench.report.numbers import interval, metric_in_words, size, value
from actbench.report.short import short_verdict
from actbench.statistics.intervals import estimate
from actbench.store.results import Results
from actbench.text import counted, visible

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
    is_baseline: bool = False

    def numbers(self) -> list[float]:
        """Everything that a row would like to have room for."""
        return [self.mean, *(one for _, one in self.by_seed), *(self.thick or ()), *(self.thin or ())]


def differences_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The first picture of a report; None while no trial of the final phase has a value."""
    rows = ranked(comparison)
    bad = _bad_seeds(results)
    shown = [_difference(row.contrast, bad) for row in rows if row.contrast]
    sign = -1 if comparison.metric.larger_is_better is False else 1
    known = sorted((row for row in shown if row is not None), key=lambda row: -sign * row.mean)
    if known:
        return _of_differences(comparison, known)
    values = [_value(row, bad) for row in rows]
    return _of_values(comparison, [row for row in values if row is not None])


def first_seeds(comparison: Comparison, count: int) -> Picture | None:
    """The same picture as it would be if only the first so many seeds had been trained; None without a baseline."""
    kept = set(comparison.seeds[:count])

    def fewer(row: Row) -> Shown | None:
        shown = _difference(row.contrast, {}) if row.contrast and row.contrast.is_paired else None
        by_seed = tuple((seed, one) for seed, one in shown.by_seed if seed in kept) if shown else ()
        if shown is None or not by_seed:
            return None
        over = estimate([one for _, one in by_seed])
        return replace(shown, by_seed=by_seed, mean=over.mean or 0.0, thick=over.interval, thin=None, word="")

    sign = -1 if comparison.metric.larger_is_better is False else 1
    rows = [row for each in ranked(comparison) if (row := fewer(each)) is not None]
    rows = sorted(rows, key=lambda row: -sign * row.mean)
    return _of_differences(comparison, rows) if rows else None


def _bad_seeds(results: Results) -> dict[str, frozenset[int]]:
    """The seeds of each arm's trials that diverged, collapsed or failed."""
    bad = {}
    for arm, trials in results.plan.arms:
        records = [(trial.seed, results.records[trial.id]) for trial in trials if trial.id in results.records]
        bad[arm.label()] = frozenset(seed for seed, record in records if record.ending() != "done")
    return bad


def _difference(contrast: Contrast | None, bad: dict[str, frozenset[int]]) -> Shown | None:
    if contrast is None or contrast.difference.mean is None:
        return None
    first, second = contrast.first, contrast.second
    by_seed = {seed: one - second.by_seed[seed] for seed, one in first.by_seed.items() if seed in second.by_seed}
    return Shown(
        first.label,
        tuple(by_seed.items()) if contrast.is_paired else (),
        contrast.difference.mean,
        contrast.difference.interval,
        contrast.adjusted_interval,
        short_verdict(contrast.verdict),
        bad.get(first.label, frozenset()) | bad.get(second.label, frozenset()),
    )


def _value(row: Row, bad: dict[str, frozenset[int]]) -> Shown | None:
    if row.own.mean is None:
        return None
    sample, own = row.sample, row.own
    seeds = tuple(sample.by_seed.items())
    return Shown(sample.label, seeds, own.mean or 0.0, own.interval, bad=bad.get(sample.label, frozenset()))


def _of_differences(comparison: Comparison, rows: Sequence[Shown]) -> Picture:
    metric, shown = comparison.metric, list(rows)[:MAX_ARMS]
    base = _baseline_name(comparison)
    against = base if base else comparison.baseline_label()
    seeds = counted(len(comparison.seeds), "seed")
    has_thin = any(row.thin for row in shown)
    thick = "interval at the level of equivalence" if comparison.looks else "95 % interval for this comparison alone"
    chosen = looks({row.sample.label: row.sample.values for row in comparison.rows})
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
        description=_differences_in_words(rows, metric, against),
    )


def _of_values(comparison: Comparison, rows: Sequence[Shown]) -> Picture | None:
    if not rows:
        return None
    metric, shown = comparison.metric, list(rows)[:MAX_ARMS]
    chosen = looks({row.sample.label: row.sample.values for row in comparison.rows})
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


def _baseline_name(comparison: Comparison) -> str:
    """The only baseline's label, or nothing where arms have several."""
    names = {row.contrast.second.label for row in comparison.rows if row.contrast}
    return names.pop() if len(names) == 1 else ""


def _differences_in_words(rows: Sequence[Shown], metric: Metric, against: str) -> list[str]:
    def in_words(row: Shown) -> str:
        bounds = f", 95 % interval {interval(row.thick, metric, signed=True)}" if row.thick else ""
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
    said = [_end(row, metric, bool(against)) for row in rows]
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
        return [_arrow(axis.end if row.mean > high else axis.start, y, row.mean > high, look.colour, em)]
    for bounds, width in ((row.thin, 0.11), (row.thick, 0.36)):
        if bounds:
            marks.append(Line([(axis.within(bounds[0]), y), (axis.within(bounds[1]), y)], INK, width * em, opacity=0.8))
    marks.append(Dot(axis.at(row.mean), y, 0.5 * em, PAGE, look.marker))
    tip = _tip(row, metric)
    marks.append(Dot(axis.at(row.mean), y, 0.37 * em, look.colour, look.marker, tip=tip))
    has_tips = len(row.by_seed) * em <= LARGEST_TIP_COUNT
    for seed, one in row.by_seed:
        if low <= one <= high:
            said = f"{row.label}, seed {seed}: {value(one, metric, signed=row.word != '')}" if has_tips else ""
            marker = "x" if seed in row.bad else "o"
            marks.append(Dot(axis.at(one), y + 0.72 * em, 0.21 * em, look.colour, marker, 0.85, tip=said))
    return marks


def _arrow(x: float, y: float, is_right: bool, colour: str, em: float) -> Mark:
    return Dot(x - (0.3 * em if is_right else -0.3 * em), y, 0.4 * em, colour, ">" if is_right else "<")


def _tip(row: Shown, metric: Metric) -> str:
    parts = [f"{row.label}: {value(row.mean, metric, signed=row.word != '')}"]
    parts += [f"alone {interval(row.thick, metric, signed=row.word != '')}"] if row.thick else []
    parts += [f"for the verdict {interval(row.thin, metric, signed=True)}"] if row.thin else []
    return ", ".join([*parts, *([row.word] if row.word else [])])


def _end(row: Shown, metric: Metric, is_difference: bool) -> tuple[str, str]:
    """What is written at a row's end: the number, and the verdict."""
    number = value(row.mean, metric, signed=is_difference)
    return minus(number), row.word


def _words(row: Shown, y: float, words: tuple[str, str], paper: Paper, names: float, room: float) -> list[Mark]:
    """The arm's name and what is said of it: beside its row, or above it on a narrow paper."""
    em = paper.size
    number, word = words
    is_decided = word.startswith(("better", "worse"))
    colour = GREEN if word.startswith("better") else VERMILLION if is_decided else QUIET
    if paper.is_narrow:
        above = y - 0.95 * em
        taken = text_width(f"{number}  {word}", em)
        name = Text(
            0, above, shortened(paper.named(row.label), em, (paper.width - taken - em) / 1.07), em, is_bold=True
        )
        end = Text(paper.width, above, word, em, "end", colour, is_decided)
        ground = Area(box(0, above - 0.9 * em, paper.width, 1.2 * em), PAGE, 0.85)
        return [
            ground,
            name,
            end,
            Text(paper.width - text_width(f" {word}", em, is_bold=is_decided), above, number, em, "end"),
        ]
    base = y + 0.35 * em
    start = paper.width - room
    after = start + text_width(number, em) + 0.6 * em
    names_of_row = column_of([row.label], [y], names, names, paper, [False])
    return [*names_of_row, Text(start, base, number, em), Text(after, base, word, em, "start", colour, is_decided)]
