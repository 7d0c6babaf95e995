"""The program on a terminal of a given width, driven by keys, and what somebody sees there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect
import pyte

ROWS = 60
PATIENCE_SECONDS = 120  # for a machine that is busy with something else
ABOUT_TERMINALS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CI", "GITHUB_ACTIONS")


class Terminal:
    """A command line of actbench that has a terminal to itself."""

    def __init__(self, program: Sequence[str | Path], arguments: Sequence[str], folder: Path, columns: int) -> None:
        self.screen = pyte.Screen(columns, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        variables = {name: value for name, value in os.environ.items() if name not in ABOUT_TERMINALS}
        self.running = pexpect.spawn(
            sys.executable, [*map(str, program), *arguments], cwd=str(folder), dimensions=(ROWS, columns),
            env=variables | {"TERM": "xterm-256color"}, timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    def rows(self) -> list[str]:
        """The lines on the screen, without blanks behind them."""
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """Everything on the screen as one line; words that the terminal broke at its edge are whole again."""
        return " ".join("".join(self.screen.display).split())

    def wait_for(self, is_seen: Callable[[str], object]) -> str:
        """Wait until the screen shows something; the text that does."""
        while not is_seen(self.text()):
            self.stream.feed(self.running.read_nonblocking(65536, timeout=PATIENCE_SECONDS))
        return self.text()

    def wait_for_end(self) -> int:
        """Wait until the program has ended; its exit code."""
        try:
            while True:
                self.stream.feed(self.running.read_nonblocking(65536, timeout=PATIENCE_SECONDS))
        except pexpect.EOF:
            self.running.close()
        assert self.running.exitstatus is not None, self.text()
        return int(self.running.exitstatus)

    def press_control_c(self) -> None:
        """Interrupt what runs in the foreground, its worker processes included."""
        self.running.sendintr()
