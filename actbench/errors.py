"""Expected errors: one message each (what, where, why, what next) and the exit code that goes with it."""

from __future__ import annotations

EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_TRIALS_FAILED = 3
EXIT_ENVIRONMENT = 4
EXIT_UNDECIDED = 5
EXIT_HUNG_UP = 129
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


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
