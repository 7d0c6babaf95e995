"""Many comparisons at once: the level of a family, and p-values adjusted for its size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

ALPHA = 0.05


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment, in the order given: max over j <= i of (m - j + 1) p(j), at most 1 (Holm 1979).

    Rejecting where it is below alpha keeps P(any false rejection among all m) <= alpha, however the tests depend.
    scipy has none.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def holm_levels(p_values: Sequence[float], alpha: float = ALPHA) -> list[float]:
    """The level alpha / (m - rank + 1) of the step at which Holm's method decides each, in the order given.

    Those that are kept are all decided at the step where the method stops, and equal p at one step. An interval of
    confidence 1 - level says what the step says.
    """
    ordered, rejected = sorted(p_values), [adjusted < alpha for adjusted in sorted(holm(p_values))]
    stop = rejected.index(False) if False in rejected else len(ordered)
    return [alpha / (len(ordered) - min(bisect_left(ordered, p), stop)) for p in p_values]
