"""Two factors: how much is luck of the seed, the differences of all combinations, and whether factors work together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actbench.analysis.comparison import Comparison, Row
from actbench.analysis.effects import Effects, effects
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import label_of, settings_by_path, value_to_text
from actbench.report.figures.layout import Canvas, End, Picture, picture
from actbench.report.figures.marks import BAND, BLUE, GREY, PAGE, VERMILLION, lines_of, minus, shortened, text_width
from actbench.report.figures.scales import COLOURS, Axis, Scale, best_or_largest, limits, scale_for, styles
from actbench.report.numbers import interval, metric_in_words, smallest_shown, value, with_unit
from actbench.store.results import Results
from actbench.text import capitalised, counted, listed, visible

MAX_ROWS, MAX_COLUMNS, MAX_PANELS = 40, 12, 9
STRONGEST = 0.45
HIGHER = "three factors and more"
EFFECT_COLOURS = tuple(colour for colour in COLOURS if colour != GREY)
Cell = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Factors:
    """Rows of the comparison by the values of a row, a column and a panel factor; the panel's path may be empty.

    Where there are more factors, `averaged` are those over whose values a cell's mean is too; it has no difference.
    """

    paths: tuple[str, str, str]
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    panels: tuple[Any, ...]
    means: dict[Cell, float]
    arms: dict[Cell, Row]
    averaged: tuple[str, ...]

    def difference(self, cell: Cell) -> float | None:
        """The cell's difference to the baseline, or to the mean of all where there is none."""
        row = self.arms.get(cell)
        if row is not None and row.contrast is not None:
            return row.contrast.difference.mean
        if cell not in self.means or self.has_baseline():
            return None
        return self.means[cell] - sum(self.means.values()) / len(self.means)

    def has_baseline(self) -> bool:
        """Whether differences are to a baseline."""
        return any(row.contrast for row in self.arms.values())


def factors_pictures(results: Results, comparison: Comparison) -> list[Picture]:
    """The pictures of two factors and more; none if fewer are varied, or nothing has a value."""
    factors = _factors(comparison)
    if factors is None or not factors.means:
        return []
    explained = effects(results.plan, results.records, comparison.metric)
    drawn = [_luck_picture(explained, comparison.metric)] if explained else []
    return [*drawn, _map_picture(factors, comparison), *_interaction_picture(factors, comparison.metric)]


def _factors(comparison: Comparison) -> Factors | None:
    """The two factors with the most values make the table, the longer one its rows; the next one makes the panels."""
    values = settings_by_path(row.sample.values for row in comparison.rows)
    if len(values) < 2 or len(comparison.losses) > 1:
        return None
    row_path, column, *others = sorted(values, key=lambda path: -len(values[path]))
    panel = others[0] if others else ""
    numbers: dict[Cell, list[float]] = {}
    arms: dict[Cell, Row] = {}
    for row in comparison.rows:
        at = dict(row.sample.values)
        cell = (at.get(row_path), at.get(column), at.get(panel))
        if row.own.mean is not None:
            numbers.setdefault(cell, []).append(row.own.mean)
            arms[cell] = row
    averaged = tuple(others[1:])
    return Factors(
        (row_path, column, panel),
        tuple(values[row_path])[:MAX_ROWS],
        tuple(values[column])[:MAX_COLUMNS],
        tuple(values[panel])[:MAX_PANELS] if panel else (None,),
        {cell: sum(known) / len(known) for cell, known in numbers.items()},
        {} if averaged else arms,
        averaged,
    )


def _luck_picture(explained: Effects, metric: Metric) -> Picture:
    parts = [([*map(_last, effect.factors)] or [HIGHER], max(effect.share, 0.0)) for effect in explained.effects]
    parts = [*sorted(parts, key=lambda part: -part[1]), (["luck of the seed"], max(explained.noise, 0.0))]
    said = [f"{' x '.join(names)} {share:.0%}" for names, share in parts if share >= 0.005]
    return picture(
        "luck",
        f"What the differences in {metric_in_words(metric)} come from",
        lambda canvas: _draw_luck(canvas, parts),
        caption=[
            f"The whole bar is the variance over all arms and {explained.seeds} seeds. Grey is what is left to the "
            "seeds: nothing that was chosen explains it."
        ],
        description=[f"Shares of the variance: {listed(said)}."],
    )


def _last(path: str) -> str:
    """`init` for `model.init`, as tables and sentences call it."""
    return path.split(".")[-1]


def _draw_luck(canvas: Canvas, parts: Sequence[tuple[Sequence[str], float]]) -> float:
    """One bar, with each part's name and share below it."""
    em, total = canvas.em, sum(share for _, share in parts) or 1.0
    left, row, x = 0.0, 0, 0.0
    for number, (names, share) in enumerate(parts):
        width = share / total * canvas.width
        colour = GREY if number == len(parts) - 1 else EFFECT_COLOURS[number % len(EFFECT_COLOURS)]
        canvas.box(left, 0.2 * em, width, 2.2 * em, colour, 1.0, PAGE, 0.1)
        left += width
        size = "<1%" if 0 < share / total < 0.005 else f"{share / total:.0%}"
        text = f"{size} {' x '.join(map(canvas.named, names))}"
        needed = text_width(text, em) + 3 * em
        if x and x + needed > canvas.width:
            row, x = row + 1, 0.0
        y = (3.9 + 1.5 * row) * em
        canvas.box(x, y - 0.75 * em, 0.8 * em, 0.8 * em, colour)
        canvas.text(x + 1.2 * em, y, shortened(text, em, canvas.width - 1.2 * em))
        x += needed
    return (4.6 + 1.5 * row) * em


def _map_picture(factors: Factors, comparison: Comparison) -> Picture:
    metric, (row, column, panel) = comparison.metric, map(_last, factors.paths)
    name, points = metric_in_words(metric), " in points" * metric.is_share
    against = comparison.baseline_label() if factors.has_baseline() else "the mean of all"
    return picture(
        "factors",
        f"{capitalised(name)} minus {against}, by {row} and {column}{f' and {panel}' if panel else ''}",
        lambda canvas: _draw_map(canvas, factors, metric),
        caption=[
            f"Differences of {name}{points} to {against}, with their 95 % intervals; the baseline's cells hold its "
            "mean."
            if factors.has_baseline()
            else f"Differences of mean {name}{points} to {against}.",
            metric.larger_is_better is not None and "Blue is better, orange worse; the stronger, the more.",
            bool(factors.averaged) and f"Means are over {listed([*map(_last, factors.averaged)])} too.",
            len(factors.means) < len(factors.rows) * len(factors.columns) * len(factors.panels)
            and "Empty cells have not been trained.",
        ],
        description=_description(factors, metric),
    )


def _description(factors: Factors, metric: Metric) -> list[str]:
    def in_words(cell: Cell) -> str:
        named = [(_last(path), one) for path, one in zip(factors.paths, cell, strict=True) if path]
        names = ", ".join(f"{path} {visible(value_to_text(one))}" for path, one in named)
        return f"{with_unit(factors.means[cell], metric)} for {names}"

    ordered = sorted(factors.means, key=lambda cell: factors.means[cell], reverse=metric.larger_is_better is not False)
    row, column, _ = map(_last, factors.paths)
    sizes = f"{counted(len(factors.rows), 'row')} ({row}) and {counted(len(factors.columns), 'column')} ({column})"
    return [
        f"{counted(len(factors.means), 'mean')} of {metric_in_words(metric)} in {sizes}.",
        f"The {best_or_largest(metric)} is {in_words(ordered[0])}; the last is {in_words(ordered[-1])}.",
    ]


def _draw_map(canvas: Canvas, factors: Factors, metric: Metric) -> float:
    em, small = canvas.em, canvas.small
    rows = [value_to_text(one) for one in factors.rows]
    number_room = text_width("+86.33", em, is_bold=True) + em
    room = max(0.3 * canvas.width, 0.98 * canvas.width - len(factors.columns) * number_room)
    names = min(max(text_width(canvas.named(name), em) for name in rows), room)
    left = names + 0.8 * em
    cell = min((canvas.width - names - 0.8 * em) / len(factors.columns), 11 * em)
    differences = {at: one for at in factors.means if (one := factors.difference(at)) is not None}
    widest = max([smallest_shown(metric), *map(abs, differences.values())]) or 1.0
    high, y = 2.9 * em, 0.0
    for panel in factors.panels:
        head = [lines_of(canvas.named(value_to_text(one)), small, cell - 0.4 * em, most=2) for one in factors.columns]
        if factors.paths[2]:
            canvas.text(0, y + 1.2 * em, label_of(((factors.paths[2], panel),)), is_bold=True)
            y += 1.8 * em
        y += (0.5 + 1.15 * max(map(len, head))) * small
        for column, lines in enumerate(head):
            for number, line in enumerate(reversed(lines)):
                canvas.note(left + (column + 0.5) * cell, y - (0.5 + 1.15 * number) * small, line)
        for number, row in enumerate(factors.rows):
            top, text = y + number * high, shortened(canvas.named(rows[number]), em, names)
            canvas.text(names, top + high / 2 + 0.35 * em, text, "end")
            for column, one in enumerate(factors.columns):
                place = (left + column * cell, top, cell, high)
                _draw_cell(canvas, factors, (row, one, panel), metric, widest, place)
        y += high * len(factors.rows) + 0.9 * em
    _draw_colour_bar(canvas, widest, metric, y, left)
    return y + 2.9 * em


def _shade(difference: float, widest: float, metric: Metric) -> tuple[str, float]:
    is_good = difference > 0 if metric.larger_is_better is not False else difference < 0
    return (BLUE if is_good else VERMILLION), STRONGEST * min(1.0, abs(difference) / widest) ** 0.5


def _draw_cell(
    canvas: Canvas, factors: Factors, at: Cell, metric: Metric, widest: float, place: tuple[float, float, float, float]
) -> None:
    x, y, width, height = place
    em, small, arm = canvas.em, canvas.small, factors.arms.get(at)
    if at not in factors.means:
        canvas.box(*place, PAGE, 1.0, BAND, 0.1)
        return
    difference = factors.difference(at)
    contrast = arm.contrast if arm else None
    shown, below = factors.means[at] if difference is None else difference, ""
    if contrast and contrast.difference.interval:
        below = minus(interval(contrast.difference.interval, metric, signed=True))
    elif difference is None:
        below = "baseline"
    has_room = text_width(below, 0.85 * small) < width
    colour, opacity = (BAND, 1.0) if difference is None else _shade(difference, widest, metric)
    label = arm.sample.label if arm else ""
    tip = f"{label or 'mean'}: {with_unit(factors.means[at], metric)}"
    with canvas.group(label, f"{tip}, {value(difference, metric, signed=True)} to the baseline" if contrast else tip):
        canvas.box(*place, colour, opacity, PAGE, 0.1)
        first = y + height / 2 + (-0.1 if difference is None or (below and has_room) else 0.35) * em
        text = minus(value(shown, metric, signed=difference is not None))
        canvas.text(x + width / 2, first, text, "middle", is_bold=difference is not None)
        if below and has_room:
            canvas.text(x + width / 2, first + 1.15 * small, below, "middle", size=0.85 * 0.9)


def _draw_colour_bar(canvas: Canvas, widest: float, metric: Metric, y: float, left: float) -> None:
    """What the colours mean."""
    small, steps = canvas.small, 21
    width = min(16 * small, canvas.width - left)
    for step in range(steps):
        colour, opacity = _shade(widest * (2 * step / (steps - 1) - 1), widest, metric)
        canvas.box(left + step * width / steps, y, width / steps, 0.8 * small, colour, opacity)
    anchors: Any = ("start", "middle", "end")
    for number, anchor in enumerate(anchors):
        text = minus(value((number - 1) * widest, metric, signed=number != 1))
        canvas.note(left + number / 2 * width, y + 2 * small, text, anchor)


def _interaction_picture(factors: Factors, metric: Metric) -> list[Picture]:
    """Lines over the columns, one for each row; nothing where a factor has one value."""
    if len(factors.columns) < 2 or len(factors.rows) < 2:
        return []
    row, column, panel = map(_last, factors.paths)
    averaged = [panel] * bool(panel) + [*map(_last, factors.averaged)]
    return [
        picture(
            "interaction",
            f"Does {row} depend on {column}?",
            lambda canvas: _draw_interaction(canvas, factors, metric),
            caption=[
                f"A line for each {row}: its mean {metric_in_words(metric)} at each {column}"
                f"{f', over all {listed(averaged)}' if averaged else ''}. Where lines run side by side, the two act "
                "independently; where they cross, the best of one depends on the other.",
            ],
            description=_description(factors, metric),
        )
    ]


def _draw_interaction(canvas: Canvas, factors: Factors, metric: Metric) -> float:
    em, small = canvas.em, canvas.small
    lines = {one: [_mean(factors, one, column) for column in factors.columns] for one in factors.rows}
    known = [mean for means in lines.values() for mean in means if mean is not None]
    texts = {one: value_to_text(one) for one in factors.rows}
    chosen = styles({text: ((factors.paths[0], one),) for one, text in texts.items()})
    top = 2.4 * em
    bottom = top + max(17 * em, 1.1 * small * len(lines))
    scale = scale_for(known, metric)
    y, across = Axis(scale, limits(known, scale), bottom, top), (Scale(), (-0.5, len(factors.columns) - 0.5))
    x_axis = canvas.ended_axes(
        y, across, scale.name_of(metric_in_words(metric)), map(canvas.named, texts.values()), (0.0, 0.0)
    )
    places = [x_axis.at(number) for number in range(len(factors.columns))]
    step = (x_axis.end - x_axis.start) / len(factors.columns)
    heads = [lines_of(canvas.named(value_to_text(one)), small, step - 0.3 * em, most=2) for one in factors.columns]
    for x, words in zip(places, heads, strict=True):
        for row, text in enumerate(words):
            canvas.note(x, bottom + (1.4 + 1.15 * row) * small, text)
    ends = []
    for one, means in lines.items():
        style = chosen[texts[one]]
        shown = [(x, mean) for x, mean in zip(places, means, strict=True) if mean is not None]
        points = [(x, y.within(mean)) for x, mean in shown]
        if len(points) > 1:
            canvas.line(points, style.colour, 0.12, style.dashes)
        for (x, height), (_, mean) in zip(points, shown, strict=True):
            canvas.dot(x, height, 0.28, style.colour, style.marker, tip=f"{texts[one]}: {with_unit(mean, metric)}")
        if points:
            ends.append(End("", points[-1][1], canvas.named(texts[one]), style.colour))
    canvas.labels_at_ends(ends, places[-1] + 0.2 * em, y)
    return bottom + (1.9 + 1.15 * max(map(len, heads))) * small


def _mean(factors: Factors, row: Any, column: Any) -> float | None:
    known = [mean for at, mean in factors.means.items() if at[:2] == (row, column)]
    return sum(known) / len(known) if known else None
