"""The three words for a claim, how an interval decides between them, and how the parts of a claim combine."""

from __future__ import annotations

from collections.abc import Iterable
from math import isclose
from typing import Literal

Verdict = Literal["supported", "contradicted", "undecided"]
ROUNDING = 1e-12


def decide(interval: tuple[float, float] | None, lower: float, upper: float) -> Verdict:
    """Supported if the whole interval lies between the bounds, contradicted if none of it does, else undecided.

    An end that lies on a bound, up to rounding, is on neither side of it.
    """
    if interval is None:
        return "undecided"
    low, high = interval
    if _is_below(lower, low) and _is_below(high, upper):
        return "supported"
    return "contradicted" if _is_below(high, lower) or _is_below(upper, low) else "undecided"


def _is_below(one: float, other: float) -> bool:
    return one < other and not isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a claim with several parts: all must hold, and one that does not refutes it."""
    found = set(verdicts)
    if "contradicted" in found:
        return "contradicted"
    return "supported" if found == {"supported"} else "undecided"
