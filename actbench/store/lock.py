"""The lock of a result folder: one process writes there, and others can see that it does."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from actbench.errors import ConfigurationError, UnusableEnvironmentError

LOCK = ".lock"
TEMPORARY = re.compile(r"\.[\w.-]+\.(csv|json|jsonl|log|md|yaml)-[a-z0-9_]{8}")
LOOK_SECONDS = 0.2  # a reader may seem to hold the lock for this long
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder and keep other processes out; raises `UnusableEnvironmentError` where that cannot be.

    Whatever goes wrong with the folder or its disk while it is locked is raised as `UnusableEnvironmentError` too.
    """
    from filelock import FileLock, Timeout

    was_there = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        was_there = True
        with FileLock(folder / LOCK, timeout=LOOK_SECONDS, poll_interval=LOOK_SECONDS / 10):
            for path in leftovers(folder):
                path.unlink(missing_ok=True)
            yield
    except Timeout:
        raise UnusableEnvironmentError(
            f"{folder}: another actbench is running in this folder; wait for it or choose another --results"
        ) from None
    except (OSError, ConfigurationError) as problem:
        if was_there and not folder.is_dir():
            raise UnusableEnvironmentError(
                f"{folder}: removed or renamed while actbench was writing there; put it back, and the same command "
                "goes on with what is in it"
            ) from None
        raise UnusableEnvironmentError(_what_stopped(folder, problem)) from None


def _what_stopped(folder: Path, problem: Exception) -> str:
    if not isinstance(problem, OSError):
        return str(problem)
    reason = problem.strerror or type(problem).__name__
    cure = "make room, or mend the disk: " if problem.errno in DISK_TROUBLE else ""
    return (
        f"{problem.filename2 or problem.filename or folder}: cannot be written ({reason}); {cure}what was finished is "
        "kept, and the same command goes on from there"
    )


def leftovers(folder: Path) -> list[Path]:
    """Temporary files that a killed run has left in the folder."""
    return sorted(path for path in folder.iterdir() if TEMPORARY.fullmatch(path.name))


def is_locked(folder: Path) -> bool:
    """Whether a process is at work in the folder; nothing is created or changed by looking, where there is flock."""
    if os.name != "posix":
        return _is_locked_by_trying(folder)
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks tells nobody's
        return False
    finally:
        os.close(descriptor)
    return False


def _is_locked_by_trying(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    if not (folder / LOCK).exists():
        return False
    try:
        FileLock(folder / LOCK, timeout=0).acquire().lock.release()
    except Timeout:
        return True
    return False
