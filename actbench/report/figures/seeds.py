"""Accuracy after every epoch, one thin line for each seed, arm by arm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.lazy import LazyModule
from actbench.report.figures.axes import key, legend_below, name_y, new_figure, set_epochs, set_y, title_panel
from actbench.report.figures.curves import (
    accuracy_axis,
    curves_in_words,
    epoch_positions,
    how_epochs_are_thinned,
    is_long,
    placed,
    quantity_of,
)
from actbench.report.figures.panels import Member, best_first, grid_shape
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale
from actbench.report.figures.series import ArmSeries, arm_series, reference_of, thinned_epochs
from actbench.report.figures.style import ALPHA_OF_MANY, BASELINE, ONE_OF_MANY, VERMILLION, Stroke, drawing
from actbench.report.numbers import value
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
else:
    np = LazyModule("numpy")

MAX_POINTS = 50
MAX_PANELS = 40
ONE_SEED = Stroke(ONE_OF_MANY, (), "", 0.6)
MEAN = Stroke(VERMILLION, (), "", 1.4)
BASELINE_MEAN = Stroke(BASELINE.colour, (3, 1.5), "", 1.0)


def seeds_picture(results: Results, comparison: Comparison) -> Picture | None:
    """Every trial's learning curve; None where no arm has two of them."""
    series = arm_series(results, comparison)
    if max((len(one.seeds) for one in series), default=0) < 2:
        return None
    order = best_first([Member(one.label, one.values, one.last_mean(), one.is_baseline) for one in series], MAX_PANELS)
    shown = [series[index] for index in order]
    return Picture(
        name="seeds",
        title=f"{quantity_of(series).capitalize()} after each epoch, seed by seed",
        caption=_caption(series, shown),
        description=f"{curves_in_words(series)} {_spread_in_words(series)}",
        draw=lambda: _draw(shown, series),
    )


def _caption(series: Sequence[ArmSeries], shown: Sequence[ArmSeries]) -> str:
    sentences = ["Each thin line is one trial, the thick line their mean; the best arm comes first."]
    if any(reference_of(one, series) for one in shown):
        sentences.append("The dashed line is the mean of the arm's baseline, whose own name is in bold.")
    if any(np.isnan(one.seeds).any() for one in shown):
        sentences.append("A line that ends early is a trial that diverged or failed.")
    sentences += ["The axis need not begin at 0.", *how_epochs_are_thinned(series, MAX_POINTS)]
    if len(shown) < len(series):
        sentences.append(f"The best {len(shown)} of {len(series)} arms are shown.")
    return " ".join(sentences)


def _spread_in_words(series: Sequence[ArmSeries]) -> str:
    from actbench.report.figures.curves import ACCURACY

    last = [one.seeds[:, -1][np.isfinite(one.seeds[:, -1])] for one in series]
    spreads = [float(values.max() - values.min()) for values in last]
    widest = max(range(len(series)), key=lambda index: spreads[index])
    trials = counted(sum(len(one.seeds) for one in series), "trial")
    return (
        f"Of {trials}, those of {series[widest].label} differ most at the last epoch: by "
        f"{value(spreads[widest], ACCURACY)} points."
    )


def _draw(shown: Sequence[ArmSeries], series: Sequence[ArmSeries]) -> Figure:
    from matplotlib.collections import LineCollection

    with drawing():
        width, rows, columns = grid_shape(len(shown))
        figure = new_figure(width, 0.55 + (1.75 if rows == 1 else 1.3 * rows))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        scale, bounds = accuracy_axis([one.seeds for one in shown])
        for number, axes in enumerate(grid.flat):
            if number >= len(shown):
                axes.set_visible(False)
                continue
            one = shown[number]
            segments = [np.column_stack(line) for line in _lines(one, one.seeds, scale, is_log=is_long(shown))]
            style: Any = {"colors": ONE_SEED.colour, "linewidths": ONE_SEED.width, "alpha": ALPHA_OF_MANY}
            axes.add_collection(LineCollection(segments, **style))
            for arm, stroke in ((reference_of(one, series), BASELINE_MEAN), (one, MEAN)):
                if arm is not None:
                    ((x, y),) = _lines(arm, arm.mean()[None, :], scale, is_log=is_long(shown))
                    axes.plot(x, y, **stroke.line())
            title_panel(axes, one.label, width / columns - 0.3, is_bold=one.is_baseline)
            if number + columns >= len(shown):
                axes.tick_params(labelbottom=True)
            if number // columns == rows - 1:
                axes.set_xlabel("epoch (log scale)" if is_long(shown) else "epoch")
        set_y(grid.flat[0], scale, bounds, most=5)
        set_epochs(grid.flat[0], max(one.epochs() for one in shown), is_long=is_long(shown), most=6)
        for axes in grid.flat:
            axes.grid(axis="y")
        name_y(figure, grid, scale.name_of(quantity_of(shown)))
        handles = [key(ONE_SEED, "one trial"), key(MEAN, "mean")]
        if any(reference_of(one, series) for one in shown):
            handles.append(key(BASELINE_MEAN, "mean of the baseline"))
        legend_below(figure, handles)
    return figure


def _lines(arm: ArmSeries, curves: Any, scale: Scale, *, is_log: bool) -> list[tuple[Any, Any]]:
    """The thinned curves with their epochs, each as far as its trial came."""
    epochs = thinned_epochs(arm.epochs(), MAX_POINTS)
    x = np.array(epoch_positions(epochs, is_log=is_log))
    heights = placed(curves[:, [epoch - 1 for epoch in epochs]], scale)
    return [(x[np.isfinite(line)], line[np.isfinite(line)]) for line in heights]
