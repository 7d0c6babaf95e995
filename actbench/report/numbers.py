"""Numbers for readers: accuracies in percent, their differences in percentage points, losses unchanged."""

from __future__ import annotations

from collections.abc import Iterable

from actbench.experiment.metrics import CURVES, MEASURES, Metric
from actbench.text import counted

ABSENT, MAX_PLAIN = "-", 1e6
WORDS = {"nll": "NLL", "brier": "Brier score", "ece": "calibration error", "top2_accuracy": "top-2 accuracy"}


def value(number: float | None, metric: Metric, *, signed: bool = False, digits: int | None = None) -> str:
    """97.95 for the accuracy 0.9795; 0.0812 for a loss, 2.42e+23 for a huge one; four significant digits of others."""
    if number is None:
        return ABSENT
    sign = "+" if signed else ""
    if metric.unit == "number":
        return f"{number:{sign}.4g}"
    scaled = number * 100 if metric.is_share else number
    if abs(scaled) >= MAX_PLAIN:
        return f"{scaled:{sign}.3g}"
    places = digits if digits is not None else 2 if metric.is_share else 4
    text = f"{scaled:{sign}.{places}f}"
    return text.replace("-", sign) if float(text) == 0 else text


def smallest_shown(metric: Metric) -> float:
    """The smallest difference that `value` shows; 0 of a number, whose digits are as many as it needs."""
    return 0.0 if metric.unit == "number" else 1e-4


def size(number: float | None, metric: Metric, *, signed: bool = False) -> str:
    """A difference: `0.10 points` of an accuracy, signed `-0.0812` of a loss."""
    return value(number, metric, signed=signed) + " points" * (metric.is_share and number is not None)


def with_unit(number: float | None, metric: Metric) -> str:
    """`97.95 %`; numbers that are no shares have no unit."""
    return value(number, metric) + " %" * (metric.is_share and number is not None)


def metric_in_words(metric: Metric) -> str:
    """`test accuracy`, `test NLL`; names of other metrics unchanged."""
    if metric.name not in (*CURVES, *MEASURES):
        return metric.name
    part, _, quantity = metric.name.partition("_")
    return f"{part} {WORDS.get(quantity, quantity)}"


def interval(bounds: tuple[float, float] | None, metric: Metric, *, signed: bool = False) -> str:
    """`97.83 to 98.07`."""
    return " to ".join(value(bound, metric, signed=signed) for bound in bounds) if bounds else ABSENT


def seeds_text(counts: Iterable[int]) -> str:
    """`20 to 80 seeds`."""
    fewest, *_, most = sorted([*counts] * 2)
    return counted(most, "seed") if fewest == most else f"{fewest} to {most} seeds"


def probability(number: float | None) -> str:
    """A p with three digits, the smallest as a bound."""
    if number is None:
        return ABSENT
    return "<0.001" if number < 0.0005 else f"{number:.3f}"
