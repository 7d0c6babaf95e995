"""`actbench` and `python -m actbench`: a signal ends the program with one line, even while it is being imported."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _open_standard_streams() -> None:
    """Put the null device where a standard stream is closed, so that no file of ours or of a worker takes it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def main() -> None:
    """Run the command line; then end without Python's shutdown, which is slow after torch and waits for threads."""
    gc.disable()  # until the command line has been imported
    _open_standard_streams()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP; nohup and a shell's & leave signals ignored
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    from actbench.cli.app import main as run_command_line
    from actbench.cli.guard import end_at_once

    code: object = None
    try:
        run_command_line()
    except SystemExit as ending:
        code = ending.code
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    end_at_once(code if isinstance(code, int) else 1 if code else 0)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: nothing has been started that would have to be undone."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, b"Interrupted.\n")
    os._exit(128 + number)


if __name__ == "__main__":
    main()
