"""Where numbers stand on an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from actbench.experiment.metrics import Metric

MAX_LINEAR_ERROR_RATIO = 2.5
MAX_LINEAR_RATIO = 20.0
MAX_FOR_EVEN_STEPS = 5.0
PADDING = 0.05


@dataclass(frozen=True)
class Scale:
    """Positions of a metric's values along an axis.

    `errors` spreads accuracies by the logarithm of what is wrong: 90, 99 and 99.9 % are equally far apart.
    """

    kind: Literal["linear", "log", "errors"] = "linear"
    is_share: bool = False

    def at(self, value: float) -> float:
        """The position of a value; of one that has none, such as 0 on a logarithmic axis, a position far outside."""
        if self.kind == "linear":
            return value
        size = value if self.kind == "log" else 1 - value
        position = math.log10(size) if size > 0 else -300.0
        return position if self.kind == "log" else -position

    def text(self, value: float) -> str:
        """How a tick names a value."""
        return f"{100 * value if self.is_share else value:.10g}"

    def name_of(self, quantity: str) -> list[str]:
        """The axis' own name, and its scale in brackets where that is not the usual one."""
        unit = f"{quantity} in %" if self.is_share else quantity
        kinds = {"linear": [], "log": ["(log scale)"], "errors": ["(errors on a log scale)"]}
        return [unit, *kinds[self.kind]]


def first_word(metric: Metric) -> str:
    """What the arm that is named first is: the best, or only the largest where neither way is better."""
    return "largest" if metric.larger_is_better is None else "best"


def scale_for(values: Iterable[float], metric: Metric) -> Scale:
    """Linear, unless that would press most values into one end of the axis."""
    found = [value for value in values if math.isfinite(value)]
    is_share = metric.unit == "share"
    low, high = min(found, default=0.0), max(found, default=0.0)
    if is_share and metric.larger_is_better:
        is_wide = low >= 0 and high < 1 and (1 - low) > MAX_LINEAR_ERROR_RATIO * (1 - high)
        return Scale("errors" if is_wide else "linear", is_share)
    return Scale("log" if 0 < low * MAX_LINEAR_RATIO < high else "linear", is_share)


def limits(values: Iterable[float], scale: Scale) -> tuple[float, float]:
    """The positions at which an axis begins and ends: just around the values."""
    positions = [scale.at(value) for value in values if math.isfinite(value)]
    low, high = min(positions, default=0.0), max(positions, default=1.0)
    room = PADDING * (high - low) or (abs(low) * PADDING if scale.kind == "linear" else 0.1) or PADDING
    if scale.is_share and scale.kind == "linear" and high == low:
        room = 0.005
    return low - room, high + room


def ticks(scale: Scale, low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Round values between two positions with their texts, at most so many."""
    if scale.kind == "linear":
        factor = 100 if scale.is_share else 1
        values = [value / factor for value in _round_values(low * factor, high * factor, most)]
    else:
        smallest, largest = sorted(10 ** (position if scale.kind == "log" else -position) for position in (low, high))
        values = _round_sizes(smallest, largest, most)
        if scale.kind == "errors":
            values = [1 - size for size in reversed(values)]
            if largest < MAX_FOR_EVEN_STEPS * smallest:
                values = [value / 100 for value in _round_values(100 * (1 - largest), 100 * (1 - smallest), most)]
    return [(scale.at(value), scale.text(value)) for value in values]


def _round_values(low: float, high: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / max(most, 1)
    if rough <= 0:
        return [low]
    power = math.floor(math.log10(rough))
    for step_power, factor in ((power + extra, factor) for extra in (0, 1, 2) for factor in (1, 2, 5)):
        step = factor * 10.0**step_power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [round(number * step, max(0, -step_power)) for number in range(first, last + 1)]
    return [low]


def _round_sizes(smallest: float, largest: float, most: int) -> list[float]:
    """1, 2, 3 and 5 times powers of ten; where those are too many fewer, down to every second or third power."""
    powers = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)

    def between(sizes: Sequence[float]) -> list[float]:
        return [size for size in sizes if smallest * 0.999 <= size <= largest * 1.001]

    for factors in ((1, 2, 3, 5), (1, 2, 5), (1, 3)):
        found = between([float(f"{factor}e{power}") for power in powers for factor in factors])
        if len(found) <= most:
            return found
    every = 1
    while len(found := between([float(f"1e{power}") for power in powers if power % every == 0])) > max(most, 1):
        every += 1
    return found
