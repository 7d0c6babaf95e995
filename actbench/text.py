"""Text for people: safe to print, counted and listed; messages on standard error."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
MAX_CAUSE_LENGTH = 300


def visible(text: str) -> str:
    r"""The text with blanks as spaces, and control, direction and zero-width characters as `\x1b`, `\u202e`."""
    return text if text.isprintable() else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def listed(names: Sequence[str]) -> str:
    """`relu, swish and mish`; with semicolons, `lr=0.1, init=zeros; and lr=0.1, init=ones`, where names hold commas."""
    if not names:
        return ""
    *others, last = names
    comma, before_last = ("; ", "; and ") if any("," in name for name in names) else (", ", " and ")
    return f"{comma.join(others)}{before_last}{last}" if others else last


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """'; did you mean a, b or c?' for the nearest known names; empty if none is near."""
    near = difflib.get_close_matches(wrong.lower(), list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join([', '.join(near[:-1]), near[-1]] if near[1:] else near)}?" if near else ""


def nearest_or_all(wrong: str, known: Iterable[str]) -> str:
    """'; did you mean a?' for the nearest known names, or all of them as '; known here: a, b, c'."""
    names = list(known)
    return did_you_mean(wrong, names) or f"; known here: {', '.join(names) or 'none'}"


def say(*lines: str) -> None:
    """Print messages on standard error, with control characters escaped; errors in printing them are ignored."""
    with contextlib.suppress(OSError):
        print(*map(visible, lines), sep="\n", file=sys.stderr, flush=True)


@contextlib.contextmanager
def said_if_slow(line: str, seconds: float = 1.0) -> Iterator[None]:
    """Say on standard error what is being done if it takes longer than this."""
    timer = threading.Timer(seconds, say, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def drop_what_was_not_said() -> None:
    """Drop messages that could not be written: Python would try again at exit and change the exit code."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def clock(seconds: float) -> str:
    """`2:05`, or `1:02:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def counted(count: int, noun: str, *, in_words: bool = False) -> str:
    """`1 seed`, `13 seeds`; in words `one seed`, up to twelve."""
    number = NUMBERS[count] if in_words and count < len(NUMBERS) else f"{count:,}"
    return f"{number} {noun}{'s' * (count != 1)}"


def first_few(names: Sequence[str], most: int, noun: str = "") -> list[str]:
    """The first so many names, then how many others there are: `7 more`, or `7 more mistakes`."""
    rest = len(names) - most
    more = counted(rest, f"more {noun}") if noun else f"{rest:,} more"
    return [*names[:most], more] if rest > 0 else [*names]


def capitalised(text: str) -> str:
    """The text with its first letter as a capital, unless it begins with a name such as `test_accuracy` or `lr=0.1`."""
    return text if {"_", "="} & {*text.partition(" ")[0]} else text[:1].upper() + text[1:]


def describe_exception(error: BaseException) -> str:
    """`ValueError: no such value`, in one line of at most 300 characters that any encoding can hold.

    The exception may come from a custom function: its text may not be text, or fail.
    """
    try:
        text = str(error)
    except BaseException:
        text = "(its message cannot be read)"
    lines = f"{type(error).__name__}: {text}".splitlines()
    return visible(lines[0])[:MAX_CAUSE_LENGTH]
