"""Accuracy after each epoch: the mean of each arm with its interval, and one thin line for each seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values
from actbench.lazy import LazyModule
from actbench.report.figures.layout import (
    Picture,
    grid_shape,
    key,
    legend_below,
    name_axes,
    number_shown,
    panel_grid,
    picture,
    with_unit,
)
from actbench.report.figures.panels import Arrangement, Member, Panel, arrange, best_first, draw_arrangement
from actbench.report.figures.scales import Limits, Scale, limits, scale_for, set_axis, set_epochs
from actbench.report.figures.style import BASELINE, SEED, SEED_ALPHA, VERMILLION, Stroke
from actbench.report.numbers import value
from actbench.statistics.intervals import CONFIDENCE, MIN_SEEDS, t_quantile
from actbench.store.results import Results
from actbench.text import counted, visible

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Numbers = np.ndarray[Any, np.dtype[np.float64]]
else:
    np = LazyModule("numpy")

LONG_TRAINING_EPOCHS = 200
MAX_POINTS, MAX_POINTS_OF_A_SEED = 200, 50
MAX_MARKERS = 12
MAX_SEED_PANELS = 40
BAND_ALPHA = 0.16
MAX_FOR_BANDS = 0.25
ACCURACY = parse_metric("validation_accuracy")
ONE_SEED = Stroke(SEED, (), "", 0.6)
MEAN = Stroke(VERMILLION, (), "", 1.4)
BASELINE_MEAN = Stroke(BASELINE.colour, (3, 1.5), "", 1.0)


@dataclass(frozen=True)
class ArmCurves:
    """An arm's accuracy after each epoch, `[seeds, epochs]`, NaN after the epoch at which a trial stopped.

    `part` is validation, or train if no images were held out. `reference` holds the values of the arm that this one is
    compared with, None if there is no baseline.
    """

    label: str
    values: Values
    part: str
    reference: Values | None
    seeds: Numbers

    @property
    def is_baseline(self) -> bool:
        """Whether others are compared with this arm."""
        return self.reference == self.values

    def epochs(self) -> int:
        """The epochs of the longest trial."""
        return int(self.seeds.shape[1])

    def mean(self) -> Numbers:
        """The mean over the trials that reached an epoch."""
        mean: Numbers = np.nanmean(self.seeds, axis=0)
        return mean

    def band(self) -> tuple[Numbers, Numbers]:
        """The 95 % t interval of the mean, clipped to what an accuracy can be; NaN below three trials."""
        count = np.isfinite(self.seeds).sum(axis=0)
        known = np.maximum(count, 2)
        error = np.sqrt(np.nansum((self.seeds - self.mean()) ** 2, axis=0) / (known - 1) / known)
        quantiles = np.array([t_quantile((1 + CONFIDENCE) / 2, int(n) - 1) for n in known])
        reach = np.where(count >= MIN_SEEDS, error * quantiles, np.nan)
        return np.clip(self.mean() - reach, 0, 1), np.clip(self.mean() + reach, 0, 1)

    def member(self) -> Member:
        """The arm as one of several, ranked by its mean after the last epoch."""
        return Member(self.label, self.values, float(self.mean()[-1]), self.is_baseline)


def arm_curves(results: Results, comparison: Comparison) -> list[ArmCurves]:
    """The curves of each arm that has been trained for at least one epoch, in the order of the plan."""
    baseline = dict(comparison.baseline)
    curves = []
    for arm, trials in results.plan.arms:
        part = "validation" if arm.settings.data.validation_count() else "train"
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        counts = [getattr(record.curves, f"{part}_correct_count") for record in records]
        trained = [(count, record) for count, record in zip(counts, records, strict=True) if count]
        if not trained:
            continue
        seeds = np.full((len(trained), max(map(len, counts))), np.nan)
        for row, (count, record) in enumerate(trained):
            seeds[row, : len(count)] = np.asarray(count) / getattr(record, f"{part}_count")
        reference = tuple((path, baseline.get(path, one)) for path, one in arm.values) if baseline else None
        curves.append(ArmCurves(arm.label(), arm.values, part, reference, seeds))
    return curves


def reference_of(arm: ArmCurves, curves: Sequence[ArmCurves]) -> ArmCurves | None:
    """The baseline that an arm is compared with, None for a baseline."""
    return next((other for other in curves if other.values == arm.reference != arm.values), None)


def thinned_epochs(last: int, most: int) -> list[int]:
    """At most so many epochs from the first to the last, evenly spaced, on a log scale in a long training."""
    spaced = np.geomspace if last > LONG_TRAINING_EPOCHS else np.linspace
    epochs: list[int] = np.unique(np.rint(spaced(1, last, min(last, most)))).astype(int).tolist()
    return epochs


def curves_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The mean learning curves with bands over the seeds; None while no arm has been trained for an epoch."""
    curves = arm_curves(results, comparison)
    if not curves:
        return None
    arrangement = arrange([arm.member() for arm in curves])
    return picture(
        "curves",
        f"{_quantity(curves).capitalize()} after each epoch",
        lambda: _draw_curves(curves, arrangement),
        caption=[
            "Lines are means over the seeds, bands their 95 % intervals; each epoch's mean is over the trials that "
            "reached it. Names are in the order of the last epoch. The axis need not begin at 0.",
            _thinning(curves, MAX_POINTS),
            number_shown(len(curves) - arrangement.left_out, len(curves)),
        ],
        description=_description(curves),
    )


def seeds_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The learning curve of every trial; None if no arm has two of them."""
    curves = arm_curves(results, comparison)
    if max((len(arm.seeds) for arm in curves), default=0) < 2:
        return None
    shown = [curves[index] for index in best_first([arm.member() for arm in curves], MAX_SEED_PANELS)]
    return picture(
        "seeds",
        f"{_quantity(curves).capitalize()} after each epoch, seed by seed",
        lambda: _draw_seeds(shown, curves),
        caption=[
            "Each thin line is one trial, the thick line their mean; the best arm comes first.",
            any(reference_of(arm, curves) for arm in shown)
            and "The dashed line is the mean of the arm's baseline; the baseline's name is in bold.",
            any(bool(np.isnan(arm.seeds).any()) for arm in shown)
            and "A line that ends early is a trial that diverged or failed.",
            "The axis need not begin at 0.",
            _thinning(curves, MAX_POINTS_OF_A_SEED),
            number_shown(len(shown), len(curves)),
        ],
        description=[*_description(curves), _largest_spread(curves)],
    )


def _quantity(curves: Sequence[ArmCurves]) -> str:
    return f"{' or '.join(dict.fromkeys(arm.part for arm in curves))} accuracy"


def _last_epoch(curves: Sequence[ArmCurves]) -> int:
    return max(arm.epochs() for arm in curves)


def _is_long(curves: Sequence[ArmCurves]) -> bool:
    return _last_epoch(curves) > LONG_TRAINING_EPOCHS


def _thinning(curves: Sequence[ArmCurves], most: int) -> str:
    """How the epochs of a long training are thinned out, if they are."""
    last = _last_epoch(curves)
    scale = " on the logarithmic axis" * _is_long(curves)
    shown = len(thinned_epochs(last, most))
    return f"Of {last:,} epochs, {shown} are drawn, evenly spaced{scale}." if last > most else ""


def _description(curves: Sequence[ArmCurves]) -> list[str]:
    """Where the best, the worst and the baseline begin and end."""

    def ends(arm: ArmCurves) -> str:
        first, last = (with_unit(float(mean), ACCURACY) for mean in arm.mean()[[0, -1]])
        return f"{visible(arm.label)} goes from {first} to {last}"

    ranked = sorted(curves, key=lambda arm: -arm.member().score)
    epochs = counted(_last_epoch(curves), "epoch")
    worst = f", the best; {ends(ranked[-1])}, the lowest" if len(ranked) > 1 else ""
    baselines = [arm for arm in curves if arm.is_baseline]
    return [
        f"Mean {_quantity(curves)} of {counted(len(curves), 'arm')} over {epochs}: {ends(ranked[0])}{worst}.",
        f"The baseline {ends(baselines[0])}." if len(baselines) == 1 else "",
    ]


def _largest_spread(curves: Sequence[ArmCurves]) -> str:
    spreads = [float(np.nanmax(arm.seeds[:, -1]) - np.nanmin(arm.seeds[:, -1])) for arm in curves]
    widest = max(range(len(curves)), key=spreads.__getitem__)
    trials = counted(sum(len(arm.seeds) for arm in curves), "trial")
    return (
        f"Of {trials}, those of {visible(curves[widest].label)} differ most at the last epoch: by "
        f"{value(spreads[widest], ACCURACY)} points."
    )


def _accuracy_axis(curves: Sequence[Any], bands: Sequence[Any] = ()) -> tuple[Scale, Limits]:
    """The scale and limits for all curves; bands may widen them a little, but not compress the curves."""

    def ends(numbers: Sequence[Any]) -> tuple[float, float]:
        return min(float(np.nanmin(one)) for one in numbers), max(float(np.nanmax(one)) for one in numbers)

    scale = scale_for(ends(curves), ACCURACY)
    bounds = limits(ends(curves), scale)
    if bands and all(np.isfinite(band).any() for band in bands):
        low, high = scale.positions(bounds)
        outer_low, outer_high = scale.positions(limits(ends(bands), scale))
        padding = MAX_FOR_BANDS * (high - low)
        wider = max(min(low, outer_low), low - padding), min(max(high, outer_high), high + padding)
        bounds = tuple(scale.values(wider).tolist())
    return scale, bounds


def _draw_curves(curves: Sequence[ArmCurves], arrangement: Arrangement) -> Figure:
    scale, bounds = _accuracy_axis([arm.mean() for arm in curves], [end for arm in curves for end in arm.band()])
    is_long = _is_long(curves)

    def draw_panel(axes: Axes, panel: Panel, inches: float) -> None:
        for number, (index, name) in reversed(list(enumerate(panel.members))):
            arm, stroke = curves[index], arrangement.strokes[name]
            epochs = np.array(thinned_epochs(arm.epochs(), MAX_POINTS))
            low, high = (end[epochs - 1] for end in arm.band())
            every = -(-len(epochs) // MAX_MARKERS)
            marks: Any = {"marker": stroke.marker, "markersize": 3.5, "markevery": (number % every, every)}
            is_behind = arm.is_baseline and len(panel.members) > 1
            axes.fill_between(epochs, low, high, color=stroke.colour, alpha=BAND_ALPHA, linewidth=0)
            axes.plot(epochs, arm.mean()[epochs - 1], zorder=1.9 if is_behind else 2, **marks, **stroke.line())
        set_axis(axes, "y", scale, bounds, most=6)
        set_epochs(axes, _last_epoch(curves), is_long=is_long, most=6 if is_long else int(3 * inches))

    return draw_arrangement(arrangement, draw_panel, _epoch_name(curves), scale.name_of(_quantity(curves)))


def _epoch_name(curves: Sequence[ArmCurves]) -> str:
    return f"epoch{' (log scale)' * _is_long(curves)}"


def _draw_seeds(shown: Sequence[ArmCurves], curves: Sequence[ArmCurves]) -> Figure:
    from matplotlib.collections import LineCollection

    shape = grid_shape(len(shown), are_small=True)
    labels, are_baselines = [arm.label for arm in shown], [arm.is_baseline for arm in shown]
    figure, panels = panel_grid(labels, shape, 2.0 if shape[1] == 1 else 1.45, are_baselines)
    scale, bounds = _accuracy_axis([arm.seeds for arm in shown])
    for axes, arm in zip(panels, shown, strict=True):
        seeds = LineCollection(_lines(arm, arm.seeds), colors=ONE_SEED.colour, linewidths=ONE_SEED.width)
        seeds.set_alpha(SEED_ALPHA)
        axes.add_collection(seeds)
        for other, stroke in ((reference_of(arm, curves), BASELINE_MEAN), (arm, MEAN)):
            if other is not None:
                axes.plot(*_lines(other, other.mean()[None, :])[0].T, **stroke.line())
        axes.grid(axis="y")
    set_axis(panels[0], "y", scale, bounds, most=5)
    set_epochs(panels[0], _last_epoch(shown), is_long=_is_long(shown), most=6)
    name_axes(figure, panels, shape, _epoch_name(shown), scale.name_of(_quantity(shown)))
    handles = [key(ONE_SEED, "one trial"), key(MEAN, "mean")]
    if any(reference_of(arm, curves) for arm in shown):
        handles.append(key(BASELINE_MEAN, "mean of the baseline"))
    legend_below(figure, handles)
    return figure


def _lines(arm: ArmCurves, curves: Numbers) -> list[Numbers]:
    """The thinned curves as points `[epochs, 2]`, each as far as its trial got."""
    epochs = np.array(thinned_epochs(arm.epochs(), MAX_POINTS_OF_A_SEED))
    lines = [np.column_stack([epochs, curve[epochs - 1]]) for curve in curves]
    return [line[np.isfinite(line[:, 1])] for line in lines]
