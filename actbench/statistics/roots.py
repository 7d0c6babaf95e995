"""Where an increasing function crosses zero."""

from __future__ import annotations

from collections.abc import Callable


def increasing_root(function: Callable[[float], float], low: float, high: float) -> float:
    """The zero of an increasing function between two points by bisection, to the last bit.

    scipy.optimize would find it in fewer steps, but takes as long to import as thousands of them.
    """
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return high
