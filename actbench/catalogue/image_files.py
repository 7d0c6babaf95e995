"""Published image files, read from foreign folders: their digests, which are pinned, tell what is in them."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actbench.errors import UnusableEnvironmentError
from actbench.lazy import NDArray, numpy

MAX_BYTES = 1024 * 1024 * 1024
UNSIGNED_BYTES, INTEGERS = ">u1", ">i4"


def read_idx(path: Path, md5: str, shape: tuple[int, ...], kind: str = UNSIGNED_BYTES) -> NDArray[Any]:
    """The array of one packed IDX file; raises `UnusableEnvironmentError` where it does not have this MD5 digest."""
    return _unpack_idx(_read(path, md5), shape, kind)


def read_idx_members(
    path: Path, md5: str, members: Sequence[tuple[str, tuple[int, ...]]]
) -> list[NDArray[numpy.uint8]]:
    """The arrays of packed IDX files, each with its shape, in a zip archive that has this MD5 digest.

    Raises `UnusableEnvironmentError` where it does not have it.
    """
    with zipfile.ZipFile(io.BytesIO(_read(path, md5))) as archive:
        return [_unpack_idx(archive.read(name), shape, UNSIGNED_BYTES) for name, shape in members]


def read_labelled_lines(path: Path, md5: str) -> tuple[NDArray[numpy.float32], NDArray[numpy.int64]]:
    """Values and labels of a bzip2 file in LIBSVM's format with all features in each line: `label 1:value 2:value`.

    Raises `UnusableEnvironmentError` where it does not have this MD5 digest.
    """
    rows = numpy.loadtxt(io.BytesIO(bz2.decompress(_read(path, md5)).replace(b":", b" ")))
    return rows[:, 2::2].astype(numpy.float32), rows[:, 0].astype(numpy.int64)


def _unpack_idx(packed: bytes, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    """Behind the header: its kind, and the size of each dimension."""
    return numpy.frombuffer(gzip.decompress(packed), kind, offset=4 + 4 * len(shape)).reshape(shape)


def _read(path: Path, md5: str) -> bytes:
    """The bytes of a regular file that has this digest: read once, so that what is used is what was compared."""
    try:
        found = path.stat()  # before it is opened, since a pipe would be waited for
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "not a file")
        if found.st_size > MAX_BYTES:
            raise UnusableEnvironmentError(
                f"{path}: far larger than the dataset's own file; replace it by the original"
            )
        with path.open("rb") as file:
            contents = file.read(found.st_size)
    except OSError as problem:
        raise UnusableEnvironmentError(
            f"{path}: cannot be read ({problem.strerror}); `actbench data fetch` downloads it"
        ) from None
    digest = hashlib.md5(contents, usedforsecurity=False).hexdigest()
    if digest != md5:
        raise UnusableEnvironmentError(
            f"{path}: truncated or changed ({len(contents):,} bytes, MD5 {digest}, expected {md5}); "
            "delete it and run `actbench data fetch`, or copy the original file there"
        )
    return contents
