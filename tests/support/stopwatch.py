"""Limits of processor time that hold on any machine, however slow or busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REFERENCE_SECONDS = 0.1  # what the reference computation takes on the machine that the limits were chosen on
ROUNDS = 3


def slowness() -> float:
    """How many times as long a fixed computation takes here and now as where the limits were chosen; at least 1."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        sum(number % 7 for number in range(2_500_000))
        seconds.append(time.process_time() - begin)
    return max(1.0, max(seconds) / REFERENCE_SECONDS)


def least_seconds(action: Callable[[], object]) -> float:
    """The processor time of an action, the least of a few rounds, since what else the machine does only adds to it."""
    seconds = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        action()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def assert_within(used_seconds: float, limit_seconds: float) -> None:
    """Refuse more processor time than the limit; this machine is measured only when it looks slow."""
    if used_seconds >= limit_seconds:
        factor = slowness()
        assert used_seconds < limit_seconds * factor, f"{used_seconds:.2f} s; limit {limit_seconds} s x {factor:.1f}"


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Limit the processor time of a block."""
    begin = time.process_time()
    yield
    assert_within(time.process_time() - begin, seconds)
