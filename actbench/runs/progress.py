"""Progress of a run: how each finished stack is counted, stored and logged, and what a terminal shows meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any

from actbench.analysis.samples import arm_samples
from actbench.experiment.definition import Experiment
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Ending, TrialRecord, Weights, count_endings, unusable_text
from actbench.plan.plan import Plan, count_trials, finished, settings_to_do
from actbench.plan.stacks import Stack
from actbench.report.looks import look_lines
from actbench.report.numbers import interval, value
from actbench.runs.executors.local import EpochsDone, Event, StackDone, StackRetried, StackStarted, TrialFailed
from actbench.runs.log import RunLog, arm_names, finished_texts, stack_text
from actbench.runs.status import keep_standing, standing_of
from actbench.statistics.intervals import estimate
from actbench.store.files import FileEnd, HeldFolder
from actbench.store.journal import append_records
from actbench.store.weights import write_weights
from actbench.text import clock, counted, say, visible

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
    epochs_to_do: float
    epochs: float = 0.0
    seconds: float = 0.0
    measured_from: tuple[float, float] | None = None
    plan: Plan = field(default_factory=lambda: Plan(()))
    records: dict[str, TrialRecord] = field(default_factory=dict)

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
Uninterrupted = Callable[[], contextlib.AbstractContextManager[None]]


def describe(state: RunState) -> str:
    """`12/40 trials, 31% of all epochs, 2:10 left, 0 diverged, 0 collapsed, 0 failed`."""
    return f"{progress_text(state)}, {unusable_text(state.endings)}"


def progress_text(state: RunState) -> str:
    """`12/40 trials, 31% of all epochs, 2:10 left`."""
    percent = 100 * state.epochs // state.epochs_to_do if state.epochs_to_do else 100
    left = state.seconds_left()
    time_left = f", {clock(left)} left" if left else ""
    return f"{state.done:,}/{counted(state.total, 'trial')}, {percent:.0f}% of all epochs{time_left}"


@contextlib.contextmanager
def progress_display(*, is_quiet: bool = False) -> Iterator[Show]:
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
class Screen:
    """What a terminal shows: progress, elapsed time, and the best arms so far.

    The best arms, of so many trials that were done, are found again at intervals, so that the run has the processor.
    """

    now: Clock
    started: float
    find_best: Callable[[RunState], list[str]]
    state: RunState | None = None
    best: Sequence[str] = ()
    best_of: int = 0
    next_time: float = 0.0

    def show(self, state: RunState) -> None:
        """Show this state from now on; find the best arms if trials have finished since, and the interval is over."""
        self.state = state
        if state.done == self.best_of or (self.now() < self.next_time and state.done < state.total):
            return
        begun = self.now()
        self.best_of, self.best = state.done, self.find_best(state)
        ended = self.now()
        self.next_time = ended + max(BEST_ARMS_INTERVAL_SECONDS, (ended - begun) / WORK_SHARE)

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.padding import Padding
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        elapsed = clock(self.now() - self.started)
        if self.state is None:
            return Text(f"starting ... {elapsed}")
        state = self.state
        lines = [progress_text(state), f"{unusable_text(state.endings)}, {elapsed} so far"]
        lines += look_lines(state.plan, is_whole=True)
        if self.best:
            lines += ["best so far, test accuracy % (95 % interval):", *(f"  {line}" for line in self.best)]
        bar = ProgressBar(total=max(1, state.epochs_to_do), completed=state.epochs, width=BAR_WIDTH)
        return Group(Padding(bar, 0), *map(Text, lines))


@contextlib.contextmanager
def _live_progress() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, highlight=False)
    screen = Screen(time.monotonic, time.monotonic(), lambda state: best_arms(state.plan, state.records, MAX_BEST_ARMS))
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
        numbers = f"{value(own.mean, metric)}{bounds}, {own.n} of {counted(sample.trials, 'seed')}"
        lines.append(f"{visible(sample.label):<{width}}  {numbers}")
    return lines


@dataclass(kw_only=True)
class RunProgress:
    """The counters of a run, and where each finished stack is stored.

    `journal_end` is the end of the journal and `stored` the records in it, as this process wrote them.
    `keep_environment` records another machine, or this one for None, and returns the id of its record. `names` has the
    arm of each trial, `logged` is when progress was last logged, `next_standing` when the counts for `status` are kept
    next; `discard` removes the checkpoint of a stored stack.
    """

    experiment: Experiment
    folder: HeldFolder
    journal_end: FileEnd
    stored: dict[str, TrialRecord]
    device: str
    state: RunState
    started: float
    show: Callable[[RunState], None]
    log: RunLog
    keep_environment: Callable[[Mapping[str, Any] | None], str]
    uninterrupted: Uninterrupted = contextlib.nullcontext
    environment: str = ""
    plan_checksum: str = ""
    names: dict[str, str] = field(default_factory=dict)
    logged: float = 0.0
    epochs_by_trial: dict[str, float] = field(default_factory=dict)
    next_standing: float = 0.0
    discard: Callable[[Stack], None] = lambda _stack: None

    def handle(self, event: Event) -> None:
        """Count, store and log an event, and show the progress."""
        if isinstance(event, StackStarted):
            self.log.write(f"started {stack_text(event.stack, self.names)}", detail=2)
        elif isinstance(event, StackRetried):
            self.log.write(f"trying again {stack_text(event.stack, self.names)}: {event.cause}")
        elif isinstance(event, EpochsDone):
            self._count_epochs(event.stack, event.epochs)
        elif isinstance(event, Weights):
            with self.uninterrupted():
                write_weights(self.folder, event)
        else:
            records = event.records if isinstance(event, StackDone) else (self._failure(event),)
            environment = self.environment
            if isinstance(event, StackDone) and event.machine:
                environment = self.keep_environment(event.machine)
            plan = {"final": {"plan": self.plan_checksum}, "tune": {}}
            kept = [one.model_copy(update={"environment": environment} | plan[one.phase]) for one in records]
            with self.uninterrupted():
                self.journal_end = append_records(self.folder, kept, self.journal_end)
            self._keep_standing(kept)
            self.state.records.update({record.trial: record for record in kept})
            self._count_epochs(event.stack, event.stack[0].settings.train.epochs)
            done, endings = self.state.done + len(records), self.state.endings + count_endings(records)
            self.state = replace(self.state, done=done, endings=endings)
            for text, detail in finished_texts(event.stack, records, self.names):
                self.log.write(text, detail)
        self._refresh()
        if isinstance(event, StackDone | TrialFailed):
            self.discard(event.stack)

    def _keep_standing(self, records: Sequence[TrialRecord]) -> None:
        """Keep the counts for `status` beside a long journal if it is time; trials that fail again need the journal."""
        plan, started = self.state.plan, time.monotonic()
        if any(record.outcome == "failed" and record.trial in self.stored for record in records):
            self.next_standing = inf
        self.stored |= {record.trial: record for record in records}
        if started < self.next_standing or plan.looks or plan.shard or not plan.is_tuned():
            return
        keep_standing(
            self.folder, self.experiment, lambda: standing_of(self.experiment, plan, finished(self.stored), self.stored)
        )
        self.next_standing = time.monotonic() + (time.monotonic() - started) / WORK_SHARE

    def expect(self, experiment: Experiment, plan: Plan) -> None:
        """Count the trials that the plan asks for now, and those of them that earlier runs have finished."""
        self.names = arm_names(plan)
        now = initial_state(experiment, plan, self.state.records)
        expected = replace(
            self.state,
            total=now.total,
            before=self.state.before + now.done - self.state.done,
            done=now.done,
            endings=Counter({**now.endings, "failed": self.state.endings["failed"]}),
            epochs_to_do=self.state.epochs + now.epochs_to_do,
            plan=plan,
        )
        if expected != self.state:
            self.state = expected
            self._refresh()

    def _count_epochs(self, stack: Stack, epochs: float) -> None:
        trained = self.state.epochs + sum(epochs - self.epochs_by_trial.get(trial.id, 0) for trial in stack)
        self.epochs_by_trial |= {trial.id: epochs for trial in stack}
        measured_from = self.state.measured_from or ((trained, time.monotonic() - self.started) if trained else None)
        self.state = replace(self.state, epochs=trained, measured_from=measured_from)

    def _failure(self, event: TrialFailed) -> TrialRecord:
        figures = {"cause": event.cause, "wall_seconds": 0.0, "stack_trials": 1, "device": self.device}
        return TrialRecord.of(event.stack[0], outcome="failed", **figures)

    def _refresh(self) -> None:
        self.state = replace(self.state, seconds=time.monotonic() - self.started)
        self.show(self.state)
        if self.logged + LOG_INTERVAL_SECONDS <= self.state.seconds:
            self.logged = self.state.seconds
            self.log.write(describe(self.state), detail=3)

    def outcome(self) -> str:
        """How the run has ended."""
        what = "finished" if self.state.done == self.state.total else "stopped, out of time,"
        return f"run {what} after {clock(time.monotonic() - self.started)}: {describe(self.state)}"


def initial_state(experiment: Experiment, plan: Plan, known: dict[str, TrialRecord]) -> RunState:
    """The state at the start of a run with these records and this plan."""
    total, done = count_trials(experiment, plan, known)
    return RunState(
        total=total,
        before=done,
        done=done,
        endings=count_endings(known[key] for key in plan.trials() if key in known),
        epochs_to_do=sum(settings.train.epochs for settings, _ in settings_to_do(experiment, plan, known)),
        plan=plan,
        records=known,
    )
