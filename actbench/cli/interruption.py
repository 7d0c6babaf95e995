"""Ctrl-C, SIGTERM and SIGHUP: the first unwinds what is running, the second ends the process at once."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import _exit as exit_process  # which stays what it is while custom code runs
from types import FrameType
from typing import NoReturn

from actbench.errors import EXIT_HUNG_UP, EXIT_INTERRUPTED, EXIT_TERMINATED
from actbench.text import visible

SIGNAL_EXIT_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
if sys.platform != "win32":
    SIGNAL_EXIT_CODES[signal.SIGHUP] = EXIT_HUNG_UP  # what a terminal sends that is closed
SHOW_CURSOR = b"\x1b[?25h"
FAREWELL = "Interrupted."


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM or SIGHUP, with the last line to print and the exit code."""

    def __init__(self, farewell: str, exit_code: int) -> None:
        super().__init__(farewell)
        self.exit_code = exit_code


class Interruption:
    """Whether one of these signals has come; `farewell` is the last line, printed even if nothing is unwound."""

    def __init__(self, farewell: str) -> None:
        self.farewell = farewell
        self.exit_code: int | None = None
        self._is_held = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Raise `Interrupted` at the first signal; end the process at the second."""
        exit_code = SIGNAL_EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None:
            with suppress(OSError):
                os.write(2, (SHOW_CURSOR if sys.stderr.isatty() else b"") + f"\n{self.farewell}\n".encode())
            end_at_once(exit_code)
        self.exit_code = exit_code
        if not self._is_held:
            self.check()

    def check(self) -> None:
        """Raise `Interrupted` if there was a signal."""
        if self.exit_code is not None:
            raise Interrupted(self.farewell, self.exit_code)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay the first signal until this is done."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        self.check()


def end_at_once(exit_code: int) -> NoReturn:
    """End the process without unwinding, which takes long after torch; workers end with their parent."""
    if "actbench.processes" in sys.modules:  # else there are none, and it would take long to import
        from actbench.processes import end_server

        end_server()
    exit_process(exit_code)


@contextmanager
def interruptible(farewell: str) -> Iterator[Interruption]:
    """Handle these signals as an `Interruption` while this lasts, and after one until the process ends.

    Under nohup, which has SIGHUP ignored, it stays ignored.

    Raises `Interrupted` after a signal, whatever else came of it: libraries that are being imported swallow what a
    signal raises, or turn it into another error.
    """
    interruption = Interruption(farewell)
    before = {
        number: signal.signal(number, interruption.handle)
        for number in SIGNAL_EXIT_CODES
        if number in (signal.SIGINT, signal.SIGTERM) or signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield interruption
        interruption.check()
    except Interrupted:
        raise
    except BaseException:
        interruption.check()
        raise
    finally:
        if interruption.exit_code is None:
            for number, handler in before.items():
                signal.signal(number, handler)


def farewell(done: int | None = None, total: int = 0) -> str:
    """The last line of an interrupted run: how many trials are kept, if that is known, and how to continue."""
    kept = "every finished trial is kept" if done is None else f"{done:,} of {total:,} trials kept"
    return visible(f"Interrupted; {kept}. Continue with: {repeated_command()}")


def repeated_command() -> str:
    """The command to type to continue this run; without `--fresh`, which would start it anew."""
    return shlex.join(["actbench", *(argument for argument in sys.argv[1:] if argument != "--fresh")])
