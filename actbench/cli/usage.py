"""Words of a command line that mean nothing, all of them at once, before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, get_origin


class Command(Protocol):
    """What typer knows of a verb: its parameters; a group of verbs has `commands` besides."""

    @property
    def params(self) -> Sequence[Any]:
        """Options and arguments as typer keeps them."""


PROGRAM = "actbench"
HELP_OPTIONS = ("-h", "--help")
HELP_VERB = "help"


@dataclass(frozen=True)
class _Option:
    """How many words an option takes as its value, and the names it takes, where it takes only those."""

    value_count: int
    names: tuple[str, ...] = ()


def help_wanted(command: Command, arguments: Sequence[str]) -> list[str] | None:
    """The command line of the help that is asked for, by `help run` or by an `-h` among whatever else; else None."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    if words[:1] == [HELP_VERB]:
        return [*words[1:], HELP_OPTIONS[-1]]
    if not set(HELP_OPTIONS) & set(words):
        return None
    verbs: list[str] = []
    commands = getattr(command, "commands", {})
    for word in words:
        if word in commands:
            verbs.append(word)
            commands = getattr(commands[word], "commands", {})
        elif not verbs and not word.startswith("-"):
            return None
    return [*verbs, HELP_OPTIONS[-1]]


def unknown_words(command: Command, arguments: Sequence[str], name: str = PROGRAM) -> list[str]:
    """A sentence with the nearest names for every unknown verb, option and name given to an option."""
    return list(_unknown_words(command, list(arguments), name))


def _unknown_words(command: Command, words: list[str], name: str) -> Iterator[str]:
    options = _options(command)
    commands: dict[str, Command] | None = getattr(command, "commands", None)
    is_after_unknown = False
    while words:
        word = words.pop(0)
        if word == "--":
            return
        if word.startswith("-") and word != "-":
            unknown, values = _taken_apart(word, words, options)
            if unknown:
                is_after_unknown = True
                yield f"no option of {name} is called {unknown!r}{_nearest(unknown, options)}"
            yield from values
        elif commands is not None and word in commands:
            yield from _unknown_words(commands[word], words, f"{name} {word}")
            return
        elif commands is not None and not is_after_unknown:  # else it may be the value of the option that is not known
            yield f"no verb{'' if name == PROGRAM else f' of {name}'} is called {word!r}{_nearest(word, commands)}"
            return


def _taken_apart(word: str, words: list[str], options: Mapping[str, _Option]) -> tuple[str | None, list[str]]:
    """What is no option in a word such as `--set`, `--set=a=b` or `-qv`, and what is wrong with the option's value.

    Takes the values of known options off `words`.
    """
    option, equals, value = word.partition("=")
    if option in options:
        values = [value] if equals else words[: options[option].value_count]
        del words[: 0 if equals else options[option].value_count]
        return None, [*_wrong_names(option, options[option].names, values)]
    if word.startswith("--"):
        return option, []
    for position, letter in enumerate(word[1:], start=2):
        if f"-{letter}" not in options:
            return f"-{letter}", []
        if count := options[f"-{letter}"].value_count:
            del words[: 0 if position < len(word) else count]
            return None, []
    return None, []


def _wrong_names(option: str, names: Sequence[str], values: Sequence[str]) -> Iterator[str]:
    known = " or ".join([", ".join(names[:-1]), *names[-1:]])
    for value in values if names else ():
        if value not in names:
            yield f"{option} takes {known}, not {value!r}{_near(value, names)}"


def _options(command: Command) -> dict[str, _Option]:
    """The options of a verb by their names."""
    options: dict[str, _Option] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            is_flag = getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
            annotation = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
            names = get_args(annotation) if get_origin(annotation) is Literal else ()
            option = _Option(0 if is_flag else parameter.nargs, names)
            options |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), option)
    return options | dict.fromkeys(HELP_OPTIONS, _Option(0))


def _near(wrong: str, known: Iterable[str]) -> str:
    from actbench.text import did_you_mean

    return did_you_mean(wrong, known)


def _nearest(wrong: str, known: Iterable[str]) -> str:
    return _near(wrong, known) or f"; known here: {', '.join(known)}"
