"""Ctrl-C and SIGTERM: the first unwinds what is running, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, ParamSpec, TypeVar

from actbench.errors import EXIT_INTERRUPTED, EXIT_TERMINATED

P = ParamSpec("P")
R = TypeVar("R")

EXIT_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, with what is to be said of it and the exit code that goes with it."""

    def __init__(self, farewell: str, exit_code: int) -> None:
        super().__init__(farewell)
        self.exit_code = exit_code


class Interruption:
    """What has come of Ctrl-C and SIGTERM so far; `farewell` is for the user, also where there is no time to unwind."""

    def __init__(self, farewell: str) -> None:
        self.farewell = farewell
        self.exit_code: int | None = None
        self._is_held = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Raise `Interrupted` at the first signal; end the process at the second."""
        exit_code = EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None:
            with suppress(OSError):
                os.write(2, (SHOW_CURSOR if sys.stderr.isatty() else b"") + f"\n{self.farewell}\n".encode())
            end_at_once(exit_code)
        self.exit_code = exit_code
        if not self._is_held:
            self.check()

    def check(self) -> None:
        """Raise `Interrupted` where there was a signal."""
        if self.exit_code is not None:
            raise Interrupted(self.farewell, self.exit_code)

    def checked_before(self, function: Callable[P, R]) -> Callable[P, R]:
        """The function, checking first: Python drops what a signal raises while it cleans up an object."""

        def checking(*arguments: P.args, **options: P.kwargs) -> R:
            self.check()
            return function(*arguments, **options)

        return checking

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the first signal wait until this is done."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        self.check()


def end_at_once(exit_code: int) -> NoReturn:
    """End the process without unwinding or tidying up, which takes long after torch; workers end with their parent."""
    os._exit(exit_code)


@contextmanager
def interruptible(farewell: str) -> Iterator[Interruption]:
    """Handle Ctrl-C and SIGTERM as an `Interruption` while this lasts, and after the first until the process ends."""
    interruption = Interruption(farewell)
    before = {number: signal.signal(number, interruption.handle) for number in EXIT_CODES}
    try:
        yield interruption
    finally:
        if interruption.exit_code is None:
            for number, handler in before.items():
                signal.signal(number, handler)
