"""Progress of a run: live on a terminal, a line every 30 seconds elsewhere, nothing if quiet."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actbench.analysis.samples import arm_samples
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Ending, TrialRecord, unusable_text
from actbench.plan.plan import Plan
from actbench.report.looks import look_lines
from actbench.report.numbers import interval, value
from actbench.statistics.intervals import estimate
from actbench.text import clock, say, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

LOG_INTERVAL_SECONDS = 30.0
REFRESHES_PER_SECOND = 2.0
MIN_MEASURED_SECONDS = 3.0
BAR_WIDTH = 40
MAX_BEST_ARMS = 3
BEST_ARMS_INTERVAL_SECONDS = 2.0
WORK_SHARE = 0.01  # of the time that the parent may spend on finding the best arms: every core trains


@dataclass(frozen=True)
class RunState:
    """Progress of a run: finished trials (`before` of them by earlier runs), and the share of this run's epochs.

    `records` are those of all finished trials, of earlier runs too; the plan grows while arms are tuned.
    `measured_from` are the epochs and seconds at the first sign of training, so that neither the start of the workers
    nor epochs taken from a checkpoint distort the time left.
    """

    total: int
    before: int
    done: int
    endings: Counter[Ending]
    epochs: float
    epochs_to_do: float
    seconds: float
    measured_from: tuple[float, float] | None = None
    plan: Plan = field(default_factory=lambda: Plan(()))
    records: Mapping[str, TrialRecord] = field(default_factory=dict)

    def seconds_left(self) -> float | None:
        """Extrapolated from this run's epochs; None before some seconds of training."""
        first_epochs, first_seconds = self.measured_from or (0.0, 0.0)
        trained, seconds = self.epochs - first_epochs, self.seconds - first_seconds
        left = self.epochs_to_do - self.epochs
        if left <= 0:
            return 0.0 if self.epochs else None
        return seconds * left / trained if trained > 0 and seconds >= MIN_MEASURED_SECONDS else None


Show = Callable[[RunState], None]
Clock = Callable[[], float]


def describe(state: RunState) -> str:
    """`12/40 trials, 31% of all epochs, 2:10 left, 0 diverged, 0 collapsed, 0 failed`."""
    return f"{counted(state)}, {unusable_text(state.endings)}"


def counted(state: RunState) -> str:
    """`12/40 trials, 31% of all epochs, 2:10 left`."""
    share = state.epochs / state.epochs_to_do if state.epochs_to_do else 1.0
    left = state.seconds_left()
    time_left = f", {clock(left)} left" if left else ""
    return f"{state.done}/{state.total} trials, {share:.0%} of all epochs{time_left}"


@contextmanager
def progress(*, is_quiet: bool = False) -> Iterator[Show]:
    """A function that shows a run's state on standard error."""
    if is_quiet:
        yield lambda _state: None
    elif sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown"):
        with _live_progress() as show:
            yield show
    else:
        yield log_progress(say, time.monotonic)


def log_progress(write: Callable[[str], None], now: Clock) -> Show:
    """Write a line at most every 30 seconds, and one when all trials are finished that are known so far."""
    last, told = now(), 0

    def show(state: RunState) -> None:
        nonlocal last, told
        is_over = state.done == state.total != told and state.epochs > 0
        if is_over or now() - last >= LOG_INTERVAL_SECONDS:
            last, told = now(), state.total if is_over else told
            write(describe(state))

    return show


@dataclass
class BestArms:
    """The best arms so far, found again at intervals, so that the run has the processor."""

    now: Clock
    find: Callable[[RunState], list[str]]
    lines: list[str] = field(default_factory=list)
    done: int = 0
    next_time: float = 0.0

    def update(self, state: RunState) -> None:
        """Find them again if trials have finished since, and the interval is over."""
        if state.done == self.done or (self.now() < self.next_time and state.done < state.total):
            return
        self.done, started = state.done, self.now()
        self.lines = self.find(state)
        ended = self.now()
        self.next_time = ended + max(BEST_ARMS_INTERVAL_SECONDS, (ended - started) / WORK_SHARE)


@dataclass
class Screen:
    """What a terminal shows: progress, elapsed time, and the best arms so far."""

    now: Clock
    started: float
    best: BestArms
    state: RunState | None = None

    def show(self, state: RunState) -> None:
        """Show this state from now on."""
        self.state = state
        self.best.update(state)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        elapsed = clock(self.now() - self.started)
        if self.state is None:
            return Text(f"starting ... {elapsed}")
        state = self.state
        lines = [counted(state), f"{unusable_text(state.endings)}, {elapsed} so far"]
        lines += look_lines(state.plan, is_whole=True)
        if self.best.lines:
            lines += ["best so far, test accuracy % (95 % interval):", *(f"  {line}" for line in self.best.lines)]
        bar = ProgressBar(total=max(1, state.epochs_to_do), completed=state.epochs, width=BAR_WIDTH)
        return Group(Padding(bar, 0), *map(Text, lines))


@contextmanager
def _live_progress() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, highlight=False)
    best = BestArms(time.monotonic, lambda state: best_arms(state.plan, state.records, MAX_BEST_ARMS))
    screen = Screen(time.monotonic, time.monotonic(), best)
    with Live(
        screen,
        console=console,
        refresh_per_second=REFRESHES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        vertical_overflow="crop",
    ):
        yield screen.show


def best_arms(plan: Plan, records: Mapping[str, TrialRecord], most: int) -> list[str]:
    """`gelu  97.92 (97.87 to 97.97), 4 of 10 seeds` for the arms with the best means of the primary metric."""
    metric = parse_metric(plan.primary)
    direction = 1 if metric.larger_is_better else -1
    found = [(sample, estimate(list(sample.by_seed.values()))) for sample in arm_samples(plan, records, metric)]
    known = [(sample, own) for sample, own in found if own.mean is not None]
    best = sorted(known, key=lambda one: -direction * (one[1].mean or 0.0))[:most]
    width = max((len(visible(sample.label)) for sample, _ in best), default=0)
    lines = []
    for sample, own in best:
        bounds = f" ({interval(own.interval, metric)})" if own.interval else ""
        numbers = f"{value(own.mean, metric)}{bounds}, {own.n} of {sample.trials} seeds"
        lines.append(f"{visible(sample.label):<{width}}  {numbers}")
    return lines
