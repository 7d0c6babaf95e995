"""How values become places and arms become colours: scales and axes, limits and ticks, the style of each arm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

from actbench.analysis.comparison import Comparison
from actbench.experiment.choices import Choice
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues
from actbench.plan.plan import Plan
from actbench.report.figures.marks import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, minus

MAX_LINEAR_ERROR_RATIO = 2.5
MAX_LINEAR_RATIO = 20.0
MAX_FOR_EVEN_STEPS = 5.0
MIN_ERROR = 1e-9
SMALLEST_SHARE = 1e-4  # what differs by less is shown as equal
STEPS = (1, 2, 5, 10)
LOG_STEPS = ((1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))
PADDING = 0.05
NAMES = {"linear": "", "log": " (log scale)", "errors": " (errors on a log scale)"}
Limits = tuple[float, float]
VIOLET = "#8a6fd1"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY, VIOLET)
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2.5), (1.5, 2), (7, 2, 1.5, 2))
MARKERS = ("o", "^", "s", "D", "v", "P", "<", ">")
# An activation's place gives its colour (modulo 8) and marker, so that it looks the same wherever it occurs.
ACTIVATIONS_BY_PLACE = (
    "relu", "gelu", "tanh", "sigmoid", "elu", "swish", "leaky_relu", "mish",
    "prelu", "selu", "softplus", "softsign", "celu", "hardswish", "relu6", "hardtanh",
    "identity", "relu_squared", "arctan", "hardsigmoid", "sine", "snake", "squareplus", "tanhshrink",
    "softshrink", "logsigmoid",
)  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How an axis spreads a metric's values.

    `errors` spreads accuracies by the logarithm of the error: 90, 99 and 99.9 % are equally far apart.
    """

    kind: Literal["linear", "log", "errors"] = "linear"
    is_share: bool = False

    def position(self, value: float) -> float:
        """A value's position; a value that has none gets one far outside the axis."""
        if self.kind == "linear":
            return value
        size = max(value if self.kind == "log" else 1 - value, MIN_ERROR)
        return math.log10(size) if self.kind == "log" else -math.log10(size)

    def value(self, position: float) -> float:
        """The inverse of `position`."""
        if self.kind == "linear":
            return position
        return float(10**position) if self.kind == "log" else 1 - float(10**-position)

    def text(self, value: float) -> str:
        """The label of a tick."""
        return minus(f"{100 * value if self.is_share else value:.10g}")

    def name_of(self, quantity: str) -> str:
        """The name of the axis, and in brackets its scale if it is not linear."""
        return f"{quantity} in %{NAMES[self.kind]}" if self.is_share else f"{quantity}{NAMES[self.kind]}"


@dataclass(frozen=True)
class Axis:
    """Where values are between `start` and `end` of a picture, and the values at both."""

    scale: Scale
    bounds: Limits
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value."""
        low, high = map(self.scale.position, self.bounds)
        return self.start + (self.scale.position(value) - low) / (high - low) * (self.end - self.start)

    def within(self, value: float) -> float:
        """The place of a value, or the end of the axis beyond which it is."""
        return self.at(min(max(value, self.bounds[0]), self.bounds[1]))

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """The places and texts of round values, at most so many."""
        return [(self.at(value), self.scale.text(value)) for value in ticks(self.scale, self.bounds, most)]


def best_or_largest(metric: Metric) -> str:
    """The arm that is named first is the best, or only the largest if neither direction is better."""
    return "largest" if metric.larger_is_better is None else "best"


def scale_for(values: Iterable[float], metric: Metric) -> Scale:
    """Linear, unless that would press most values into one end of the axis."""
    finite = [value for value in values if math.isfinite(value)]
    is_share = metric.is_share
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    if is_share and metric.larger_is_better:
        is_wide = low >= 0 and high < 1 and (1 - low) > MAX_LINEAR_ERROR_RATIO * (1 - high)
        return Scale("errors" if is_wide else "linear", is_share)
    return Scale("log" if 0 < low * MAX_LINEAR_RATIO < high else "linear", is_share)


def limits(values: Iterable[float], scale: Scale) -> Limits:
    """The values at which an axis begins and ends: a little beyond the given ones."""
    positions = [scale.position(value) for value in values if math.isfinite(value)]
    low, high = min(positions, default=0.0), max(positions, default=1.0)
    is_linear, is_share = scale.kind == "linear", scale.is_share and scale.kind == "linear"
    if high - low > (SMALLEST_SHARE if is_share else MIN_ERROR * max(abs(low), abs(high))):
        padding = PADDING * (high - low)
    else:
        padding = 0.005 if is_share else abs(low) * PADDING or PADDING if is_linear else 0.1
    return scale.value(low - padding), scale.value(high + padding)


def ticks(scale: Scale, bounds: Limits, most: int) -> list[float]:
    """Round values between two others, at most so many."""
    low, high = bounds
    smallest, largest = (1 - high, 1 - low) if scale.kind == "errors" else (low, high)
    if scale.kind == "linear" or (scale.kind == "errors" and largest < MAX_FOR_EVEN_STEPS * smallest):
        ends = [(step, low / step - MIN_ERROR, high / step + MIN_ERROR) for step in _steps((high - low) / most)]
        numbers = [(step, range(math.ceil(first), math.floor(last) + 1)) for step, first, last in ends]
        candidates = [[float(f"{number * step:.12g}") for number in each] for step, each in numbers]
    else:
        decades = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
        sizes = [[factor * 10.0**power for power in decades for factor in factors] for factors in LOG_STEPS]
        sizes += [[10.0**power for power in decades if power % every == 0] for every in range(2, len(decades) + 2)]
        candidates = [[1 - size for size in reversed(each)] if scale.kind == "errors" else each for each in sizes]
    within = [[value for value in values if low <= value <= high] for values in candidates]
    return next((values for values in within if 0 < len(values) <= most), [])


def _steps(least: float) -> list[float]:
    """Round steps, the first that is not below the least and some larger ones."""
    power = math.floor(math.log10(least))
    steps = [factor * 10.0**exponent for exponent in (power, power + 1) for factor in STEPS]
    return [step for step in dict.fromkeys(steps) if step >= least * (1 - MIN_ERROR)]


def epoch_ticks(last: int, *, is_long: bool, most: int) -> list[int]:
    """Whole epochs along an axis, powers of ten in a long training."""
    if is_long:
        powers = [10**power for power in range(len(str(last)))]
        return powers[:: -(-len(powers) // most)]
    step = next(
        step for step in (factor * 10**power for power in range(9) for factor in (1, 2, 5)) if last / step <= most
    )
    return [1, *(epoch for epoch in range(step, last + 1, step) if epoch > 1)] if step > 1 else list(range(1, last + 1))


@dataclass(frozen=True)
class Style:
    """How an arm's lines and markers look: colour, marker and dashes, of which any two tell arms apart."""

    colour: str
    marker: str
    dashes: tuple[float, ...]


def styles(arms: Mapping[str, SettingValues] | Sequence[str]) -> dict[str, Style]:
    """The style of each arm by its label, in whatever order they come; arms of one activation share its colour."""
    values = arms if isinstance(arms, Mapping) else dict.fromkeys(arms, ())
    names = {label: _activation(of, label) for label, of in values.items()}
    places = {name: place for place, name in enumerate(ACTIVATIONS_BY_PLACE) if name in names.values()}
    for name in sorted(names.values()):
        places.setdefault(name, next(place for place in count() if place not in places.values()))
    taken, seen, chosen = set(places.values()), set[str](), {}
    for label, name in sorted(names.items()):
        place = places[name]
        while name in seen and place in taken:
            place += len(COLOURS)
        seen.add(name)
        taken.add(place)
        row, column = divmod(place, len(COLOURS))
        chosen[label] = Style(COLOURS[column], MARKERS[(column + row) % len(MARKERS)], DASHES[row % len(DASHES)])
    return chosen


def styles_in(plan: Plan) -> dict[str, Style]:
    """The style of each arm of a plan, for pictures of some of them."""
    return styles({arm.label(): arm.values for arm, _ in plan.arms})


def styles_of(comparison: Comparison) -> dict[str, Style]:
    """The style of each arm of a comparison."""
    return styles({row.sample.label: row.sample.values for row in comparison.rows})


def _activation(values: SettingValues, label: str) -> str:
    """The name of the activation that an arm varies, else its label."""
    named = [one.name for path, one in values if path == "model.activation" and isinstance(one, Choice)]
    return named[0] if named else label
