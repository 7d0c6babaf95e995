"""The options that several verbs share, and the decorators that add them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, get_type_hints

import typer

from actbench import errors
from actbench.cli import completion
from actbench.text import listed

P = ParamSpec("P")
Options = TypeVar("Options")


def argument(metavar: str, help_text: str, complete: Callable[[str], list[str]] = completion.result_folders) -> Any:
    """A path as an argument; `readable=False`, since the code that reads it has the better message."""
    return typer.Argument(metavar=metavar, help=help_text, show_default=False, autocompletion=complete, readable=False)


def _files(name: str, ending: str, help_text: str) -> Any:
    return typer.Option(name, metavar="FILE", help=help_text, autocompletion=completion.files(ending), readable=False)


Config = Annotated[
    Path,
    argument(
        "CONFIG", "An experiment file (YAML), or a bundled experiment, such as quickstart.", completion.experiments
    ),
]
Folder = Annotated[Path | None, argument("FOLDER", "A result folder; the latest under results/ when left out.")]
NamedFolder = Annotated[Path, argument("FOLDER", "A result folder.")]
Folders = Annotated[list[Path] | None, argument("FOLDER", "Result folders; the latest when left out.")]
CustomFilePath = Annotated[
    Path, argument("FILE", "A Python file that adds entries to the catalogue; it is run.", completion.files(".py"))
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a setting, as in train.epochs=3; repeatable.",
        autocompletion=completion.settings,
    ),
]
CustomFiles = Annotated[
    list[Path] | None,
    _files("--use", ".py", "Run a Python file that adds custom functions to the catalogue; repeatable."),
]
DataFile = Annotated[
    Path | None,
    _files("--use-data", ".npz", "Take the images from arrays x_train, y_train, x_test, y_test of a .npz file."),
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
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")]
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
        "--shard", metavar="I/N", help="Train only the I-th of N shares, in its own folder; then `actbench merge`."
    ),
]
GateUndecided = Annotated[
    Literal["exit", "pass", "fail"], typer.Option(help="Exit code of --gate where something is undecided: 5, 0 or 1.")
]
GateReports = Annotated[
    list[Path] | None,
    typer.Option(
        "--gate-report",
        metavar="FILE",
        help="Write the gate as JUnit (.xml) or for GitLab (.json); repeatable.",
        dir_okay=False,
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Add all columns and all notes.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
Baseline = Annotated[
    str | None,
    typer.Option(
        metavar="ARM|FOLDER",
        help="The arm to compare with (relu, or model.activation=relu), or a folder.",
        autocompletion=completion.arms,
    ),
]
MetricName = Annotated[
    str | None,
    typer.Option(help="Any recorded metric; without it, the primary one.", autocompletion=completion.metrics),
]
SharedRate = Annotated[
    bool, typer.Option("--shared-lr", help="Give verdicts although no learning rate was tuned for each arm.")
]
TableOrJson = Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")]
ComparisonFormat = Annotated[
    Literal["table", "markdown", "csv", "json", "latex"], typer.Option("--format", help="How to print it.")
]
FigureFormat = Annotated[Literal["svg", "png", "pdf"], typer.Option(help="The format of --figures.")]
ReportFormat = Annotated[
    Literal["table", "markdown", "json", "latex"], typer.Option("--format", help="How to print it.")
]


def require_owner(owner: str, is_given: object, options: Mapping[str, object]) -> None:
    """Raise `ConfigurationError` for an option that does nothing without its owner; one that is false was not given."""
    stray = [name for name, value in options.items() if value and not is_given]
    if stray:
        raise errors.ConfigurationError(f"{stray[0]} goes with {owner}")


def require_one(options: Mapping[str, object]) -> None:
    """Raise `ConfigurationError` where more than one of these options is given."""
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise errors.ConfigurationError(f"{listed(given)}: give one of them")


def require_gate(*, is_wanted: bool, undecided: str, reports: Sequence[Path] | None) -> None:
    """Raise `ConfigurationError` for options that need --gate, or a report that is neither .xml nor .json."""
    require_owner("--gate", is_wanted, {"--gate-report": reports, "--gate-undecided": undecided != "exit"})
    for file in reports or ():
        if file.suffix not in (".xml", ".json"):
            raise errors.ConfigurationError(
                f"--gate-report {file}: expected a name that ends in .xml (JUnit) or .json (GitLab)"
            )


def with_options(options_class: type[Options]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a verb an option for every field of a dataclass; the verb takes them as its argument `options`."""
    hints = get_type_hints(options_class, include_extras=True)
    added = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(options_class)  # type: ignore[arg-type]  # a dataclass by contract
    ]

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def gathering(*arguments: Any, **options: Any) -> None:
            fields = {parameter.name: options.pop(parameter.name) for parameter in added}
            function(*arguments, options=options_class(**fields), **options)

        return _with_parameters(gathering, function, added, replaced="options")

    return decorate


def _with_parameters(
    wrapper: Callable[P, None],
    function: Callable[..., None],
    added: Sequence[inspect.Parameter],
    replaced: str | None = None,
) -> Callable[P, None]:
    """The wrapper with the function's signature, as typer reads it: one parameter replaced by, or others added."""
    signature = inspect.signature(function, eval_str=True)
    kept = [parameter for parameter in signature.parameters.values() if parameter.name != replaced]
    parameters = sorted([*kept, *added], key=lambda parameter: parameter.kind)
    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _with_context(
    name: str, annotation: Any, enter: Callable[[Any], contextlib.AbstractContextManager[object]]
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A decorator that gives a verb an option; the verb runs in the context that its value enters."""

    def decorate(function: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(function)
        def within(*arguments: P.args, **options: P.kwargs) -> None:
            given = options.pop(name, None)
            with enter(given) if given else contextlib.nullcontext():
                function(*arguments, **options)

        added = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        return _with_parameters(within, function, [added])

    return decorate


@contextlib.contextmanager
def _custom_files(paths: Sequence[Path]) -> Iterator[None]:
    """Add the files' entries to the catalogue; after an unexpected error check them, since a refusal explains it."""
    from actbench.catalogue.custom_files import custom_files_in_use, mistakes_told

    with custom_files_in_use(paths) as files:
        try:
            with mistakes_told(files):
                yield
        except (errors.ExpectedError, OSError, typer.Exit):
            raise
        except Exception:
            from actbench.checks.examination import require_passed
            from actbench.experiment.choices import choices_from

            require_passed(choice for file in files for choice in choices_from(file.origin()))
            raise


def _own_data(path: Path) -> contextlib.AbstractContextManager[object]:
    from actbench.catalogue.arrays import own_data_in_use

    return own_data_in_use(path)


with_custom_files = _with_context("use", CustomFiles, _custom_files)
with_own_data = _with_context("use_data", DataFile, _own_data)
