"""A disk that fails: one call among all those that touch a folder, or that one and all after it."""

from __future__ import annotations

import errno
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

Kind = Literal["open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "chmod", "listdir"]
Mode = Literal["once", "from then on", "after a part"]

BY_PATH: dict[Kind, str] = {
    kind: kind for kind in ("replace", "rename", "mkdir", "unlink", "chmod", "listdir")
}  # fmt: skip
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT)


@dataclass(frozen=True)
class Fault:
    """What fails: the calls of a kind from the `number`-th on, or only this one, counted from 1."""

    kind: Kind
    number: int
    mode: Mode = "once"

    def error(self) -> int:
        """Each in its turn."""
        return ERRORS[self.number % len(ERRORS)]

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error()]} at {self.kind} {self.number}, {self.mode}"


@dataclass
class Disk:
    """The calls that have touched the folder, and the fault that waits for one of them."""

    folder: Path
    fault: Fault | None
    calls: Counter[str] = field(default_factory=Counter)
    descriptors: set[int] = field(default_factory=set)

    def holds(self, path: Any, options: Mapping[str, Any]) -> bool:
        """Whether a path lies in the folder, or is it, or is reached through it or a folder in it."""
        if options.get("dir_fd", options.get("src_dir_fd")) in self.descriptors:
            return True
        if not isinstance(path, str | os.PathLike):
            return False
        return Path(os.path.abspath(path)).is_relative_to(self.folder)  # noqa: PTH100 (resolve would touch the disk)

    def touch(self, kind: Kind, path: Any = None) -> bool:
        """Count a call; raise where it fails. Whether it is to fail after a part."""
        self.calls[kind] += 1
        fault = self.fault
        if fault is None or fault.kind != kind or self.calls[kind] < fault.number:
            return False
        if fault.mode == "after a part" and self.calls[kind] == fault.number:
            return True
        if fault.mode == "once" and self.calls[kind] > fault.number:
            return False
        names = () if path is None else (os.fspath(path),)
        raise OSError(fault.error(), os.strerror(fault.error()), *names)


@contextmanager
def failing(folder: Path, fault: Fault | None) -> Iterator[Disk]:
    """Let calls on files below the folder fail; nothing really waits for the disk meanwhile."""
    disk = Disk(Path(os.path.abspath(folder)), fault)  # noqa: PTH100
    with pytest.MonkeyPatch.context() as patch:
        for kind, name in BY_PATH.items():
            patch.setattr(os, name, _by_path(disk, kind, getattr(os, name)))
        patch.setattr(os, "open", _opening(disk, os.open, lambda descriptor: descriptor))
        patch.setattr(io, "open", _opening(disk, io.open, lambda file: file.fileno()))
        patch.setattr(os, "write", _writing(disk, os.write))
        patch.setattr(os, "fsync", lambda descriptor: disk.touch("fsync"))
        yield disk


def _by_path(disk: Disk, kind: Kind, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        if disk.holds(path, options):
            disk.touch(kind, path)
        return real(path, *arguments, **options)

    return call


def _opening(disk: Disk, real: Callable[..., Any], descriptor_of: Callable[[Any], int]) -> Callable[..., Any]:
    def call(path: Any, *arguments: Any, **options: Any) -> Any:
        is_ours = disk.holds(path, options)
        if is_ours:
            disk.touch("open", path)
        opened = real(path, *arguments, **options)
        if is_ours:
            disk.descriptors.add(descriptor_of(opened))
        else:
            disk.descriptors.discard(descriptor_of(opened))
        return opened

    return call


def _writing(disk: Disk, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    def call(descriptor: int, payload: Any) -> int:
        if descriptor not in disk.descriptors:
            return real(descriptor, payload)
        is_part = disk.touch("write")
        return real(descriptor, memoryview(payload)[: max(1, len(payload) // 2)] if is_part else payload)

    return call
