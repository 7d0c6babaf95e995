"""`actbench` and `python -m actbench`: Ctrl-C ends the program with one line, even while it is being imported."""

from __future__ import annotations

import os
import signal
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
    """Run the command line."""
    _open_standard_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from actbench.cli.app import main as run_command_line

    run_command_line()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: nothing has been started that would have to be undone."""
    os.write(2, b"Interrupted.\n")
    os._exit(130)


if __name__ == "__main__":
    main()
