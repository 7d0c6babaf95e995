"""The command line, built from its verbs."""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from actbench import errors
from actbench.cli.catalogue import check, data, fetch, list_catalogue, show
from actbench.cli.completion import join_completion_words
from actbench.cli.experiments import init, plan, schema, summary, validate
from actbench.cli.guard import EXIT_CODES, FAREWELL, TRAINING, report_file_error, verb
from actbench.cli.results import compare, export, predictions, report, verify
from actbench.cli.runs import challenge, doctor, merge, run, status
from actbench.cli.usage import requested_help, unknown_words
from actbench.text import drop_what_was_not_said, say
from actbench.version import __version__

PURPOSE = "Compare activations, initialisers, losses and output functions of MLPs on MNIST, with paired statistics."
MAX_WIDTH = 80
SILENT_OPTIONS = {"-h", "--help", "--dry-run", "--smoke", "-q", "--quiet"}
# Thousands of records, or torch's modules, are many objects without cycles, which the garbage collector would visit
# again and again.
COLLECTED_AFTER = (500_000, 10, 1000)
COMPLETION_VARIABLE = "_ACTBENCH_COMPLETE"
FIRST_STEPS = (
    ("actbench init", "write starter.yaml, an experiment with comments"),
    ("actbench run starter.yaml", "train it, compare its arms, judge its claims"),
)


@dataclass(frozen=True)
class Verb:
    """A verb of the command line: its name, function, short description, and arguments of commands to copy."""

    name: str
    function: Callable[..., None]
    short: str
    arguments: Sequence[str]

    @property
    def examples(self) -> list[str]:
        """The commands."""
        return [f"actbench {self.name} {words}".rstrip() for words in self.arguments]


# In the order of verbs.json, which is that of work.
FUNCTIONS: tuple[Callable[..., None], ...] = (
    doctor, data, list_catalogue, show, check, init, schema, validate, summary, plan, run, challenge, merge, status,
    compare, report, predictions, export, verify, fetch,
)  # fmt: skip
_TEXTS = json.loads(Path(__file__).with_name("verbs.json").read_text(encoding="utf-8"))
*VERBS, FETCH = (
    Verb(name, verb(function), **texts) for function, (name, texts) in zip(FUNCTIONS, _TEXTS.items(), strict=True)
)


app = typer.Typer(
    name="actbench",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(rich_markup_mode=None)


def _help(verb: Verb) -> str:
    """The help text of a verb: its sentence, then commands to copy, which are not wrapped."""
    return _with_examples(inspect.getdoc(verb.function) or verb.short, verb.examples)


def _with_examples(sentence: str, examples: Iterable[str]) -> str:
    return "\n".join([sentence, "", "\b", "Examples:", *(f"  {example}" for example in examples)])


def _print_version(is_given: bool) -> None:
    if is_given:
        print(f"actbench {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    help=_with_examples(PURPOSE, [command for command, _ in FIRST_STEPS]),
    epilog="\n".join(["\b", "Exit codes:", *(f"  {codes:<10}{meaning}" for codes, meaning in EXIT_CODES)]),
)
def _without_a_verb(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 (its callback has printed it)
        bool,
        typer.Option("--version", "-V", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(welcome())


for listed in VERBS:
    if listed.name == "data":
        app.add_typer(data_app, name=listed.name, help=_help(listed), short_help=listed.short)
    else:
        app.command(listed.name, help=_help(listed), short_help=listed.short)(listed.function)
data_app.callback(invoke_without_command=True)(verb(data))
data_app.command("fetch", help=_help(FETCH), short_help=FETCH.short)(FETCH.function)


def welcome() -> str:
    """The first screen: the purpose, two commands that run, and the verbs in the order of work."""
    lines = [*textwrap.wrap(PURPOSE, MAX_WIDTH), ""]
    lines += [f"  {command:<28}{what}" for command, what in FIRST_STEPS]
    lines += [f"  {verb.name:<13}{verb.short}" for verb in VERBS]
    return "\n".join([*lines, "Examples of a verb: actbench run -h    Exit codes and completion: actbench -h"])


def program() -> Any:
    """The whole command line as typer builds it, its verbs in the order of work if typer lets them be sorted."""
    group: Any = typer.main.get_command(app)
    with contextlib.suppress(AttributeError, KeyError):
        group.commands = {verb.name: group.commands[verb.name] for verb in VERBS}
    return group


def main() -> None:
    """Run the command line; raises `SystemExit` with its exit code."""
    gc.set_threshold(*COLLECTED_AFTER)
    gc.enable()
    os.environ["PYTHONSAFEPATH"] = "1"  # workers import no module of the current folder, which may be someone else's
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # starting threads takes half of numpy's import; none is used
    try:
        _run_program()
    except KeyboardInterrupt:
        say(FAREWELL)
        sys.exit(errors.EXIT_INTERRUPTED)


def _run_program() -> None:
    """Run the command line, also where standard output or error has been closed or cannot be written.

    An answer to a closed output is an error like one to a full disk, unless a run has left it in its folder too;
    messages are dropped.
    """
    null = os.devnull
    with Path(null).open("w", encoding="utf-8") as nowhere, os.fdopen(os.open(null, os.O_RDONLY), "w") as refusing:
        sys.stdout = sys.stdout or (nowhere if _trains(sys.argv[1:]) else refusing)
        sys.stderr = sys.stderr or nowhere
        try:
            _run_words(sys.argv[1:])
        except OSError as problem:
            sys.exit(report_file_error(problem))
        finally:
            drop_what_was_not_said()


def _trains(words: list[str]) -> bool:
    """Whether a command leaves its answer in a folder too."""
    return bool(TRAINING.intersection(words[:1])) and not {"--dry-run", "--help", "-h"}.intersection(words)


def _run_words(words: list[str]) -> None:
    """Run a command line and flush standard output."""
    if COMPLETION_VARIABLE in os.environ:
        sys.modules["rich"] = None  # type: ignore[assignment]  # typer does without it, and is then in time
        join_completion_words(os.environ)
    group = program()
    arguments = requested_help(group, words) or words
    if unknown := unknown_words(group, arguments):
        say(f"actbench: {unknown[0]}", *unknown[1:])
        sys.exit(errors.EXIT_USAGE)
    if COMPLETION_VARIABLE not in os.environ and is_training(arguments):
        say(f"actbench {__version__}: {shlex.join(arguments)}")
    try:
        group(arguments, prog_name="actbench")
    finally:
        sys.stdout.flush()


def is_training(words: Sequence[str]) -> bool:
    """Whether a command line trains: then a line is printed before its libraries are imported."""
    return words[:1] == ["run"] and not SILENT_OPTIONS & set(words)
