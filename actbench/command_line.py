"""The options that verbs share, and how a verb ends: one message and an exit code for everything expected."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NoReturn, ParamSpec

import typer

from actbench import errors

P = ParamSpec("P")

Config = Annotated[Path, typer.Argument(help="An experiment file (YAML).", show_default=False)]
Folder = Annotated[
    Path | None, typer.Argument(help="A result folder; the latest under results/ when left out.", show_default=False)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting, as in train.epochs=3; repeatable."),
]
DataFolder = Annotated[
    Path | None, typer.Option("--data-dir", help="Where datasets are kept (else ACTBENCH_DATA, else the user's cache).")
]
ResultsRoot = Annotated[Path, typer.Option("--results", help="The folder that holds the result folders.")]
Smoke = Annotated[
    bool,
    typer.Option(
        "--smoke", help="Tiny subset: 512 training images (a sixth for validation), 256 test images, 1 epoch, 2 seeds."
    ),
]
Jobs = Annotated[str, typer.Option(metavar="auto|N", help="Worker processes on the CPU; auto: one for each core.")]
Baseline = Annotated[
    str | None,
    typer.Option(metavar="ARM|FOLDER", help="The arm to compare with (relu, or model.activation=relu), or a folder."),
]
MetricName = Annotated[str, typer.Option(help="A recorded metric, such as test_accuracy or layer1.dead_share.")]
SharedRate = Annotated[
    bool, typer.Option("--shared-lr", help="Give verdicts although no learning rate was tuned for each arm.")
]
TableFormat = Literal["table", "markdown", "csv", "json", "latex"]
ReportFormat = Literal["table", "markdown", "latex"]
FigureFormat = Literal["svg", "png", "pdf"]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page instead of printing.")
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open the page of --html in the browser.")]
FiguresFolder = Annotated[
    Path | None, typer.Option("--figures", metavar="DIR", help="Save every picture as a file of its own.")
]


class Terminated(KeyboardInterrupt):
    """SIGTERM, unwound as Ctrl-C is."""


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into one message and their exit code; a reader who has left (`| head`) is no error."""

    @functools.wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            function(*arguments, **options)
            sys.stdout.flush()
        except errors.ExpectedError as problem:
            say(f"actbench: {problem}")
            raise typer.Exit(problem.exit_code) from None
        except OSError as problem:
            if problem.filename is not None:
                say(f"actbench: {problem.filename}: cannot be used ({problem.strerror})")
                raise typer.Exit(errors.EXIT_ENVIRONMENT) from None
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(problem, BrokenPipeError):
                raise typer.Exit() from None
            say(f"actbench: the output cannot be written ({problem.strerror})")
            raise typer.Exit(errors.EXIT_ENVIRONMENT) from None

    return guarded


def say(line: str) -> None:
    """Tell the user something beside the results; nobody listening is no error."""
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


def parse_jobs(text: str) -> int | None:
    """The number of worker processes that `--jobs` names; None for `auto`."""
    if text == "auto":
        return None
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1024:
        return int(text)
    raise errors.ConfigurationError(f"--jobs {text}: expected auto or a whole number from 1 to 1024")


def raise_terminated(_signal_number: int, _frame: object) -> NoReturn:
    """Unwind on SIGTERM as on Ctrl-C."""
    raise Terminated


def stop_interrupted(interruption: KeyboardInterrupt) -> NoReturn:
    """End with the command that continues and the exit code of the signal."""
    again = shlex.join(["actbench", *(argument for argument in sys.argv[1:] if argument != "--fresh")])
    say(f"Interrupted; every finished stack is kept. Continue with: {again}")
    raise typer.Exit(errors.EXIT_TERMINATED if isinstance(interruption, Terminated) else errors.EXIT_INTERRUPTED)
