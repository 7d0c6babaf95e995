"""Where stacks train: in this process, or in local worker processes with one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


Event = EpochsDone | StackDone | TrialFailed
Emit = Callable[[Event], None]


def train_with_torch(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    """Train one stack on one thread, importing torch at the first call."""
    import torch

    from actbench.training.loop import train_stack

    torch.set_num_threads(1)
    return train_stack(stack, arrays, device, on_epoch)


def run_in_process(stacks: Sequence[Stack], train: TrainStack, arrays: Arrays, device: str, emit: Emit) -> None:
    """Train the stacks one after another here; a stack that fails is tried again trial by trial."""
    waiting = deque(stacks)
    while waiting:
        stack = waiting.popleft()
        try:
            records = train(stack, arrays, device, partial(_emit_epochs, emit, stack))
        except _EmitFailed as failure:
            raise failure.error from None
        except Exception as error:  # whatever a trial raises is that trial's result
            _settle_failure(stack, _cause(error), waiting, emit)
        else:
            emit(StackDone(stack, tuple(records)))


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


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    connection: Connection


def run_in_workers(
    stacks: Sequence[Stack], train: TrainStack, arrays: Arrays, device: str, workers: int, emit: Emit
) -> None:
    """Train the stacks in worker processes; a stack that fails or loses its worker is tried again trial by trial."""
    waiting = deque(stacks)
    started = [_start_worker(train, device) for _ in range(min(workers, len(waiting)))]
    busy: dict[Connection, tuple[_Worker, Stack]] = {}
    try:
        for worker in started:
            _send(worker, arrays)
            _give_work(worker, waiting, busy)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker, stack = busy[connection]
                try:
                    event = connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    _settle_failure(
                        stack, f"its worker process ended with code {worker.process.exitcode}", waiting, emit
                    )
                    del busy[connection]
                    if waiting:
                        worker = _start_worker(train, device)
                        started.append(worker)
                        _send(worker, arrays)
                        _give_work(worker, waiting, busy)
                    continue
                if isinstance(event, int):
                    emit(EpochsDone(stack, event))
                    continue
                if isinstance(event, str):
                    _settle_failure(stack, event, waiting, emit)
                else:
                    emit(StackDone(stack, tuple(event)))
                del busy[connection]
                _give_work(worker, waiting, busy)
    finally:
        with _interrupts_held():
            for worker in started:
                if worker.process.is_alive():
                    worker.process.kill()
                worker.process.join()


def _settle_failure(stack: Stack, cause: str, waiting: deque[Stack], emit: Emit) -> None:
    """Put the trials of a failed stack back one by one; a trial that failed alone has failed."""
    if len(stack) == 1:
        emit(TrialFailed(stack, cause))
    else:
        waiting.extendleft((trial,) for trial in reversed(stack))


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


def _send(worker: _Worker, item: Any) -> None:
    """Send to a worker; one that has died is noticed when its connection is read."""
    with contextlib.suppress(OSError):
        worker.connection.send(item)


def _give_work(worker: _Worker, waiting: deque[Stack], busy: dict[Connection, tuple[_Worker, Stack]]) -> None:
    """Send the next stack to a worker, or let it go where none is left."""
    if waiting:
        stack = waiting.popleft()
        busy[worker.connection] = worker, stack
        _send(worker, stack)
    else:
        worker.connection.close()


def _worker_main(connection: Connection, train: TrainStack, device: str) -> None:
    """Train stacks from the connection until it closes; Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    try:
        arrays = connection.recv()
        while True:
            stack = connection.recv()
            try:
                connection.send(train(stack, arrays, device, connection.send))
            except Exception as error:  # whatever a trial raises is that trial's result
                connection.send(_cause(error))
    except (EOFError, OSError):
        return


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
