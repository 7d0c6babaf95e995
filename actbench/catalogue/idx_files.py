"""Files in the IDX format, read from foreign folders: nothing in them is trusted before it has been checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from actbench.errors import UnusableEnvironmentError
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
else:
    numpy = LazyModule("numpy")

MAX_FILE_BYTES = 64 * 1024 * 1024
UNSIGNED_BYTES = 8


def read_idx(path: Path, md5: str, shape: tuple[int, ...]) -> NDArray[numpy.uint8]:
    """The array `shape` of one packed IDX file (magic number, big-endian sizes, bytes) that has this MD5 digest.

    Never unpacks more than the shape takes; raises `UnusableEnvironmentError` on any other file.
    """
    packed = _read_packed(path)
    found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    if found != md5:
        raise UnusableEnvironmentError(
            f"{path}: truncated or changed ({len(packed):,} bytes, MD5 {found}, expected {md5}); "
            "delete it and run `actbench data fetch`, or copy the original file there"
        )
    header = bytes([0, 0, UNSIGNED_BYTES, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    expected_bytes = len(header) + math.prod(shape)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            raw = file.read(expected_bytes + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be unpacked ({problem})") from None
    if not raw.startswith(header) or len(raw) != expected_bytes:
        size = f"{len(raw):,} bytes" if len(raw) <= expected_bytes else f"more than {expected_bytes:,} bytes"
        raise UnusableEnvironmentError(
            f"{path}: expected an IDX file of {' x '.join(map(str, shape))} bytes ({header.hex()} and so on, "
            f"{expected_bytes:,} bytes in all), found {raw[: len(header)].hex() or 'nothing'} ({size})"
        )
    return numpy.frombuffer(raw, numpy.uint8, offset=len(header)).reshape(shape)


def _read_packed(path: Path) -> bytes:
    """The bytes of a regular file that is not far too large, and no more of them than it had when it was looked at."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "not a file")
        if found.st_size > MAX_FILE_BYTES:
            raise UnusableEnvironmentError(
                f"{path}: far larger than the dataset's own file; replace it by the original"
            )
        with path.open("rb") as file:
            return file.read(found.st_size)
    except OSError as problem:
        raise UnusableEnvironmentError(
            f"{path}: cannot be read ({problem.strerror}); `actbench data fetch` downloads it"
        ) from None
