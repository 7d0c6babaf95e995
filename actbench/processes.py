"""Child processes: they share one import of torch, ignore Ctrl-C, and end with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import get_temp_dir
from types import ModuleType
from typing import Any

TRAINING_MODULE = "actbench.training.preload"  # which imports torch
IS_FORKED = sys.platform == "linux"
MAX_FOLDER_BYTES = 76  # of the 107 that Linux allows to a socket's path; multiprocessing adds 31


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_server(module: str = TRAINING_MODULE) -> None:
    """On Linux, start the process from which others are forked, which imports the module once; do not wait for it."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # its start unblocks SIGINT, so that it must not happen while that is held
    if IS_FORKED:
        multiprocessing.set_forkserver_preload([module])
        with interrupts_held(), _short_temporary_folder():
            forkserver.ensure_running()


@contextlib.contextmanager
def _short_temporary_folder() -> Iterator[None]:
    """Let multiprocessing keep its sockets in /tmp where the path of a socket would be too long for the system."""
    before = tempfile.tempdir
    if len(os.fsencode(tempfile.gettempdir())) > MAX_FOLDER_BYTES:
        tempfile.tempdir = "/tmp"
    try:
        get_temp_dir()
        yield
    finally:
        tempfile.tempdir = before


def end_server() -> None:
    """End the process from which others are forked, and remove the folder of its socket.

    It notices no end of ours while it imports; and the folder stays where this process ends without Python's shutdown.
    """
    server = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if server is not None:
        with contextlib.suppress(OSError):
            os.kill(server, signal.SIGKILL)
        shutil.rmtree(get_temp_dir(), ignore_errors=True)


def start_process(
    target: Callable[..., None], *arguments: Any, module: str = TRAINING_MODULE
) -> tuple[BaseProcess, Connection]:
    """A process that calls `target(connection, *arguments)`, and our end of its connection."""
    start_server(module)
    context: Any = multiprocessing.get_context("forkserver" if IS_FORKED else "spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    with contextlib.nullcontext() if IS_FORKED else interrupts_held(), _main_module_hidden():
        process.start()
    theirs.close()
    return process, ours


def follow_parent() -> None:
    """As a child: leave Ctrl-C to the parent, and end with it; what custom functions print goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def by_this_process(send: Callable[[Any], None]) -> Callable[[Any], None]:
    """The function for this process alone: a copy that a custom function has forked ends where it would call it."""
    process = os.getpid()

    def send_or_end(message: Any) -> None:
        if os.getpid() != process:
            os._exit(1)
        send(message)

    return send_or_end


def _end_with_parent() -> None:
    """End this process as soon as the parent has ended, in the middle of any work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C; processes started meanwhile never receive it, since only the parent handles it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep new processes from running the main module again, which may be a user's whole script."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
