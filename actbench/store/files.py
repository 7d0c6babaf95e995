"""Files on a disk that may be full, read-only or gone: what is written is whole, or was never there."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from actbench.errors import UnusableEnvironmentError

DEVICES = Path("/dev")
MAX_JSON_BYTES = 16 * 1024 * 1024


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


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by new contents, all or nothing."""
    replace_file(path, [text.encode()])


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace a file by the chunks one after another, all or nothing."""
    with tempfile.NamedTemporaryFile("wb", buffering=0, dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        temporary = Path(file.name)
        try:
            for chunk in chunks:
                _write(file.fileno(), chunk)
            os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def _umask() -> int:
    """The permissions that new files of this process lack, which can only be read by setting them."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def append_lines(path: Path, lines: Iterable[bytes], *, waits_for_disk: bool = True) -> None:
    """Add whole lines to the end of a file, all of them or none; on disk when this returns, if it is to wait for that.

    A last line that was cut short there is closed off first, so that it spoils none of these. A link is not followed.
    """
    is_new = not path.exists()
    require_regular_file(path)
    with open(path, "ab", buffering=0, opener=_open_no_link) as file:
        size = file.tell()
        try:
            if size and not _ends_a_line(path):
                _write(file.fileno(), b"\n")
            for line in lines:
                _write(file.fileno(), line)
            if waits_for_disk:
                os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), size)
            raise
    if is_new and waits_for_disk:
        _sync_folder(path.parent)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _write(descriptor: int, payload: bytes) -> None:
    """Write all of it; a disk that takes only a part says why when it is given the rest."""
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _sync_folder(folder: Path) -> None:
    """Have the folder's own entries on disk, where the system knows how; the contents of files are by then."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_mapping(path: Path, makes_sense: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """A mapping from a JSON file, with a list `earlier` of others where there are such; empty where it makes no sense.

    Raises `UnusableEnvironmentError` where the file is there and cannot be read.
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
    if not makes_sense(content):
        return {}
    found = earlier if isinstance(earlier, list) else []
    kept = [one for one in found if isinstance(one, dict) and "earlier" not in one and makes_sense(one)]
    return content | ({"earlier": kept} if kept else {})
