"""Atomic writes and fsynced appends, through the descriptor of a folder that is held open."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from actbench.errors import UnusableEnvironmentError

DEVICES = Path("/dev")
MAX_JSON_BYTES = 16 * 1024 * 1024
END_BYTES = 64
EMPTY = (0, b"")

FileEnd = tuple[int, bytes]
"""The length of a file and its last bytes, which tell whether something else has written to it."""


class FolderChangedError(UnusableEnvironmentError):
    """Something else has changed a result folder while it was written."""


def require_regular_file(path: Path) -> None:
    """Raise `OSError` where a path leads to a pipe or a device, which can be read or written for ever."""
    with contextlib.suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(errno.EINVAL, "Neither a file nor a folder", str(path))


def refuse_device(path: Path) -> None:
    """Raise `OSError` where a file would take the place of a pipe or a device, or of a link like /dev/stdout."""
    require_regular_file(path)
    if path.absolute().parent == DEVICES:
        raise OSError(errno.EINVAL, "A device is not replaced by a file", str(path))


@contextlib.contextmanager
def writing(what: Path | str) -> Iterator[None]:
    """Raise `UnusableEnvironmentError` that this cannot be written in place of an `OSError`."""
    try:
        yield
    except OSError as problem:
        raise UnusableEnvironmentError(f"{what}: cannot be written ({problem.strerror})") from None


@dataclass(frozen=True)
class Target:
    """A file to be written, reached through the descriptor of its folder if that is held open, else by its path."""

    path: Path
    folder: int | None = None

    def open(self, flags: int, name: str = "") -> int:
        """A descriptor of the file, or of one of another name beside it; a link is not followed."""
        with self.named_in_errors():
            flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not block
            return os.open(self._reached(name or self.path.name), flags, 0o666, dir_fd=self.folder)

    def replace_by(self, name: str) -> None:
        """Replace the file by the one of this name beside it."""
        with self.named_in_errors():
            new, old = self._reached(name), self._reached(self.path.name)
            os.replace(new, old, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def remove(self, name: str = "") -> None:
        """Remove the file, or one of another name beside it, if it exists."""
        with self.named_in_errors(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._reached(name or self.path.name), dir_fd=self.folder)

    def _reached(self, name: str) -> Path | str:
        return self.path.with_name(name) if self.folder is None else name

    @contextlib.contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Errors name the file by its whole path."""
        try:
            yield
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, str(self.path)) from None


@dataclass(frozen=True)
class HeldFolder:
    """A folder that is kept open: nothing is written elsewhere when another folder or a link takes its path.

    `identity` is its device and its number there; `descriptor` is None where the system opens files by path only.
    """

    path: Path
    identity: tuple[int, int]
    descriptor: int | None = None

    def file(self, name: str) -> Target:
        """One of its files, to be written; raises as `require_in_place`."""
        self.require_in_place()
        return Target(self.path / name, self.descriptor)

    def require_in_place(self) -> None:
        """Raise `FolderChangedError` where the path leads to another folder by now, or nowhere."""
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise FolderChangedError(
                f"{self.path}: removed or renamed while actbench was writing there; put it back, and the same command "
                "continues with its contents"
            ) from None
        if (status.st_dev, status.st_ino) != self.identity:
            raise FolderChangedError(
                f"{self.path}: another folder or a link took its place while actbench was writing there, and nothing "
                "was written to that one; put the folder back, and the same command continues with its contents"
            )


Folder = Path | HeldFolder


def file_in(folder: Folder, name: str) -> Target:
    """A file of a folder, to be written; raises `FolderChangedError` where a held one is no longer at its path."""
    return folder.file(name) if isinstance(folder, HeldFolder) else Target(folder / name)


def path_of(folder: Folder) -> Path:
    """Where a folder is read."""
    return folder.path if isinstance(folder, HeldFolder) else folder


@contextlib.contextmanager
def hold(folder: Path, *, follows_links: bool = True, inside: HeldFolder | None = None) -> Iterator[HeldFolder]:
    """Keep a folder open, on systems that can reach files through it.

    One `inside` a held folder is made if it is not there, and is not reached through a link.
    """
    if inside is not None:
        make_inside(inside, folder.name)
    if os.open not in os.supports_dir_fd:
        status = folder.stat()
        yield HeldFolder(folder, (status.st_dev, status.st_ino))
        return
    name, within = (folder, None) if inside is None else (folder.name, inside.descriptor)
    flags = 0 if follows_links and inside is None else os.O_NOFOLLOW
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | flags, dir_fd=within)
    try:
        status = os.fstat(descriptor)
        yield HeldFolder(folder, (status.st_dev, status.st_ino), descriptor)
    finally:
        os.close(descriptor)


def make_inside(held: HeldFolder, name: str) -> None:
    """Make a folder in a held one, if it is not there."""
    held.require_in_place()
    with contextlib.suppress(FileExistsError):
        os.mkdir(name if held.descriptor is not None else held.path / name, dir_fd=held.descriptor)


def write_atomically(path: Path | Target, text: str) -> None:
    """Replace a file by new contents, all or nothing."""
    replace_file(path, [text.encode()])


def replace_file(path: Path | Target, chunks: Iterable[bytes], *, waits_for_disk: bool = True) -> None:
    """Replace a file by the chunks one after another, all or nothing; on disk when this returns, if it is to wait."""
    target = path if isinstance(path, Target) else Target(path)
    temporary = f".{target.path.name}-{secrets.token_hex(4)}"
    descriptor = target.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), temporary)
    try:
        try:
            for chunk in chunks:
                _write(descriptor, chunk)
            if waits_for_disk:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        target.replace_by(temporary)
    except BaseException:
        with contextlib.suppress(OSError):
            target.remove(temporary)
        raise
    if waits_for_disk:
        _sync_folder(target)


def append_lines(
    path: Path | Target, lines: Iterable[bytes], *, waits_for_disk: bool = True, end: FileEnd | None = None
) -> FileEnd:
    """Add whole lines to the end of a file, all of them or none; on disk when this returns, if it is to wait for that.

    A last line that was cut short is ended first, so that it damages none of these. Links are not followed.
    Returns how the file then ends. Given how it ended before, raises `FolderChangedError` where it does not any more.
    """
    target = path if isinstance(path, Target) else Target(path)
    descriptor, is_new = _open_to_append(target, creates=end in (None, EMPTY))
    try:
        size, last = now = _end(descriptor)
        if end is not None and now != end:
            raise changed_file(target.path)
        try:
            chunks = [b"\n"] if last and not last.endswith(b"\n") else []
            for chunk in chain(chunks, lines):
                _write(descriptor, chunk)
                now = now[0] + len(chunk), (now[1] + chunk)[-END_BYTES:]
            if waits_for_disk:
                os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if is_new and waits_for_disk:
        _sync_folder(target)
    return now


def _open_to_append(target: Target, *, creates: bool) -> tuple[int, bool]:
    """A descriptor of a regular file, which is made if it may be, and whether it was."""
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        descriptor, is_new = target.open(flags), False
    except FileNotFoundError:
        if not creates:
            raise changed_file(target.path) from None
        descriptor, is_new = target.open(flags | os.O_CREAT), True
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Neither a file nor a folder", str(target.path))
    return descriptor, is_new


def end_of(target: Target) -> FileEnd:
    """How a file ends; an absent one ends like an empty one."""
    try:
        descriptor = target.open(os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return EMPTY
    try:
        return _end(descriptor)
    finally:
        os.close(descriptor)


def _end(descriptor: int) -> FileEnd:
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - END_BYTES), os.SEEK_SET)
    return size, os.read(descriptor, END_BYTES)


def changed_file(path: Path) -> FolderChangedError:
    """The error for a file that something else has changed meanwhile."""
    return FolderChangedError(
        f"{path}: removed, replaced or changed while actbench was writing to it; put it back, or let the same command "
        "train again what is missing"
    )


def _write(descriptor: int, payload: bytes) -> None:
    """Write everything; a disk that is full after a part of it raises an error at the next part."""
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(target: Target) -> None:
    """Sync the folder's entries, on systems that can; the contents of files are synced before."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        if target.folder is not None:
            os.fsync(target.folder)
            return
        descriptor = os.open(target.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_mapping(target: Target, content: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> None:
    """Write a mapping as JSON that `read_mapping` reads, with earlier ones if there are any."""
    whole = {**content, **({"earlier": earlier} if earlier else {})}
    write_atomically(target, json.dumps(whole, indent=2) + "\n")


def read_mapping(path: Path, is_valid: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """A mapping from a JSON file, with its list `earlier` of others; empty if it is absent or `is_valid` refuses it.

    Raises `UnusableEnvironmentError` if the file exists and cannot be read.
    """
    try:
        require_regular_file(path)
        with path.open("rb") as file:
            content = from_json(file.read(MAX_JSON_BYTES), allow_inf_nan=False)
    except (FileNotFoundError, ValueError):
        return {}
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be read ({problem.strerror})") from None
    if not isinstance(content, dict):
        return {}
    earlier = content.pop("earlier", [])
    if not is_valid(content):
        return {}
    candidates = earlier if isinstance(earlier, list) else []
    kept = [item for item in candidates if isinstance(item, dict) and "earlier" not in item and is_valid(item)]
    return content | ({"earlier": kept} if kept else {})
