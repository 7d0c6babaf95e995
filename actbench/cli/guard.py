"""How a verb ends: expected errors become one message and an exit code, never a traceback."""

from __future__ import annotations

import functools
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ParamSpec

import typer

from actbench import errors
from actbench.cli.interruption import FAREWELL, Interrupted, interruptible
from actbench.text import say

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


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into one message and their exit code; a closed pipe (`| head`) is no error."""

    @functools.wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding lacks is printed as `\\u2265`
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with interruptible(FAREWELL):
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
