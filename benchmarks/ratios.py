"""Arithmetic of the table: ratios within a round, then the median and the range over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Round = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of one number per round."""

    median: float
    lowest: float
    highest: float


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of the values; None where there are none."""
    found = sorted(values)
    return Spread(statistics.median(found), found[0], found[-1]) if found else None


def seconds_of(rounds: Sequence[Round], row: str) -> Spread | None:
    """Seconds of one row over the rounds that have it."""
    return spread(one[row] for one in rounds if row in one)


def ratio_of(rounds: Sequence[Round], row: str, reference: str) -> Spread | None:
    """How many times the reference's seconds a row took in the same round, over the rounds that have both."""
    return spread(one[row] / one[reference] for one in rounds if row in one and reference in one)
