"""Executors on this machine: this process, or worker processes with one thread each."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import TrialRecord, Weights
from actbench.plan.stacks import Stack
from actbench.processes import interrupts_held
from actbench.runs.executors.worker import (
    CAN_SHARE,
    Shared,
    TrainStack,
    Worker,
    is_with_torch,
    send_stack,
    share,
    start_worker,
)
from actbench.text import describe_exception
from actbench.training.sparse import may_be_sparse, with_nonzeros


@dataclass(frozen=True)
class StackStarted:
    """A stack has started to train."""

    stack: Stack


@dataclass(frozen=True)
class StackRetried:
    """A stack has failed and is retried, whole or trial by trial."""

    stack: Stack
    cause: str


@dataclass(frozen=True)
class EpochsDone:
    """The number of epochs that a stack has finished, with the fraction of the current one."""

    stack: Stack
    epochs: float


@dataclass(frozen=True)
class StackDone:
    """A finished stack: one record per trial, and the machine that trained it, None for this one."""

    stack: Stack
    records: tuple[TrialRecord, ...]
    machine: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class TrialFailed:
    """A trial, alone in its stack, has failed twice."""

    stack: Stack
    cause: str


SILENCE_SECONDS = 600.0

Event = StackStarted | StackRetried | EpochsDone | Weights | StackDone | TrialFailed
Emit = Callable[[Event], None]


@dataclass(frozen=True)
class Task:
    """A stack to train, and how often it has failed as a whole."""

    stack: Stack
    failures: int = 0


@dataclass
class Work:
    """A task that a worker trains: when its last message came, when it started, and the machine, None for this one."""

    task: Task
    heard: float = field(default_factory=time.monotonic)
    started: float = inf
    machine: Mapping[str, Any] | None = None

    def has_started(self) -> bool:
        """Whether the first message has come; before it, a worker imports torch."""
        return self.started < inf

    def expects(self, message: Any) -> bool:
        """Whether a local worker may send this now; a custom function may have written to its connection."""
        if not self.has_started():
            return message is None
        if isinstance(message, list):
            ours = [trial.id for trial in self.task.stack]
            return [getattr(record, "trial", None) for record in message] == ours
        return isinstance(message, int | float | Weights | str)

    def handle(self, message: Any, waiting: deque[Task], emit: Emit) -> bool:
        """Emit what a message reports; whether it has ended the stack, with its records or the cause of a failure."""
        self.heard = time.monotonic()
        if not self.has_started():
            self.started = self.heard
            emit(StackStarted(self.task.stack))
            return False
        if isinstance(message, int | float | Weights):
            emit(reported(self.task.stack, message))
            return False
        if isinstance(message, str):
            retry_or_fail(self.task, message, waiting, emit)
        else:
            emit(StackDone(self.task.stack, tuple(message), self.machine))
        return True


@dataclass(frozen=True)
class Limits:
    """When to start no more stacks, and how many seconds a stack may take per trial (None: any) or send no message."""

    is_over: Callable[[], bool] = lambda: False
    trial_seconds: float | None = None
    silence_seconds: float = SILENCE_SECONDS

    def seconds_of(self, stack: Stack) -> float:
        """The seconds that this stack may take."""
        return inf if self.trial_seconds is None else self.trial_seconds * len(stack)

    def exceeded(self, work: Work) -> tuple[Task, str] | None:
        """The task to retry and the reason, if it has exceeded a limit; else None."""
        stack, now = work.task.stack, time.monotonic()
        if now - work.started > self.seconds_of(stack):  # as a whole it would take as long again
            return Task(stack, 1), f"took longer than {self.trial_seconds:g} s for each trial"
        if now - work.heard > self.silence_seconds:
            return work.task, f"worker unresponsive for {self.silence_seconds:.0f} s"
        return None


NO_LIMITS = Limits()


def run_in_process(
    stacks: Sequence[Stack], arrays: Arrays, emit: Emit, train: TrainStack, device: str, limits: Limits = NO_LIMITS
) -> None:
    """Train the stacks one after another in this process, where no limit on a trial's time has an effect.

    Raises the `UnusableEnvironmentError` that `train` raises, since it concerns every trial.
    """
    waiting = deque(map(Task, stacks))
    while waiting and not limits.is_over():
        task = waiting.popleft()
        emit(StackStarted(task.stack))
        failures: list[Exception] = []
        try:
            records = train(task.stack, arrays, device, partial(_emit_report, emit, task.stack, failures))
        except (UnusableEnvironmentError, KeyboardInterrupt):
            raise
        except BaseException as error:  # an exception of a trial is its result
            if failures:
                raise failures[0] from None
            retry_or_fail(task, describe_exception(error), waiting, emit)
        else:
            emit(StackDone(task.stack, tuple(records)))


def reported(stack: Stack, report: float | Weights) -> Event:
    """The event for a stack's report while it trains."""
    return report if isinstance(report, Weights) else EpochsDone(stack, report)


def _emit_report(emit: Emit, stack: Stack, failures: list[Exception], report: float | Weights) -> None:
    """Emit a report; keep an exception of the handler of events, which is no failure of the trial."""
    try:
        emit(reported(stack, report))
    except Exception as error:
        failures.append(error)
        raise


@dataclass(frozen=True)
class Workers:
    """Local worker processes with one thread each, started by the first stacks; each has one of the GPUs in turn.

    They end with this context or with their parent.
    """

    train: TrainStack
    device: str
    max_busy: int
    limits: Limits = NO_LIMITS
    gpus: tuple[str, ...] = ()
    processes: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_how: object) -> None:
        with interrupts_held():
            for worker in self.processes:
                worker.process.kill()
            for worker in self.processes:
                worker.process.join()

    def run(self, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
        """Train the stacks; one that fails is retried once, then trial by trial; a silent worker is killed.

        Raises the `UnusableEnvironmentError` that `train` raises in a worker.
        """
        trials = itertools.chain.from_iterable(stacks if is_with_torch(self.train) else ())
        if any(may_be_sparse(self.device, trial.settings.train.precision) for trial in trials):
            arrays = with_nonzeros(arrays)  # once, instead of in every worker
        shared = share(arrays) if CAN_SHARE else None
        try:
            self._run(deque(map(Task, stacks)), shared or arrays, emit)
        finally:
            if shared:
                os.close(shared.file)

    def _run(self, waiting: deque[Task], arrays: Arrays | Shared, emit: Emit) -> None:
        busy: dict[Connection, tuple[Worker, Work]] = {}

        def send_next(worker: Worker) -> None:
            """Send the next stack to a worker; a dead worker is noticed when its connection is read."""
            if waiting and not self.limits.is_over():
                work = Work(waiting.popleft())
                busy[worker.connection] = worker, work
                with contextlib.suppress(OSError):
                    send_stack(worker, work.task.stack, arrays)
                worker.has_arrays = True

        def replace(dead: Worker, task: Task, cause: str) -> None:
            """Retry the task of a dead worker, and start another worker in its place."""
            del busy[dead.connection]
            retry_or_fail(task, cause, waiting, emit)
            dead.process.join()
            dead.connection.close()
            self.processes.remove(dead)
            self.processes.append(start_worker(self.train, self.device, dead.gpu))
            send_next(self.processes[-1])

        while len(self.processes) < min(len(waiting), self.max_busy):
            gpu = self.gpus[len(self.processes) % len(self.gpus)] if self.gpus else ""
            self.processes.append(start_worker(self.train, self.device, gpu))
        for worker in self.processes[: len(waiting)]:
            send_next(worker)
        while busy:
            limits = self.limits
            ends = (
                min(one.heard + limits.silence_seconds, one.started + limits.seconds_of(one.task.stack))
                for _, one in busy.values()
            )
            for connection in wait(list(busy), timeout=max(0.0, min(ends) - time.monotonic())):
                assert isinstance(connection, Connection)
                worker, work = busy[connection]
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    replace(worker, work.task, f"worker process ended with code {worker.process.exitcode}")
                    continue
                except Exception:  # bytes that are no message
                    message = None if work.has_started() else ""
                if isinstance(message, UnusableEnvironmentError):
                    raise message
                if not work.expects(message):
                    worker.process.kill()
                    replace(worker, work.task, "worker process sent something else than the records of its trials")
                    continue
                if work.handle(message, waiting, emit):
                    del busy[connection]
                    send_next(worker)
            for worker, work in list(busy.values()):
                if failure := self.limits.exceeded(work):
                    worker.process.kill()
                    replace(worker, *failure)


def retry_or_fail(task: Task, cause: str, waiting: deque[Task], emit: Emit) -> None:
    """Retry a failed stack once as it is, then its trials one by one; a trial that fails twice has failed."""
    if task.failures and len(task.stack) == 1:
        emit(TrialFailed(task.stack, cause))
        return
    emit(StackRetried(task.stack, cause))
    parts = [(trial,) for trial in task.stack] if task.failures else [task.stack]
    waiting.extendleft(Task(part, 1) for part in reversed(parts))
