"""Curves over epochs: accuracy by arm and by seed, and learnt parameters of activations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from actbench.analysis.comparison import Comparison
from actbench.analysis.curves import ArmCurves, arm_curves, picked_epochs
from actbench.experiment.metrics import learnt_name, parse_metric
from actbench.experiment.records import recorded
from actbench.report.figures.layout import MAX_ARMS, Canvas, End, Picture, number_shown, picture
from actbench.report.figures.marks import GRID, QUIET, Area
from actbench.report.figures.scales import Axis, Limits, Scale, Style, epoch_ticks, limits, scale_for, styles, styles_in
from actbench.report.numbers import value, with_unit
from actbench.store.results import Results
from actbench.text import counted, visible

LONG_TRAINING_EPOCHS = 200
MAX_POINTS, MAX_POINTS_OF_A_SEED = 100, 40
MAX_MARKERS = 12
MAX_BANDS = 10
MAX_SEEDS = 40
BAND_OPACITY, SEED_OPACITY = 0.1, 0.45
MAX_FOR_BANDS = 0.25
ACCURACY = parse_metric("validation_accuracy")
MAX_CURVES, MAX_PANELS = 12, 4
SPREAD = "_sd"


def ranked_curves(results: Results, comparison: Comparison) -> list[ArmCurves]:
    """The curves of each arm that has been trained for at least one epoch, the best at the last epoch first."""
    baselines = {row.sample.label for row in comparison.rows if row.is_baseline}
    found = [one for one in arm_curves(results.plan, results.records) if one.means]
    marked = [replace(one, is_baseline=one.label in baselines) for one in found]
    return sorted(marked, key=lambda one: -one.mean(len(one.means)))


def thinned_epochs(last: int, most: int) -> list[int]:
    """At most so many epochs, evenly spaced on the axis that they are drawn on."""
    return picked_epochs(last, most, is_log=last > LONG_TRAINING_EPOCHS)


def curves_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The mean learning curves with bands over the seeds; None while no arm has been trained for two epochs."""
    curves = ranked_curves(results, comparison)
    if not curves or _last_epoch(curves) < 2:
        return None
    shown = _with_baseline(curves)
    return picture(
        "curves",
        f"{_quantity(curves).capitalize()} after each epoch",
        lambda canvas: _draw_curves(canvas, shown),
        caption=[
            "Lines are means over the seeds; each epoch's mean is over the trials that reached it.",
            len(shown) <= MAX_BANDS and "Bands are their 95 % intervals.",
            any(arm.is_baseline for arm in shown) and "The baseline's name is in bold.",
            *_about_axes(curves, MAX_POINTS),
        ],
        description=_description(curves),
    )


def seeds_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The learning curve of every trial; None if no arm has two of them, or of two epochs."""
    curves = ranked_curves(results, comparison)
    if max((len(arm.seeds) for arm in curves), default=0) < 2 or _last_epoch(curves) < 2:
        return None
    shown = _with_baseline(curves)
    return picture(
        "seeds",
        f"{_quantity(curves).capitalize()} after each epoch, seed by seed",
        lambda canvas: _draw_seeds(canvas, shown),
        caption=[
            "Each thin line is one trial, the thick line their mean; the best arm comes first.",
            any(len(seed) < len(arm.means) for arm in shown for seed in arm.seeds)
            and "A line that ends early is a trial that diverged or failed.",
            any(len(arm.seeds) > MAX_SEEDS for arm in shown) and f"The first {MAX_SEEDS} trials of an arm are shown.",
            *_about_axes(curves, MAX_POINTS_OF_A_SEED),
        ],
        description=[*_description(curves), _largest_spread(curves)],
    )


def _with_baseline(curves: Sequence[ArmCurves]) -> list[ArmCurves]:
    """As many as can be shown, a single baseline among them."""
    shown, baselines = list(curves[:MAX_ARMS]), [arm for arm in curves if arm.is_baseline]
    if len(baselines) == 1 and baselines[0] not in shown:
        shown[-1] = baselines[0]
    return shown


def _quantity(curves: Sequence[ArmCurves]) -> str:
    return f"{' or '.join(dict.fromkeys(arm.part for arm in curves))} accuracy"


def _last_epoch(curves: Sequence[ArmCurves]) -> int:
    return max(len(arm.means) for arm in curves)


def _about_axes(curves: Sequence[ArmCurves], most: int) -> Iterator[str]:
    """That the axis is cut, how the epochs of a long training are thinned out, and how many arms are shown."""
    last, shown = _last_epoch(curves), len(_with_baseline(curves))
    yield "The axis need not begin at 0."
    scale, drawn = " on the logarithmic axis" * (last > LONG_TRAINING_EPOCHS), len(thinned_epochs(last, most))
    yield f"Of {last:,} epochs, {drawn} are drawn, evenly spaced{scale}." if last > most else ""
    yield number_shown(shown, len(curves))


def _description(curves: Sequence[ArmCurves]) -> list[str]:
    """Where the best, the worst and the baseline begin and end."""

    def ends(arm: ArmCurves) -> str:
        first, last = (with_unit(arm.mean(epoch), ACCURACY) for epoch in (1, len(arm.means)))
        return f"{visible(arm.label)} goes from {first} to {last}"

    epochs = counted(_last_epoch(curves), "epoch")
    worst = f", the best; {ends(curves[-1])}, the lowest" if len(curves) > 1 else ""
    baselines = [arm for arm in curves if arm.is_baseline]
    return [
        f"Mean {_quantity(curves)} of {counted(len(curves), 'arm')} over {epochs}: {ends(curves[0])}{worst}.",
        f"The baseline {ends(baselines[0])}." if len(baselines) == 1 else "",
    ]


def _largest_spread(curves: Sequence[ArmCurves]) -> str:
    ends = [[seed[-1] for seed in arm.seeds if len(seed) == len(arm.means)] for arm in curves]
    spreads = [max(last) - min(last) for last in ends]
    widest = visible(curves[spreads.index(max(spreads))].label)
    trials = counted(sum(len(arm.seeds) for arm in curves), "trial")
    return f"Of {trials}, those of {widest} differ most at the last epoch: by {value(max(spreads), ACCURACY)} points."


def _accuracy_axis(numbers: Sequence[float], bands: Iterable[float], start: float, end: float) -> Axis:
    """The axis for all curves; bands may widen it a little, but not compress the curves."""
    scale = scale_for(numbers, ACCURACY)
    low, high = map(scale.position, limits(numbers, scale))
    places = [scale.position(band) for band in bands if 0 < band < 1]
    padding = MAX_FOR_BANDS * (high - low)
    low, high = max(min([low, *places]), low - padding), min(max([high, *places]), high + padding)
    return Axis(scale, (scale.value(low), scale.value(high)), start, end)


def _epochs(curves: Sequence[ArmCurves]) -> tuple[Scale, Limits]:
    last = _last_epoch(curves)
    return Scale("log" if last > LONG_TRAINING_EPOCHS else "linear"), (1, last) if last > 1 else (0.5, 1.5)


def _epochs_below(canvas: Canvas, axis: Axis, last: int, bottom: float, *, is_named: bool) -> None:
    is_long, small = axis.scale.kind == "log", canvas.small
    canvas.line([(axis.start, bottom), (axis.end, bottom)], GRID, 0.063)
    for epoch in epoch_ticks(last, is_long=is_long, most=max(2, int((axis.end - axis.start) / (3 * small)))):
        x = axis.at(epoch)
        canvas.line([(x, bottom), (x, bottom + 0.3 * small)], QUIET, 0.063)
        canvas.note(x, bottom + 1.35 * small, str(epoch))
    if is_named:
        canvas.note((axis.start + axis.end) / 2, bottom + 2.6 * small, "epoch (log scale)" if is_long else "epoch")


def _draw_curves(canvas: Canvas, curves: Sequence[ArmCurves]) -> float:
    em, small, last, has_bands = canvas.em, canvas.small, _last_epoch(curves), len(curves) <= MAX_BANDS
    texts = {arm.label: f"{canvas.named(arm.label)} {value(arm.mean(len(arm.means)), ACCURACY)}" for arm in curves}
    top = 2.4 * em
    bottom = top + max((19 if canvas.is_narrow else 22) * em, 1.1 * small * len(curves))
    numbers = [arm.mean(epoch) for arm in curves for epoch in range(1, len(arm.means) + 1)]
    bands = [end for arm in curves for epoch in range(1, len(arm.means) + 1) for end in arm.band(epoch)]
    y = _accuracy_axis(numbers, bands if has_bands else (), bottom, top)
    x = canvas.ended_axes(y, _epochs(curves), y.scale.name_of(_quantity(curves)), texts.values())
    chosen = styles({arm.label: arm.values for arm in curves})
    _epochs_below(canvas, x, last, bottom, is_named=True)
    ends = []
    for arm in reversed(curves):
        style, epochs = chosen[arm.label], thinned_epochs(len(arm.means), MAX_POINTS)
        with canvas.group(arm.label):
            _draw_curve(canvas, arm, epochs, x, y, style, has_band=has_bands and len(arm.seeds) > 1)
        end = min(max(y.at(arm.mean(len(arm.means))), top), bottom)
        ends.append(End(arm.label, end, texts[arm.label], style.colour, arm.is_baseline))
    canvas.labels_at_ends(ends, x.end, y)
    return bottom + 3.1 * small


def _draw_curve(
    canvas: Canvas, arm: ArmCurves, epochs: Sequence[int], x: Axis, y: Axis, style: Style, *, has_band: bool
) -> None:
    if has_band:
        low, high = ([(x.at(epoch), y.within(arm.band(epoch)[end])) for epoch in epochs] for end in (0, 1))
        canvas.marks.append(Area([*low, *reversed(high)], style.colour, BAND_OPACITY))
    points = [(x.at(epoch), y.within(arm.mean(epoch))) for epoch in epochs]
    canvas.line(points, style.colour, 0.17 if arm.is_baseline else 0.12, style.dashes)
    every = math.ceil(len(epochs) / MAX_MARKERS)
    for epoch, (at, height) in list(zip(epochs, points, strict=True))[every - 1 :: every]:
        tip = f"{arm.label}, epoch {epoch}: {with_unit(arm.mean(epoch), ACCURACY)}"
        canvas.dot(at, height, 0.24, style.colour, style.marker, tip=tip)


def _draw_seeds(canvas: Canvas, curves: Sequence[ArmCurves]) -> float:
    em, small, last = canvas.em, canvas.small, _last_epoch(curves)
    columns = min(len(curves), 2 if canvas.is_narrow else 4)
    y = _accuracy_axis([one for arm in curves for seed in arm.seeds for one in seed], (), 0.0, -8.5 * em)
    left = canvas.tick_width(y)
    wide, high, top = (canvas.width - left) / columns, 11.6 * em, 1.4 * em
    chosen = styles({arm.label: arm.values for arm in curves})
    canvas.note(0, 0.9 * em, y.scale.name_of(_quantity(curves)), "start")
    for number, arm in enumerate(curves):
        row, column = divmod(number, columns)
        bottom, start = top + row * high + 10.4 * em, left + column * wide
        x = Axis(*_epochs(curves), start + 0.4 * em, start + wide - 1.3 * em)
        placed = Axis(y.scale, y.bounds, bottom, bottom - 8.5 * em)
        for place, text in placed.ticks(3):
            canvas.line([(x.start, place), (x.end, place)], GRID, 0.07)
            if column == 0:
                canvas.note(left - 0.2 * em, place + 0.35 * small, text, "end")
        if number + columns >= len(curves):
            _epochs_below(canvas, x, last, bottom, is_named=False)
        with canvas.group(arm.label):
            name = canvas.fitted(arm.label, wide - em)
            canvas.text(x.start, placed.end - 0.5 * em, name, is_bold=arm.is_baseline)
            _draw_lines(canvas, arm, x, placed, chosen[arm.label].colour)
    return top + math.ceil(len(curves) / columns) * high + 1.6 * em


def _draw_lines(canvas: Canvas, arm: ArmCurves, x: Axis, y: Axis, colour: str) -> None:
    """The thinned curve of every seed as far as its trial got, and their mean."""
    for seed in arm.seeds[:MAX_SEEDS]:
        epochs = thinned_epochs(len(seed), MAX_POINTS_OF_A_SEED)
        points = [(x.at(epoch), y.within(seed[epoch - 1])) for epoch in epochs]
        points += [(points[0][0] + 0.3 * canvas.em, points[0][1])] * (len(points) == 1)
        canvas.line(points, colour, 0.06, opacity=SEED_OPACITY)
    epochs = thinned_epochs(len(arm.means), MAX_POINTS_OF_A_SEED)
    mean = [(x.at(epoch), y.within(arm.mean(epoch))) for epoch in epochs]
    canvas.line(mean if len(mean) > 1 else mean * 2)


@dataclass(frozen=True)
class LearntCurve:
    """The mean over the seeds of one learnt parameter of one layer of an arm, after each probed epoch."""

    arm: str
    layer: int
    parameter: str
    means: tuple[tuple[int, float], ...]

    def text(self, number: float) -> str:
        """A number as the tables show it."""
        return value(number, parse_metric(f"layer{self.layer}.{learnt_name(self.parameter)}"))


def learnt_curves(results: Results) -> list[LearntCurve]:
    """The curves of each arm, parameter by parameter and layer by layer."""
    curves = []
    for arm, trials in results.plan.arms:
        found: dict[tuple[str, int], dict[int, list[float]]] = {}
        for probe in (probe for record in recorded(trials, results.records) for probe in record.probes):
            for name, number in probe.learnt.items():
                if number is not None and not name.endswith(SPREAD):
                    found.setdefault((name, probe.layer), {}).setdefault(probe.epoch, []).append(number)
        for (name, layer), by_epoch in sorted(found.items()):
            means = tuple((epoch, fmean(numbers)) for epoch, numbers in sorted(by_epoch.items()))
            curves.append(LearntCurve(arm.label(), layer, name, means))
    return curves


def learnt_picture(results: Results) -> Picture | None:
    """One panel for each parameter; None where no activation learns one."""
    curves = learnt_curves(results)
    if not curves:
        return None
    names = list(dict.fromkeys(curve.parameter for curve in curves))
    panels = [[curve for curve in curves if curve.parameter == name] for name in names[:MAX_PANELS]]
    longest = max(panels, key=len)
    said = []
    for curve in curves[:MAX_CURVES]:
        first, last = (curve.text(number) for _, number in (curve.means[0], curve.means[-1]))
        said.append(f"{curve.parameter} of {visible(curve.arm)}, layer {curve.layer}, goes from {first} to {last}")
    return picture(
        "learnt",
        "Learnt parameters of the activations",
        lambda canvas: _draw_learnt(canvas, [panel[:MAX_CURVES] for panel in panels], styles_in(results.plan)),
        caption=[
            "Means over the seeds before training (epoch 0) and after each probed epoch; of a parameter with a value "
            "for each feature, the mean over the features.",
            number_shown(min(len(longest), MAX_CURVES), len(longest), first="first", noun="curves"),
            number_shown(len(panels), len(names), first="first", noun="parameters"),
        ],
        description=[f"{counted(len(curves), 'curve')}: {'; '.join(said)}."],
    )


def _draw_learnt(canvas: Canvas, panels: Sequence[Sequence[LearntCurve]], chosen: Mapping[str, Style]) -> float:
    em, top, scale = canvas.em, 2.4 * canvas.em, Scale()
    texts = [_ending(canvas, curve) for panel in panels for curve in panel]
    for curves in panels:
        bottom, last = top + max(12 * em, 1.1 * canvas.small * len(curves)), max(one.means[-1][0] for one in curves)
        y = Axis(scale, limits([number for curve in curves for _, number in curve.means], scale), bottom, top)
        x = canvas.ended_axes(y, (scale, (0, max(last, 1))), curves[0].parameter, texts)
        canvas.bottom_axis(x, top, bottom, "epoch", max(2, min(last, int((x.end - x.start + 0.8 * em) / (4 * em)))))
        ends = []
        for curve in curves:
            style, points = chosen[curve.arm], [(x.at(epoch), y.at(number)) for epoch, number in curve.means]
            with canvas.group(curve.arm):
                canvas.line(points, style.colour, 0.12, style.dashes)
                canvas.dot(*points[-1], 0.24, style.colour, style.marker, tip=_ending(canvas, curve))
            ends.append(End(curve.arm, points[-1][1], _ending(canvas, curve), style.colour))
        canvas.labels_at_ends(ends, x.end, y)
        top = bottom + 6.2 * em
    return top - 2.6 * em


def _ending(canvas: Canvas, curve: LearntCurve) -> str:
    return f"{canvas.named(curve.arm)}, layer {curve.layer}: {curve.text(curve.means[-1][1])}"
