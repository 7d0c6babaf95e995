"""Expected errors: one message each (what, where, why, what next) and the exit code that goes with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from actbench.text import did_you_mean, visible

Found = TypeVar("Found")

EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_TRIALS_FAILED = 3
EXIT_ENVIRONMENT = 4
EXIT_UNDECIDED = 5
EXIT_HUNG_UP = 129
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
MAX_NAMED_FILE_BYTES = 1_000_000


class ExpectedError(Exception):
    """An error that users can cause and fix; the message is all they see."""

    exit_code = EXIT_USAGE


class ConfigurationError(ExpectedError):
    """A mistake in an experiment file, an option or a name; nothing was started."""

    exit_code = EXIT_USAGE


class UnusableEnvironmentError(ExpectedError):
    """The environment prevents the run: data, disk, device or a locked folder."""

    exit_code = EXIT_ENVIRONMENT


def unusable_file(problem: OSError) -> UnusableEnvironmentError:
    """The error for a file or folder that cannot be read or written."""
    return UnusableEnvironmentError(f"{problem.filename2 or problem.filename}: cannot be used ({problem.strerror})")


def unusable_library(name: str, problem: Exception) -> UnusableEnvironmentError:
    """The error for a library whose import raises an exception."""
    cause = f"{type(problem).__name__}: {problem}".splitlines()[0]
    return UnusableEnvironmentError(f"cannot import {name} ({cause}). Run `actbench doctor`.")


def all_found(lookups: Iterable[Callable[[], Found]]) -> list[Found]:
    """The results of all lookups; raises one `ConfigurationError` with the mistakes of all."""
    found, mistakes = [], []
    for lookup in lookups:
        try:
            found.append(lookup())
        except ConfigurationError as mistake:
            mistakes.append(str(mistake))
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return found


@contextmanager
def reading_named_file(path: Path, *endings: str) -> Iterator[None]:
    """Raise `ConfigurationError` where a file that the user names is absent, with the nearest, or cannot be read."""
    try:
        yield
    except FileNotFoundError:
        near = [other.name for other in path.parent.glob("*") if other.suffix in endings]
        raise ConfigurationError(visible(f"{path}: no such file{did_you_mean(path.name, near)}")) from None
    except OSError as problem:
        raise ConfigurationError(visible(f"{path}: cannot be read ({problem.strerror or problem})")) from None


def read_named_file(path: Path, what: str, *endings: str) -> bytes:
    """The bytes of a short file that the user names, which should be `what`; raises `ConfigurationError`."""
    with reading_named_file(path, *endings):
        if path.is_dir():
            raise ConfigurationError(visible(f"{path}: expected {what}, found a folder"))
        with path.open("rb") as file:
            content = file.read(MAX_NAMED_FILE_BYTES + 1)
    if len(content) > MAX_NAMED_FILE_BYTES:
        raise ConfigurationError(visible(f"{path}:1:1: expected at most {MAX_NAMED_FILE_BYTES:,} bytes"))
    return content
