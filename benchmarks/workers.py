"""The same work in one-thread processes, one per core, timed while all are busy."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")
Prepare = Callable[..., Callable[[], Result]]

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def time_together(prepare: Prepare[Result], arguments: tuple[Any, ...], processes: int) -> tuple[float, list[Result]]:
    """Wall seconds from a common start to the last process's result, and the results in the order of the processes.

    Each process calls `prepare(*arguments, number)` before the start, and its result after the start; `prepare` must be
    a module's function. Raises `RuntimeError` if a process ends without a result.
    """
    context = multiprocessing.get_context("spawn")
    connections: list[Connection] = []
    with one_thread_for_new_processes():
        for number in range(processes):
            ours, theirs = context.Pipe()
            context.Process(target=_work, args=(theirs, prepare, (*arguments, number)), daemon=True).start()
            theirs.close()
            connections.append(ours)
    try:
        for connection in connections:
            connection.recv()
        started = time.perf_counter()
        for connection in connections:
            connection.send(None)
        results = [connection.recv() for connection in connections]
        return time.perf_counter() - started, results
    except EOFError:
        raise RuntimeError("a process ended without a result; its message is above") from None


@contextlib.contextmanager
def one_thread_for_new_processes() -> Iterator[None]:
    """Set the number of threads in the environment, since numerical libraries read it at their import."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _work(connection: Connection, prepare: Prepare[Result], arguments: tuple[Any, ...]) -> None:
    run = prepare(*arguments)
    connection.send(None)
    connection.recv()
    connection.send(run())
