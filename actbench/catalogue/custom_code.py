"""Custom code that runs in this process: what it prints, how long it may take, and what it may not change."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from multiprocessing import parent_process
from pathlib import Path
from types import BuiltinFunctionType, FrameType, MethodDescriptorType
from typing import Any, NoReturn
from warnings import catch_warnings, simplefilter

CALL_SECONDS, LOAD_SECONDS = 60.0, 600.0
NATIVE = BuiltinFunctionType, MethodDescriptorType  # torch itself replaces functions that are written in Python
AGAIN_SECONDS = 1.0  # code that catches everything is stopped again so long after


class TooSlowError(BaseException):
    """Custom code has taken too long; a BaseException, so that its own `except Exception` does not go on."""


@contextmanager
def contained(seconds: float | None = None) -> Iterator[None]:
    """Let custom code neither print to standard output, end the process, nor take longer than so many seconds.

    It does nothing in workers and checks, which are separate processes with limits.
    """
    if parent_process() is not None:
        yield
        return
    exit_at_once = os._exit
    os._exit = _refuse_exit
    try:
        with redirect_stdout(sys.stderr), _limited(CALL_SECONDS if seconds is None else seconds):
            yield
    finally:
        os._exit = exit_at_once


def _refuse_exit(status: int) -> NoReturn:
    """Take the place of `os._exit`: custom code must not decide the exit code of the command."""
    raise SystemExit(f"the file ends the process with exit code {status}")


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise `TooSlowError` after so many seconds, on systems with timers and in the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TooSlowError(f"takes longer than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def process_kept() -> Iterator[None]:
    """Undo what a file changes while it is loaded: current folder, umask, signal handlers, streams, recursion limit.

    A copy of this process that it forks ends where the file does.
    """
    process, folder, umask, handlers = os.getpid(), _current_folder(), os.umask(0o077), _signal_handlers()
    os.umask(umask)
    depth = sys.getrecursionlimit()
    try:
        with redirect_stdout(sys.stdout), redirect_stderr(sys.stderr):
            yield
    finally:
        if os.getpid() != process:
            os._exit(1)
        os.umask(umask)
        sys.setrecursionlimit(depth)
        if folder and folder != _current_folder():
            os.chdir(folder)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _current_folder() -> Path | None:
    """The current folder; None if it has been removed."""
    with suppress(OSError):
        return Path.cwd()
    return None


def _signal_handlers() -> dict[int, Any]:
    """The handlers that Python knows and this thread may set again."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    known = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {number: handler for number, handler in known.items() if handler is not None}


def shared_by_trials() -> dict[str, object]:
    """What of torch every trial uses: settings, and its functions by name; empty where torch is not imported."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    spaces = {"torch": torch, "torch.nn.functional": torch.nn.functional, "torch.Tensor": torch.Tensor}
    functions = {
        f"{place}.{name}": value
        for place, space in spaces.items()
        for name, value in vars(space).items()
        if isinstance(value, NATIVE) or (place == "torch.nn.functional" and callable(value))
    }
    with catch_warnings():
        simplefilter("ignore")  # torch 2.9 calls its own functions deprecated
        precision = torch.get_float32_matmul_precision()
    return functions | {
        "the default dtype": torch.get_default_dtype(),
        "the default device": str(torch.get_default_device()),
        "gradients": torch.is_grad_enabled(),
        "anomaly detection": torch.is_anomaly_enabled(),
        "the precision of float32 products": precision,
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "denormal numbers": bool(torch.full((1,), 1e-40, dtype=torch.float32, device="cpu").mul(1).any()),
    }


def changed_for_trials(before: dict[str, object]) -> str:
    """What custom code has changed of what every trial uses, as a sentence; empty if nothing."""
    now = shared_by_trials()
    changed = [name for name, value in before.items() if now.get(name) is not value and now.get(name) != value]
    return f"changes what every trial uses: {', '.join(changed[:3])}" if changed else ""
