"""Executors on this machine: this process, or worker processes with one thread each."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from multiprocessing.connection import Connection, wait
from typing import Any

from actbench.catalogue.datasets import Arrays
from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import TrialRecord, Weights
from actbench.plan.stacks import Stack
from actbench.processes import interrupts_held
from actbench.runs.executors.shared import CAN_SHARE, Shared, share
from actbench.runs.executors.worker import TrainStack, Worker, send_stack, start_worker
from actbench.text import describe_exception


@dataclass(frozen=True)
class StackStarted:
    """A stack has started to train."""

    stack: Stack


@dataclass(frozen=True)
class StackRetried:
    """A stack failed and is retried, whole or trial by trial."""

    stack: Stack
    cause: str


@dataclass(frozen=True)
class EpochsDone:
    """The number of epochs that a stack has finished, the part of the running one as its fraction."""

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
class Limits:
    """When to start no more stacks, and the seconds that a stack may take per trial (None: no limit)."""

    is_over: Callable[[], bool] = lambda: False
    trial_seconds: float | None = None

    def seconds_of(self, stack: Stack) -> float:
        """The seconds that this stack may take."""
        return inf if self.trial_seconds is None else self.trial_seconds * len(stack)


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Task:
    """A stack to train, and how often it has failed as a whole."""

    stack: Stack
    failures: int = 0


def run_in_process(
    stacks: Sequence[Stack], train: TrainStack, arrays: Arrays, device: str, emit: Emit, limits: Limits = NO_LIMITS
) -> None:
    """Train the stacks one after another in this process, where no limit on a trial's time has an effect."""
    waiting = deque(map(Task, stacks))
    while waiting and not limits.is_over():
        task = waiting.popleft()
        emit(StackStarted(task.stack))
        try:
            records = train(task.stack, arrays, device, partial(_emit_report, emit, task.stack))
        except _EmitFailed as failure:
            raise failure.error from None
        except UnusableEnvironmentError:
            raise
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an exception of a trial is its result
            retry_or_fail(task, describe_exception(error), waiting, emit)
        else:
            emit(StackDone(task.stack, tuple(records)))


class _EmitFailed(BaseException):
    """The handler of events failed, which is not a failure of the trial."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def reported(stack: Stack, said: float | Weights) -> Event:
    """The event of what a stack reports while it trains."""
    return said if isinstance(said, Weights) else EpochsDone(stack, said)


def _emit_report(emit: Emit, stack: Stack, said: float | Weights) -> None:
    try:
        emit(reported(stack, said))
    except Exception as error:
        raise _EmitFailed(error) from error


@dataclass
class _Work:
    """A worker's task, the time of its last message, and of the task's start (inf while it imports torch)."""

    worker: Worker
    task: Task
    heard: float
    started: float = inf


@dataclass(frozen=True)
class Workers:
    """Local worker processes with one thread each, started by the first stacks."""

    train: TrainStack
    device: str
    most: int
    silence_seconds: float
    limits: Limits = NO_LIMITS
    gpus: tuple[str, ...] = ()
    processes: list[Worker] = field(default_factory=list)

    def run(self, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
        """Train the stacks; one that fails is retried once, then trial by trial; a silent worker is killed."""
        waiting = deque(map(Task, stacks))
        if not CAN_SHARE:
            self._run(waiting, arrays, emit)
            return
        shared = share(arrays)
        try:
            self._run(waiting, shared, emit)
        finally:
            os.close(shared.file)

    def _run(self, waiting: deque[Task], arrays: Arrays | Shared, emit: Emit) -> None:
        busy: dict[Connection, _Work] = {}
        while len(self.processes) < min(len(waiting), self.most):
            gpu = self.gpus[len(self.processes) % len(self.gpus)] if self.gpus else ""
            self.processes.append(start_worker(self.train, self.device, gpu))
        for worker in self.processes[: len(waiting)]:
            self._send_next(worker, arrays, waiting, busy)
        while busy:
            readable = wait(list(busy), timeout=self._seconds_to_limit(busy))
            for connection in readable:
                assert isinstance(connection, Connection)
                self._handle_message(busy[connection], arrays, waiting, busy, emit)
            now = time.monotonic()
            for work in list(busy.values()):
                if failure := timeout_reason(
                    work.task, now - work.started, now - work.heard, self.limits, self.silence_seconds
                ):
                    work.worker.process.kill()
                    work.task, cause = failure
                    self._end(work, cause, waiting, busy, emit)
                    self._send_next(self._replace(work.worker), arrays, waiting, busy)

    def _seconds_to_limit(self, busy: dict[Connection, _Work]) -> float:
        """Seconds until the first worker exceeds a limit."""
        ends = (
            min(work.heard + self.silence_seconds, work.started + self.limits.seconds_of(work.task.stack))
            for work in busy.values()
        )
        return max(0.0, min(ends) - time.monotonic())

    def _handle_message(
        self, work: _Work, arrays: Arrays | Shared, waiting: deque[Task], busy: dict[Connection, _Work], emit: Emit
    ) -> None:
        worker, task = work.worker, work.task
        try:
            event = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._end(work, f"worker process ended with code {worker.process.exitcode}", waiting, busy, emit)
            self._send_next(self._replace(worker), arrays, waiting, busy)
            return
        work.heard = time.monotonic()
        if isinstance(event, UnusableEnvironmentError):
            raise event
        if event is None:
            work.started = work.heard
            emit(StackStarted(task.stack))
            return
        if isinstance(event, int | float | Weights):
            emit(reported(task.stack, event))
            return
        if isinstance(event, str):
            self._end(work, event, waiting, busy, emit)
        else:
            del busy[worker.connection]
            emit(StackDone(task.stack, tuple(event)))
        self._send_next(worker, arrays, waiting, busy)

    def _end(self, work: _Work, cause: str, waiting: deque[Task], busy: dict[Connection, _Work], emit: Emit) -> None:
        del busy[work.worker.connection]
        retry_or_fail(work.task, cause, waiting, emit)

    def _send_next(
        self, worker: Worker, arrays: Arrays | Shared, waiting: deque[Task], busy: dict[Connection, _Work]
    ) -> None:
        """Send the next stack to a worker; a dead worker is noticed when its connection is read."""
        if waiting and not self.limits.is_over():
            task = waiting.popleft()
            busy[worker.connection] = _Work(worker, task, time.monotonic())
            with contextlib.suppress(OSError):
                send_stack(worker, task.stack, arrays)
            worker.has_arrays = True

    def _replace(self, dead: Worker) -> Worker:
        dead.process.join()
        dead.connection.close()
        self.processes.remove(dead)
        self.processes.append(start_worker(self.train, self.device, dead.gpu))
        return self.processes[-1]


@contextlib.contextmanager
def start_workers(
    train: TrainStack,
    device: str,
    most: int,
    *,
    limits: Limits = NO_LIMITS,
    silence_seconds: float = SILENCE_SECONDS,
    gpus: tuple[str, ...] = (),
) -> Iterator[Workers]:
    """Worker processes, which end with this context or with their parent; each has one of the GPUs in turn."""
    workers = Workers(train, device, most, silence_seconds, limits, gpus)
    try:
        yield workers
    finally:
        with interrupts_held():
            for worker in workers.processes:
                worker.process.kill()
            for worker in workers.processes:
                worker.process.join()


def retry_or_fail(task: Task, cause: str, waiting: deque[Task], emit: Emit) -> None:
    """Retry a failed stack once as it is, then its trials one by one; a trial that fails twice has failed."""
    if task.failures == 0:
        emit(StackRetried(task.stack, cause))
        waiting.appendleft(Task(task.stack, 1))
    elif len(task.stack) > 1:
        emit(StackRetried(task.stack, cause))
        waiting.extendleft(Task((trial,), 1) for trial in reversed(task.stack))
    else:
        emit(TrialFailed(task.stack, cause))


def timeout_reason(
    task: Task, seconds: float, silent_seconds: float, limits: Limits, silence_seconds: float
) -> tuple[Task, str] | None:
    """The task to retry and the reason, if it has exceeded a limit; else None."""
    if seconds > limits.seconds_of(task.stack):  # as a whole it would take as long again
        return Task(task.stack, 1), f"took longer than {limits.trial_seconds:g} s for each trial"
    if silent_seconds > silence_seconds:
        return task, f"worker unresponsive for {silence_seconds:.0f} s"
    return None
