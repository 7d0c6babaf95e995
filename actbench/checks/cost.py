"""Costs of activations relative to relu: timed in rounds, with an interval for the median ratio."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from actbench.experiment.choices import Choice
from actbench.lazy import stats

REFERENCE = "relu"
SHAPE = (8, 128, 256)
ROUNDS = 100
THREADS = 1
CONFIDENCE = 0.95
MEASUREMENT_SECONDS = 0.003
MIN_CALLS, MAX_CALLS = 2, 1000
CALIBRATION_CALLS = 5

Pass = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Memory:
    """Bytes that one forward and backward pass allocates, the activation's value included, its input left out.

    `peak_bytes` is the most at once, `kept_bytes` what stays from the forward to the backward pass.
    """

    peak_bytes: int
    kept_bytes: int


@dataclass(frozen=True)
class Measurement:
    """Time and memory of both passes; `ratios` are the time over that of the reference in each round."""

    ratios: tuple[float, ...]
    microseconds_per_million: float
    memory: Memory | None


@dataclass(frozen=True)
class Cost:
    """One activation as training computes it, and the plain function with autograd as PyTorch code usually has it."""

    choice: Choice
    trained: Measurement
    plain: Measurement


def measured_seconds(passes: Sequence[Pass], rounds: int, clock: Clock) -> list[list[float]]:
    """Seconds per call of each pass in each round; a round measures every pass once, in its own order."""
    calls = [_calls_needed(run, clock) for run in passes]
    seconds: list[list[float]] = [[] for _ in passes]
    for number in range(rounds):
        for index in random.Random(number).sample(range(len(passes)), len(passes)):
            passes[index]()  # so that none is timed while what its neighbour left in the caches is replaced
            seconds[index].append(_seconds_of(passes[index], calls[index], clock) / calls[index])
    return seconds


def _calls_needed(run: Pass, clock: Clock) -> int:
    """Calls that take about 3 ms together, by the fastest of a few that also warm up."""
    fastest = min(_seconds_of(run, 1, clock) for _ in range(CALIBRATION_CALLS))
    return min(MAX_CALLS, max(MIN_CALLS, math.ceil(MEASUREMENT_SECONDS / max(fastest, 1e-9))))


def _seconds_of(run: Pass, calls: int, clock: Clock) -> float:
    start = clock()
    for _ in range(calls):
        run()
    return clock() - start


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest [x_(k), x_(n + 1 - k)] that holds the median with at least 95 %, whatever the distribution.

    It misses with probability 2 P(B < k), B ~ Binomial(n, 1/2). None below 6 values, where even the extremes miss more
    often.
    """
    k = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(values), 0.5)) if values else 0
    ordered = sorted(values)
    return (ordered[k - 1], ordered[-k]) if k else None


def measurement(seconds: Sequence[float], reference: Sequence[float], memory: Memory | None) -> Measurement:
    """What the seconds of one function and of the reference in the same rounds say."""
    return Measurement(
        ratios=tuple(numerator / denominator for numerator, denominator in zip(seconds, reference, strict=True)),
        microseconds_per_million=median(seconds) / math.prod(SHAPE) * 1e12,
        memory=memory,
    )
