"""Misspelt verbs, options and values of a command line: all of them at once, before anything is started.

Typer names one mistake at a time. What is read here from its commands may change with its version: whatever is missing
there is left to typer.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

from actbench.text import did_you_mean, nearest_or_all

PROGRAM = "actbench"
HELP_OPTIONS = ("-h", "--help")
HELP_VERB = "help"
SETTINGS_OF_FILES = ("seeds", "tuning_seeds", "margin", "name", "baseline")
OTHER_NAMES = {"learning_rate": "lr", "batch": "batch_size", "optimiser": "optimizer"}


def requested_help(command: Any, arguments: Sequence[str]) -> list[str] | None:
    """The command line of the help that `help run`, or an `-h` anywhere in a command line, asks for; else None."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if words[:1] == [HELP_VERB]:
        return [*words[1:], HELP_OPTIONS[-1]]
    if not set(HELP_OPTIONS) & set(words):
        return None
    verbs: list[str] = []
    commands = _commands(command)
    for word in words:
        if word in commands:
            verbs.append(word)
            commands = _commands(commands[word])
        elif not verbs and not word.startswith("-"):
            return None
    return [*verbs, HELP_OPTIONS[-1]]


def _commands(command: Any) -> Mapping[str, Any]:
    """The verbs of a group of verbs; none of a single verb."""
    return getattr(command, "commands", None) or {}


def unknown_words(command: Any, arguments: Sequence[str], name: str = PROGRAM) -> list[str]:
    """A sentence for every empty word, and with the nearest names for every unknown verb, option and name of one."""
    try:
        return [*_empty_words(arguments), *_unknown_words(command, list(arguments), name)]
    except AttributeError:  # another version of typer, which finds the mistake itself
        return []


def _empty_words(words: Sequence[str]) -> Iterator[str]:
    """No option and no argument takes an empty text, which as a path would be the current folder."""
    for before, word in pairwise(["", *words]):
        option, equals, value = word.partition("=")
        if not word or (option.startswith("--") and equals and not value):
            where = option or (before if before.startswith("-") else "an argument")
            yield f"{where}: expected a value, found an empty text (of a variable that is not set?)"


def _unknown_words(command: Any, words: list[str], name: str) -> Iterator[str]:
    options, commands = _options(command), _commands(command)
    is_after_unknown = False
    while words:
        word = words.pop(0)
        if word == "--":
            return
        if word.startswith("-") and word != "-":
            unknown, mistakes = _read_option(word, words, options)
            if unknown:
                is_after_unknown = True
                hint = _as_setting(word, words) if "--set" in options else ""
                yield f"no option of {name} is called {unknown!r}{hint or nearest_or_all(unknown, options)}"
            yield from mistakes
        elif word in commands:
            yield from _unknown_words(commands[word], words, f"{name} {word}")
            return
        elif commands and not is_after_unknown:  # else it may be the value of the unknown option
            of_verb = "" if name == PROGRAM else f" of {name}"
            yield f"no verb{of_verb} is called {word!r}{nearest_or_all(word, commands)}"
            return


def _as_setting(word: str, following: Sequence[str]) -> str:
    """`; settings are changed by --set train.lr=0.01`, where the option is the name of a setting; else empty."""
    from actbench.experiment.definition import SECTIONS

    option, equals, value = word.partition("=")
    name = option.lstrip("-").replace("-", "_")
    name = OTHER_NAMES.get(name, name)
    paths = [f"{section}.{field}" for section, model in SECTIONS.items() for field in model.model_fields]
    known = (known for known in (*SETTINGS_OF_FILES, *paths) if name in (known, known.rpartition(".")[2]))
    path = next(known, "")
    if not equals and following and not following[0].startswith("--"):
        value = following[0]
    setting = shlex.quote(f"{path}={value or '...'}")
    return f"; settings are changed by --set {setting}" if path else ""


def _read_option(word: str, words: list[str], options: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The unknown option in a word such as `--set=a=b` or `-qv`, and wrong values; takes values off `words`.

    Options of one letter take none.
    """
    option, equals, value = word.partition("=")
    if option in options:
        count = _value_count(options[option])
        values = [value] if equals else words[:count]
        del words[: 0 if equals else count]
        return None, [*_wrong_names(option, options[option], values)]
    if word.startswith("--"):
        return option, []
    return next((f"-{letter}" for letter in word[1:] if f"-{letter}" not in options), None), []


def _value_count(parameter: Any) -> int:
    """How many words an option takes as its value; None stands for -h."""
    return 0 if parameter is None or parameter.is_flag or parameter.count else parameter.nargs


def _wrong_names(option: str, parameter: Any, values: Sequence[str]) -> Iterator[str]:
    """Values of an option that takes only some names."""
    annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    names = get_args(annotation) if get_origin(annotation) is Literal else ()
    known = " or ".join([", ".join(names[:-1]), *names[-1:]])
    for value in values if names else ():
        if value not in names:
            yield f"{option} takes {known}, not {value!r}{did_you_mean(value, names)}"


def _options(command: Any) -> dict[str, Any]:
    """The options of a verb by their names; raises `AttributeError` if typer no longer says what they take."""
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    by_name = {name: one for one in options for name in (*one.opts, *one.secondary_opts)}
    return by_name | dict.fromkeys(HELP_OPTIONS)
