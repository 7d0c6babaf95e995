"""Words of a command line that mean nothing, all of them at once, before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol


class Command(Protocol):
    """What typer knows of a verb: its parameters; a group of verbs has `commands` besides."""

    @property
    def params(self) -> Sequence[Any]:
        """Options and arguments as typer keeps them."""


PROGRAM = "actbench"
HELP_OPTIONS = ("-h", "--help")


def unknown_words(command: Command, arguments: Sequence[str], name: str = PROGRAM) -> list[str]:
    """A sentence with the nearest names for every unknown verb and option of a command line."""
    return list(_unknown_words(command, list(arguments), name))


def _unknown_words(command: Command, words: list[str], name: str) -> Iterator[str]:
    options = _value_counts(command)
    commands: dict[str, Command] | None = getattr(command, "commands", None)
    is_after_unknown = False
    while words:
        word = words.pop(0)
        if word == "--":
            return
        if word.startswith("-") and word != "-":
            unknown = _unknown_option(word, words, options)
            if unknown:
                is_after_unknown = True
                yield f"no option of {name} is called {unknown!r}{_nearest(unknown, options)}"
        elif commands is not None and word in commands:
            yield from _unknown_words(commands[word], words, f"{name} {word}")
            return
        elif commands is not None and not is_after_unknown:  # else it may be the value of the option that is not known
            yield f"no verb{'' if name == PROGRAM else f' of {name}'} is called {word!r}{_nearest(word, commands)}"
            return


def _unknown_option(word: str, words: list[str], options: Mapping[str, int]) -> str | None:
    """What is no option in a word such as `--set`, `--set=a=b` or `-qv`; takes the values of known ones off `words`."""
    option, equals, _ = word.partition("=")
    if option in options:
        del words[: 0 if equals else options[option]]
        return None
    if word.startswith("--"):
        return option
    for position, letter in enumerate(word[1:], start=2):
        if f"-{letter}" not in options:
            return f"-{letter}"
        if values := options[f"-{letter}"]:
            del words[: 0 if position < len(word) else values]
            return None
    return None


def _value_counts(command: Command) -> dict[str, int]:
    """The options of a verb, and how many words each takes as its value."""
    counts: dict[str, int] = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            is_flag = getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
            names = (*parameter.opts, *parameter.secondary_opts)
            counts |= dict.fromkeys(names, 0 if is_flag else parameter.nargs)
    return counts | dict.fromkeys(HELP_OPTIONS, 0)


def _nearest(wrong: str, known: Iterable[str]) -> str:
    from actbench.catalogue.registry import did_you_mean

    return did_you_mean(wrong, known) or f"; known here: {', '.join(known)}"
