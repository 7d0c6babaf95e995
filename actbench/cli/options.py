"""The options that verbs share, and how a verb ends: one message and an exit code for everything expected."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, ParamSpec

import typer

from actbench import errors
from actbench.cli.completion import experiments, python_files, result_folders
from actbench.cli.completion_values import arms, metrics, settings
from actbench.cli.interruption import Interrupted
from actbench.text import say, visible

if TYPE_CHECKING:
    from actbench.catalogue.custom_files import CustomFile

P = ParamSpec("P")


EXIT_CODES = (
    ("0", "done"),
    (f"{errors.EXIT_CHECK_FAILED}", "a check failed: under --gate, of verify, or of check"),
    (f"{errors.EXIT_USAGE}", "usage or configuration: nothing was started"),
    (f"{errors.EXIT_TRIALS_FAILED}", "finished, but some trials failed; or not finished: --max-time was over"),
    (f"{errors.EXIT_ENVIRONMENT}", "environment: data, disk, device, or a folder in use"),
    (f"{errors.EXIT_INTERRUPTED}, {errors.EXIT_TERMINATED}", "interrupted (Ctrl-C, SIGTERM): finished trials are kept"),
)

# `readable=False`: whoever reads a file says what is wrong with it; typer would call it a mistake in usage.
Config = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="An experiment file (YAML), or the name of one that comes along, such as quickstart.",
        show_default=False,
        autocompletion=experiments,
        readable=False,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER",
        help="A result folder; the latest under results/ when left out.",
        show_default=False,
        autocompletion=result_folders,
        readable=False,
    ),
]
NamedFolder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        help="A result folder.",
        show_default=False,
        autocompletion=result_folders,
        readable=False,
    ),
]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FOLDER",
        help="Result folders; the latest when left out.",
        show_default=False,
        autocompletion=result_folders,
        readable=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, as in train.epochs=3; repeatable.",
        autocompletion=settings,
    ),
]
CustomFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--use",
        metavar="FILE",
        help="Run a Python file that adds custom functions to the catalogue; repeatable.",
        autocompletion=python_files,
        readable=False,
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Where datasets are kept (else ACTBENCH_DATA, else the user's cache).", readable=False
    ),
]
ResultsRoot = Annotated[
    Path, typer.Option("--results", help="The folder that holds the result folders.", readable=False)
]
Smoke = Annotated[
    bool,
    typer.Option(
        "--smoke", help="Tiny subset: 512 training images (a sixth for validation), 256 test images, 1 epoch, 2 seeds."
    ),
]
Jobs = Annotated[str, typer.Option(metavar="auto|N", help="Worker processes on the CPU; auto: one for each core.")]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="I/N", help="Train only the I-th of N shares, in a folder of its own; then `actbench merge`."
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="ARM|FOLDER",
        help="The arm to compare with (relu, or model.activation=relu), or a folder.",
        autocompletion=arms,
    ),
]
MetricName = Annotated[
    str,
    typer.Option(help="A recorded metric, such as test_accuracy or layer1.dead_share.", autocompletion=metrics),
]
SharedRate = Annotated[
    bool, typer.Option("--shared-lr", help="Give verdicts although no learning rate was tuned for each arm.")
]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")]
ComparisonFormat = Annotated[
    Literal["table", "markdown", "csv", "json", "latex"], typer.Option("--format", help="How to print it.")
]
ReportFormat = Annotated[
    Literal["table", "markdown", "json", "latex"], typer.Option("--format", help="How to print it.")
]
FigureFormat = Annotated[Literal["svg", "png", "pdf"], typer.Option(help="What --figures draws.")]
HtmlFile = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page instead of printing.")
]
OpenPage = Annotated[bool, typer.Option("--open", help="Open the page of --html in the browser.")]
FiguresFolder = Annotated[
    Path | None, typer.Option("--figures", metavar="DIR", help="Save every picture as a file of its own.")
]


def with_custom_files(function: Callable[P, None]) -> Callable[P, None]:
    """Give a verb the option `--use`; what its files add is in the catalogue while the verb works."""

    @functools.wraps(function)
    def loading(*arguments: P.args, **options: P.kwargs) -> None:
        paths = options.pop("use", None)
        if not isinstance(paths, list) or not paths:
            function(*arguments, **options)
            return
        from actbench.catalogue.custom_files import custom_files_in_use, mistakes_told

        with custom_files_in_use(paths) as files, _refusals_told(files), mistakes_told(files):
            function(*arguments, **options)

    signature = inspect.signature(function, eval_str=True)
    use = inspect.Parameter("use", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=CustomFiles)
    loading.__signature__ = signature.replace(parameters=[*signature.parameters.values(), use])  # type: ignore[attr-defined]
    loading.__annotations__ = {**function.__annotations__, "use": CustomFiles}
    return loading


@contextlib.contextmanager
def _refusals_told(files: Sequence[CustomFile]) -> Iterator[None]:
    """Where something fails that nobody expects, ask of the custom functions in use whether they are what they say."""
    try:
        yield
    except (errors.ExpectedError, OSError, typer.Exit):
        raise
    except Exception:
        from actbench.checks.examination import require_passed
        from actbench.experiment.choices import choices_from

        require_passed(choice for file in files for choice in choices_from(file.origin()))
        raise


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Turn expected errors into one message and their exit code; a reader who has left (`| head`) is no error."""

    @functools.wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> None:
        _write_what_the_encoding_lacks_as_escapes()
        try:
            with _new_processes_import_nothing_from_here():
                function(*arguments, **options)
            sys.stdout.flush()
        except KeyboardInterrupt as interruption:
            say(str(interruption) or "Interrupted.")
            code = interruption.exit_code if isinstance(interruption, Interrupted) else errors.EXIT_INTERRUPTED
            raise typer.Exit(code) from None
        except errors.ExpectedError as problem:
            say(*f"actbench: {problem}".split("\n"))
            raise typer.Exit(problem.exit_code) from None
        except ImportError as broken:
            say(f"actbench: {errors.unusable_library('a library', broken)}")
            raise typer.Exit(errors.EXIT_ENVIRONMENT) from None
        except OSError as problem:
            raise typer.Exit(say_what_failed(problem)) from None

    return guarded


def say_what_failed(problem: OSError) -> int:
    """Say which file cannot be used, or that nothing can be printed; the exit code, 0 where a reader has left."""
    if problem.filename is not None:
        say(f"actbench: {errors.unusable_file(problem)}")
        return errors.EXIT_ENVIRONMENT
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(problem, BrokenPipeError):
        return 0
    say(f"actbench: the output cannot be written ({problem.strerror})")
    return errors.EXIT_ENVIRONMENT


@contextlib.contextmanager
def _new_processes_import_nothing_from_here() -> Iterator[None]:
    """Keep Python's workers from looking for modules in the current folder, which may be a stranger's."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTHONSAFEPATH"]
        if before is not None:
            os.environ["PYTHONSAFEPATH"] = before


def _write_what_the_encoding_lacks_as_escapes() -> None:
    r"""Let standard output write what ASCII or a Windows code page cannot as `\u2265`, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def farewell() -> str:
    """What an interrupted run says: the command that continues it."""
    return visible(f"Interrupted; every finished stack is kept. Continue with: {command_that_continues()}")


def command_that_continues() -> str:
    """What to type to go on with what has been begun."""
    return shlex.join(["actbench", *(argument for argument in sys.argv[1:] if argument != "--fresh")])
