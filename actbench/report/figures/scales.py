"""The scale of an axis: linear, logarithmic, or by the logarithm of an accuracy's errors; its limits and ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from actbench.experiment.metrics import Metric
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
else:
    np = LazyModule("numpy")

MAX_LINEAR_ERROR_RATIO = 2.5
MAX_LINEAR_RATIO = 20.0
MAX_FOR_EVEN_STEPS = 5.0
MIN_ERROR = 1e-9
LOG_STEPS = ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
PADDING = 0.05
NAMES = {"linear": (), "log": ("(log scale)",), "errors": ("(errors on a log scale)",)}
Limits = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """How an axis spreads a metric's values.

    `errors` spreads accuracies by the logarithm of the error: 90, 99 and 99.9 % are equally far apart.
    """

    kind: Literal["linear", "log", "errors"] = "linear"
    is_share: bool = False

    def positions(self, values: Any) -> Any:
        """Values to positions, as an array; a value without a position gets one far outside the axis."""
        if self.kind == "linear":
            return np.asarray(values)
        sizes = np.maximum(values if self.kind == "log" else np.subtract(1, values), MIN_ERROR)
        return np.log10(sizes) if self.kind == "log" else -np.log10(sizes)

    def values(self, positions: Any) -> Any:
        """Positions to values, the inverse of `positions`."""
        if self.kind == "linear":
            return np.asarray(positions)
        return np.power(10.0, positions) if self.kind == "log" else 1 - np.power(10.0, np.negative(positions))

    def text(self, value: float, _: Any = None) -> str:
        """The label of a tick."""
        return f"{100 * value if self.is_share else value:.10g}"

    def name_of(self, quantity: str) -> list[str]:
        """The name of the axis, and in brackets its scale if it is not linear."""
        return [f"{quantity} in %" if self.is_share else quantity, *NAMES[self.kind]]


def first_word(metric: Metric) -> str:
    """The arm that is named first is the best, or only the largest if neither direction is better."""
    return "largest" if metric.larger_is_better is None else "best"


def scale_for(values: Iterable[float], metric: Metric) -> Scale:
    """Linear, unless that would press most values into one end of the axis."""
    finite = [value for value in values if math.isfinite(value)]
    is_share = metric.unit == "share"
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if is_share and metric.larger_is_better:
        is_wide = low >= 0 and high < 1 and (1 - low) > MAX_LINEAR_ERROR_RATIO * (1 - high)
        return Scale("errors" if is_wide else "linear", is_share)
    return Scale("log" if 0 < low * MAX_LINEAR_RATIO < high else "linear", is_share)


def limits(values: Iterable[float], scale: Scale) -> Limits:
    """The values at which an axis begins and ends: a little beyond the given ones."""
    positions = [position for position in scale.positions(list(values)).tolist() if math.isfinite(position)]
    low, high = min(positions, default=0.0), max(positions, default=1.0)
    padding = PADDING * (high - low) or (abs(low) * PADDING if scale.kind == "linear" else 0.1) or PADDING
    if scale.is_share and scale.kind == "linear" and high == low:
        padding = 0.005
    first, last = scale.values([low - padding, high + padding])
    return float(first), float(last)


def ticks(scale: Scale, bounds: Limits, most: int) -> list[float]:
    """Round values between two others, at most so many."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    low, high = bounds
    smallest, largest = (1 - high, 1 - low) if scale.kind == "errors" else (low, high)
    candidates: list[Any]
    if scale.kind == "linear" or (scale.kind == "errors" and largest < MAX_FOR_EVEN_STEPS * smallest):
        locators = [MaxNLocator(count, steps=[1, 2, 5, 10], min_n_ticks=1) for count in range(most + 1, 0, -1)]
        candidates = [locator.tick_values(low, high) for locator in locators]
    else:
        attempts = [*((subs, most) for subs in LOG_STEPS), *((LOG_STEPS[-1], count) for count in range(most, 1, -1))]
        sizes = [LogLocator(subs=subs, numticks=count).tick_values(smallest, largest) for subs, count in attempts]
        candidates = [np.subtract(1, each)[::-1] if scale.kind == "errors" else np.array(each) for each in sizes]
    within = [[value for value in values.tolist() if low <= value <= high] for values in candidates]
    return next((values for values in within if 0 < len(values) <= most), [])


def set_axis(axes: Axes, letter: Literal["x", "y"], scale: Scale, bounds: Limits, most: int) -> None:
    """Give an axis its scale, its limits, round ticks and lines across."""
    from matplotlib.scale import FuncScale
    from matplotlib.ticker import FixedLocator

    axis = axes.xaxis if letter == "x" else axes.yaxis
    if scale.kind != "linear":
        axes.set(**{f"{letter}scale": FuncScale(axis, (scale.positions, scale.values))})
    axis.set_major_locator(FixedLocator(ticks(scale, bounds, most)))
    axis.set_major_formatter(scale.text)
    axes.set(**{f"{letter}lim": bounds})
    axes.grid(axis=letter)


def set_epochs(axes: Axes, last: int, *, is_long: bool, most: int) -> None:
    """Whole epochs along x, on a log scale in a long training."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if is_long:
        axes.set_xscale("log")
    locator = LogLocator(numticks=most) if is_long else MaxNLocator(most, integer=True, steps=[1, 2, 5, 10])
    axes.set_xticks([epoch for epoch in locator.tick_values(1, last) if 1 <= epoch <= last])
    axes.xaxis.set_major_formatter("{x:.10g}")
    axes.minorticks_off()
