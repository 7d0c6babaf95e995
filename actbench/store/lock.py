"""The lock of a result folder: one process writes there, and others can see that it does."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.store.files import HeldFolder, hold

LOCK = ".lock"
TEMPORARY = re.compile(r"\.[\w.-]+\.(csv|json|jsonl|log|md|npz|yaml)-[a-z0-9_]{8}")
LOOK_SECONDS = 0.2  # a reader may seem to hold the lock for this long
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


class _InUseError(Exception):
    """Another process has the lock."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[HeldFolder]:
    """Create the folder, hold it open and keep other processes out; raises `UnusableEnvironmentError` if it cannot.

    Whatever goes wrong with the folder or its disk while it is locked is raised as `UnusableEnvironmentError` too, and
    so is its being removed, renamed or replaced, at the latest when it is unlocked.
    """
    held = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder) as held, _exclusively(held):
            for path in leftovers(folder):
                held.file(path.name).remove()
            yield held
            held.require_in_place()
    except _InUseError:
        raise UnusableEnvironmentError(
            f"{folder}: another actbench is running in this folder; wait for it or choose another --results"
        ) from None
    except (OSError, ConfigurationError) as problem:
        if held is not None:
            held.require_in_place()
        raise UnusableEnvironmentError(_what_stopped(folder, problem)) from None


@contextlib.contextmanager
def _exclusively(held: HeldFolder) -> Iterator[None]:
    """Lock the folder itself; on systems without folder locks, a file in it.

    A lock file can be deleted unnoticed; a folder cannot.
    """
    if held.descriptor is not None and _flock(held.descriptor):
        yield  # until the descriptor is closed
        return
    from filelock import FileLock, Timeout

    lock = FileLock(held.path / LOCK, timeout=LOOK_SECONDS, poll_interval=LOOK_SECONDS / 10)
    try:
        lock.acquire()
    except Timeout:
        raise _InUseError from None
    except NotImplementedError:
        raise OSError(errno.ENOLCK, "the file system has no locks", str(held.path)) from None
    try:
        yield
    finally:
        lock.release()


def _flock(descriptor: int) -> bool:
    """Lock what is open; False where the system cannot. A reader that looks for a moment is waited for."""
    import fcntl

    end = time.monotonic() + LOOK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise _InUseError from None
            time.sleep(LOOK_SECONDS / 10)
        except OSError:
            return False
        else:
            return True


def _what_stopped(folder: Path, problem: Exception) -> str:
    if not isinstance(problem, OSError):
        return str(problem)
    reason = problem.strerror or type(problem).__name__
    cure = "make room, or mend the disk: " if problem.errno in DISK_TROUBLE else ""
    return (
        f"{problem.filename2 or problem.filename or folder}: cannot be written ({reason}); {cure}what was finished is "
        "kept, and the same command continues from there"
    )


def leftovers(folder: Path) -> list[Path]:
    """Temporary files of killed runs in the folder."""
    return sorted(path for path in folder.iterdir() if TEMPORARY.fullmatch(path.name))


def is_locked(folder: Path) -> bool:
    """Whether a process works in the folder; with flock, looking creates and changes nothing."""
    if os.name != "posix":
        return _is_locked_by_trying(folder)
    return _is_flocked(folder) or _is_flocked(folder / LOCK)


def _is_flocked(path: Path) -> bool:
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW * (path.name == LOCK) | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
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
