"""How a verb ends: errors and signals become one message and an exit code, never a traceback."""

from __future__ import annotations

import functools
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import _exit as exit_process  # which stays what it is while custom code runs
from pathlib import Path
from types import FrameType
from typing import NoReturn, ParamSpec

import typer

from actbench import errors
from actbench.text import counted, say, visible

P = ParamSpec("P")

PLACE = re.compile(r"(.+\.ya?ml):(\d+):(\d+): ")
MAX_SHOWN, MAX_SOURCE, MAX_COLUMN, MAX_LINE = 20, 76, 60, 400
EXIT_CODES = (
    ("0", "done"),
    (f"{errors.EXIT_CHECK_FAILED}", "a check failed: --gate, verify or check"),
    (f"{errors.EXIT_USAGE}", "usage or configuration: nothing was started"),
    (f"{errors.EXIT_TRIALS_FAILED}", "finished, but trials failed or are unusable; or --max-time ran out"),
    (f"{errors.EXIT_ENVIRONMENT}", "environment: data, disk, device or a locked folder"),
    (f"{errors.EXIT_UNDECIDED}", "undecided under --gate"),
    (f"{errors.EXIT_INTERRUPTED}", "interrupted (Ctrl-C): finished trials are kept"),
    (f"{errors.EXIT_TERMINATED}, {errors.EXIT_HUNG_UP}", "the same by SIGTERM, or by a terminal that was closed"),
)
SIGNAL_EXIT_CODES = {signal.SIGINT: errors.EXIT_INTERRUPTED, signal.SIGTERM: errors.EXIT_TERMINATED}
if sys.platform != "win32":
    SIGNAL_EXIT_CODES[signal.SIGHUP] = errors.EXIT_HUNG_UP  # what a terminal sends that is closed
SHOW_CURSOR = b"\x1b[?25h"
FAREWELL = "Interrupted."
TRAINING = {"run", "challenge"}


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
    kept = "every finished trial is kept" if done is None else f"{done:,} of {counted(total, 'trial')} kept"
    return visible(f"Interrupted; {kept}. Continue with: {repeated_command()}")


def repeated_command(without: Sequence[str] = ("--fresh",)) -> str:
    """The command to type to continue this run; without `--fresh`, which would start it anew, or other options."""
    return shlex.join(["actbench", *(argument for argument in sys.argv[1:] if argument not in without)])


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into one message and their exit code; a closed pipe (`| head`) is no error."""
    is_training = function.__name__ in TRAINING

    @functools.wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is printed as `\\u2265`
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with interruptible(farewell() if is_training else FAREWELL):
                function(*arguments, **options)
            sys.stdout.flush()
        except KeyboardInterrupt as interruption:
            say(str(interruption) or FAREWELL)
            code = interruption.exit_code if isinstance(interruption, Interrupted) else errors.EXIT_INTERRUPTED
            raise typer.Exit(code) from None
        except errors.ExpectedError as problem:
            say(*with_source_lines(f"actbench: {problem}".split("\n")))
            raise typer.Exit(problem.exit_code) from None
        except ImportError as broken:
            say(f"actbench: {errors.unusable_library('a library', broken)}")
            raise typer.Exit(errors.EXIT_ENVIRONMENT) from None
        except OSError as problem:
            raise typer.Exit(report_file_error(problem)) from None

    return guarded


def with_source_lines(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a message; below each `file:line:column: ...` of an experiment file that line, with a caret."""
    texts: dict[str, list[str]] = {}
    for number, line in enumerate(lines):
        yield line
        place = PLACE.match(line.removeprefix("actbench: "))
        if place is None or number >= MAX_SHOWN:
            continue
        name, row, column = place[1], int(place[2]), int(place[3])
        if name not in texts:
            texts[name] = _lines_of(Path(name))
        source = texts[name][row - 1] if 0 < row <= len(texts[name]) else ""
        if source.isprintable() and 0 < len(source) <= MAX_LINE:
            begin = max(0, column - MAX_COLUMN)
            yield f"    {source[begin : begin + MAX_SOURCE]}"
            yield f"    {' ' * (column - 1 - begin)}^"


def _lines_of(file: Path) -> list[str]:
    """The lines of a file that is short enough for an experiment; none if it cannot be read."""
    try:
        return errors.read_named_file(file, "an experiment file").decode("utf-8-sig").splitlines()
    except (errors.ConfigurationError, UnicodeDecodeError):
        return []


def report_file_error(problem: OSError) -> int:
    """Say which file cannot be used, or that the output cannot be written; the exit code, 0 for a closed pipe."""
    if problem.filename is not None:
        say(f"actbench: {errors.unusable_file(problem)}")
        return errors.EXIT_ENVIRONMENT
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(problem, BrokenPipeError):
        return 0
    say(f"actbench: the output cannot be written ({problem.strerror})")
    return errors.EXIT_ENVIRONMENT
