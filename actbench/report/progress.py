"""How far a run is: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from actbench.records import RunState

LOG_INTERVAL_SECONDS = 10.0


def describe(state: RunState) -> str:
    """`12/40 trials, 31% of all epochs, 2:10 left, 0 diverged, 0 failed`."""
    share = state.epochs / state.epochs_to_do if state.epochs_to_do else 1.0
    left = state.seconds_left()
    time_left = f"{clock(left)} left, " if left is not None else ""
    begun = f"{state.done}/{state.total} trials, {share:.0%} of all epochs"
    return f"{begun}, {time_left}{state.diverged} diverged, {state.failed} failed"


def clock(seconds: float) -> str:
    """`2:05`, or `1:02:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def progress() -> Iterator[Callable[[RunState], None]]:
    """A function that shows a run's state on standard error."""
    if sys.stderr.isatty():
        with _live_progress() as show:
            yield show
    else:
        yield log_progress(_write_line, time.monotonic)


def _write_line(line: str) -> None:
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


@contextmanager
def _live_progress() -> Iterator[Callable[[RunState], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=sys.stderr, highlight=False)
    with Progress(BarColumn(bar_width=20), TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task("starting ...", total=None)

        def show(state: RunState) -> None:
            bar.update(task, total=state.epochs_to_do, completed=state.epochs, description=describe(state))

        yield show


def log_progress(write: Callable[[str], None], now: Callable[[], float]) -> Callable[[RunState], None]:
    """Write a line at most every ten seconds, and one when all trials are finished."""
    last = now()

    def show(state: RunState) -> None:
        nonlocal last
        if now() - last >= LOG_INTERVAL_SECONDS or (state.done == state.total and state.epochs):
            last = now()
            write(describe(state))

    return show
