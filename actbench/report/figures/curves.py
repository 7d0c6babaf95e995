"""Accuracy after every epoch: the mean of each arm with its interval, a few arms to a panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.lazy import LazyModule
from actbench.report.figures.axes import (
    EPOCHS_ON_A_LOG_AXIS,
    set_epochs,
    set_y,
)
from actbench.report.figures.grids import Place, draw_arrangement
from actbench.report.figures.panels import Arrangement, Member, Panel, arrange
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, limits, scale_for
from actbench.report.figures.series import LONG_TRAINING_EPOCHS, ArmSeries, arm_series, thinned_epochs
from actbench.report.figures.style import drawing
from actbench.report.figures.words import plain
from actbench.report.numbers import value
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:
    np = LazyModule("numpy")

MAX_POINTS = 200
MAX_MARKERS = 12
BAND_ALPHA = 0.16
MAX_FOR_BANDS = 0.25
ACCURACY = parse_metric("validation_accuracy")


def curves_picture(results: Results, comparison: Comparison) -> Picture | None:
    """Learning curves with a band over the seeds; None while no arm has been trained for an epoch."""
    series = arm_series(results, comparison)
    if not series:
        return None
    arrangement = arrange([Member(one.label, one.values, one.last_mean(), one.is_baseline) for one in series])
    return Picture(
        name="curves",
        title=f"{quantity_of(series).capitalize()} after each epoch",
        caption=_caption(series, arrangement),
        description=curves_in_words(series),
        draw=lambda: _draw(series, arrangement),
    )


def quantity_of(series: Sequence[ArmSeries]) -> str:
    """What is drawn, in words."""
    return f"{' or '.join(dict.fromkeys(one.part for one in series))} accuracy"


def _caption(series: Sequence[ArmSeries], arrangement: Arrangement) -> str:
    sentences = [
        "Lines are means over the seeds, bands their 95 % intervals; each epoch's mean is over the trials that reached "
        "it. Names are in the order of the last epoch. The axis need not begin at 0.",
        *how_epochs_are_thinned(series, MAX_POINTS),
    ]
    if arrangement.left_out:
        sentences.append(f"The best {len(series) - arrangement.left_out} of {len(series)} arms are shown.")
    return " ".join(sentences)


def how_epochs_are_thinned(series: Sequence[ArmSeries], most: int) -> list[str]:
    """What to say of a training with more epochs than are drawn."""
    last = max(one.epochs() for one in series)
    if last <= most:
        return []
    spacing = ", evenly spaced on the logarithmic axis" if is_long(series) else ", evenly spaced"
    return [f"Of {last:,} epochs, {len(thinned_epochs(last, most))} are drawn{spacing}."]


def is_long(series: Sequence[ArmSeries]) -> bool:
    """Whether epochs are better shown by ratio."""
    return max(one.epochs() for one in series) > LONG_TRAINING_EPOCHS


def curves_in_words(series: Sequence[ArmSeries]) -> str:
    """Where the best, the worst and the baseline begin and end."""

    def said(one: ArmSeries) -> str:
        ends = " to ".join(f"{value(float(end), ACCURACY)} %" for end in one.mean()[[0, -1]])
        return f"{plain(one.label)} goes from {ends}"

    ranked = sorted(series, key=lambda one: -one.last_mean())
    epochs = counted(max(one.epochs() for one in series), "epoch")
    sentences = [f"Mean {quantity_of(series)} of {counted(len(series), 'arm')} over {epochs}: {said(ranked[0])}"]
    if len(ranked) > 1:
        sentences[0] += f", the best; {said(ranked[-1])}, the lowest"
    baselines = [one for one in series if one.is_baseline]
    if len(baselines) == 1:
        sentences.append(f"The baseline {said(baselines[0])}")
    return ". ".join(sentences) + "."


def _draw(series: Sequence[ArmSeries], arrangement: Arrangement) -> Figure:
    last = max(one.epochs() for one in series)
    scale, bounds = accuracy_axis([one.mean() for one in series], [end for one in series for end in one.band()])

    def draw_panel(axes: Axes, panel: Panel, place: Place) -> None:
        _draw_curves(axes, panel, series, arrangement, scale)
        set_y(axes, scale, bounds, most=6)
        set_epochs(axes, last, is_long=is_long(series), most=6 if is_long(series) else int(3 * place.inches))
        axes.set_xlabel("epoch (log scale)" if is_long(series) else "epoch")

    with drawing():
        return draw_arrangement(arrangement, draw_panel, scale.name_of(quantity_of(series)))


def accuracy_axis(curves: Sequence[Any], bands: Sequence[Any] = ()) -> tuple[Scale, tuple[float, float]]:
    """The scale for all curves, and where it begins and ends: bands may widen it a little, but not press the curves."""
    lowest, highest = _ends(curves)
    scale = scale_for((lowest, highest), ACCURACY)
    low, high = limits((lowest, highest), scale)
    if bands and all(np.isfinite(band).any() for band in bands):
        room = MAX_FOR_BANDS * (high - low)
        outer = limits(_ends(bands), scale)
        low, high = max(min(low, outer[0]), low - room), min(max(high, outer[1]), high + room)
    return scale, (low, high)


def _ends(curves: Sequence[Any]) -> tuple[float, float]:
    return min(float(np.nanmin(curve)) for curve in curves), max(float(np.nanmax(curve)) for curve in curves)


def _draw_curves(axes: Axes, panel: Panel, series: Sequence[ArmSeries], arrangement: Arrangement, scale: Scale) -> None:
    for number, (index, name) in reversed(list(enumerate(panel.members))):
        one, stroke = series[index], arrangement.strokes[name]
        epochs = thinned_epochs(one.epochs(), MAX_POINTS)
        x = epoch_positions(epochs, is_log=is_long(series))
        picked = [epoch - 1 for epoch in epochs]
        low, high = (placed(end[picked], scale) for end in one.band())
        is_behind = one.is_baseline and len(panel.members) > 1
        axes.fill_between(x, low, high, color=stroke.colour, alpha=BAND_ALPHA, linewidth=0)
        every = max(1, -(-len(epochs) // MAX_MARKERS))
        axes.plot(
            x,
            placed(one.mean()[picked], scale),
            marker=stroke.marker,
            markersize=3.5,
            markevery=(number % every, every),
            zorder=1.9 if is_behind else 2,
            **stroke.line(),
        )


def epoch_positions(epochs: Sequence[int], *, is_log: bool) -> list[float]:
    """Where epochs stand along x."""
    return [EPOCHS_ON_A_LOG_AXIS.at(epoch) if is_log else float(epoch) for epoch in epochs]


def placed(curve: Any, scale: Scale) -> Any:
    """A curve's positions along y."""
    if scale.kind == "linear":
        return curve
    return -np.log10(np.maximum(1 - curve, np.finfo(float).tiny))
