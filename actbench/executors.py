"""Where stacks train: in this process, or in local worker processes with one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from actbench.catalogue.datasets import Arrays
from actbench.records import TrialRecord
from actbench.stacks import Stack

TrainStack = Callable[[Stack, Arrays, str, Callable[[int], None]], list[TrialRecord]]


@dataclass(frozen=True)
class EpochsDone:
    """A stack has so many epochs behind it."""

    stack: Stack
    epochs: int


@dataclass(frozen=True)
class StackDone:
    """A stack is finished, with one record per trial."""

    stack: Stack
    records: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class TrialFailed:
    """A trial, alone in its stack, could not be trained."""

    stack: Stack
    cause: str


SILENCE_SECONDS = 600.0

Event = EpochsDone | StackDone | TrialFailed
Emit = Callable[[Event], None]


def train_with_torch(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    """Train one stack on one thread, importing torch at the first call."""
    import torch

    from actbench.training.loop import train_stack

    torch.set_num_threads(1)
    return train_stack(stack, arrays, device, on_epoch)


@dataclass(frozen=True)
class _Task:
    """A stack to be trained, and how often it has failed as a whole."""

    stack: Stack
    failures: int = 0


def run_in_process(stacks: Sequence[Stack], train: TrainStack, arrays: Arrays, device: str, emit: Emit) -> None:
    """Train the stacks one after another here; one that fails is tried once more, and then trial by trial."""
    waiting = deque(map(_Task, stacks))
    while waiting:
        task = waiting.popleft()
        try:
            records = train(task.stack, arrays, device, partial(_emit_epochs, emit, task.stack))
        except _EmitFailed as failure:
            raise failure.error from None
        except Exception as error:  # whatever a trial raises is that trial's result
            _settle_failure(task, _cause(error), waiting, emit)
        else:
            emit(StackDone(task.stack, tuple(records)))


class _EmitFailed(BaseException):
    """Telling of progress failed, which is no failure of the trial that made it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _emit_epochs(emit: Emit, stack: Stack, epochs: int) -> None:
    try:
        emit(EpochsDone(stack, epochs))
    except Exception as error:
        raise _EmitFailed(error) from error


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    has_arrays: bool = False


@dataclass
class _Work:
    """What a worker is at, and when it has last been heard of."""

    worker: _Worker
    task: _Task
    heard: float


@dataclass(frozen=True)
class Workers:
    """Local worker processes, one thread each, which import torch while their parent still reads the data."""

    train: TrainStack
    device: str
    most: int
    silence_seconds: float
    processes: list[_Worker] = field(default_factory=list)

    def start(self, count: int) -> None:
        """See to it that there are so many processes, as far as they are allowed."""
        while len(self.processes) < min(count, self.most):
            self.processes.append(_start_worker(self.train, self.device))

    def run(self, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
        """Train the stacks; one that fails, dies or hangs is tried once more, and then trial by trial.

        A worker is taken to hang when it has not been heard of for `silence_seconds`.
        """
        waiting = deque(map(_Task, stacks))
        busy: dict[Connection, _Work] = {}
        self.start(len(waiting))
        for worker in self.processes[: len(waiting)]:
            self._give(worker, arrays, waiting, busy)
        while busy:
            heard = wait(list(busy), timeout=self._patience(busy))
            for connection in heard:
                assert isinstance(connection, Connection)
                self._hear(busy[connection], arrays, waiting, busy, emit)
            for work in [work for work in busy.values() if time.monotonic() - work.heard > self.silence_seconds]:
                work.worker.process.kill()
                self._bury(work, f"its worker said nothing for {self.silence_seconds:.0f} s", waiting, busy, emit)
                self._give(self._replace(work.worker), arrays, waiting, busy)

    def _patience(self, busy: dict[Connection, _Work]) -> float:
        return max(0.0, min(work.heard for work in busy.values()) + self.silence_seconds - time.monotonic())

    def _hear(
        self, work: _Work, arrays: Arrays, waiting: deque[_Task], busy: dict[Connection, _Work], emit: Emit
    ) -> None:
        worker, task = work.worker, work.task
        try:
            event = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            self._bury(work, f"its worker process ended with code {worker.process.exitcode}", waiting, busy, emit)
            self._give(self._replace(worker), arrays, waiting, busy)
            return
        work.heard = time.monotonic()
        if isinstance(event, int):
            emit(EpochsDone(task.stack, event))
            return
        if isinstance(event, str):
            self._bury(work, event, waiting, busy, emit)
        else:
            del busy[worker.connection]
            emit(StackDone(task.stack, tuple(event)))
        self._give(worker, arrays, waiting, busy)

    def _bury(self, work: _Work, cause: str, waiting: deque[_Task], busy: dict[Connection, _Work], emit: Emit) -> None:
        del busy[work.worker.connection]
        _settle_failure(work.task, cause, waiting, emit)

    def _give(self, worker: _Worker, arrays: Arrays, waiting: deque[_Task], busy: dict[Connection, _Work]) -> None:
        """Send the next stack to a worker; one that has died is noticed when its connection is read."""
        if waiting:
            task = waiting.popleft()
            busy[worker.connection] = _Work(worker, task, time.monotonic())
            with contextlib.suppress(OSError):
                worker.connection.send((task.stack, None if worker.has_arrays else arrays))
            worker.has_arrays = True

    def _replace(self, dead: _Worker) -> _Worker:
        dead.process.join()
        dead.connection.close()
        self.processes.remove(dead)
        self.processes.append(_start_worker(self.train, self.device))
        return self.processes[-1]


@contextlib.contextmanager
def start_workers(
    train: TrainStack, device: str, most: int, *, silence_seconds: float = SILENCE_SECONDS
) -> Iterator[Workers]:
    """Worker processes, which end with this context, and by themselves as soon as their parent is gone."""
    workers = Workers(train, device, most, silence_seconds)
    try:
        yield workers
    finally:
        with _interrupts_held():
            for worker in workers.processes:
                worker.process.kill()
            for worker in workers.processes:
                worker.process.join()


def _settle_failure(task: _Task, cause: str, waiting: deque[_Task], emit: Emit) -> None:
    """Try a stack that failed once more as it is, then its trials one by one; a trial that fails twice has failed."""
    if task.failures == 0:
        waiting.appendleft(_Task(task.stack, 1))
    elif len(task.stack) > 1:
        waiting.extendleft(_Task((trial,), 1) for trial in reversed(task.stack))
    else:
        emit(TrialFailed(task.stack, cause))


def _start_worker(train: TrainStack, device: str) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_worker_main, args=(theirs, train, device), daemon=True)
    with _interrupts_held():
        process.start()
    theirs.close()
    return _Worker(process, ours)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; processes started meanwhile never see it, for it is the parent's to handle."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _worker_main(connection: Connection, train: TrainStack, device: str) -> None:
    """Train stacks from the connection until it closes; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    if train is train_with_torch:
        import actbench.training.loop  # noqa: F401  (now, while the parent reads the data)
    arrays: Any = None
    try:
        while True:
            stack, arrays_once = connection.recv()
            arrays = arrays_once or arrays
            try:
                connection.send(train(stack, arrays, device, connection.send))
            except Exception as error:  # whatever a trial raises is that trial's result
                connection.send(_cause(error))
    except (EOFError, OSError):
        return


def _end_with_parent() -> None:
    """Leave as soon as the parent is gone, however it went, in the middle of whatever this process does."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
