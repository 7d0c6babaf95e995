"""Published image files, read from foreign folders: nothing in them is trusted before it has been checked."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import math
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from actbench.errors import UnusableEnvironmentError
from actbench.lazy import NDArray, numpy

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_ARCHIVE_BYTES = 1024 * 1024 * 1024
MAX_TEXT_BYTES = 128 * 1024 * 1024
UNSIGNED_BYTES, INTEGERS = 8, 12
TYPES = {UNSIGNED_BYTES: ("bytes", ">u1"), INTEGERS: ("integers", ">i4")}


def read_idx(path: Path, md5: str, shape: tuple[int, ...], kind: int = UNSIGNED_BYTES) -> NDArray[Any]:
    """The array of one packed IDX file that has this MD5 digest; never unpacks more than the shape takes.

    Raises `UnusableEnvironmentError` on any other file.
    """
    return _unpack_idx(path, _read_packed(path, md5), shape, kind)


def read_idx_members(
    path: Path, md5: str, members: Sequence[tuple[str, tuple[int, ...]]]
) -> list[NDArray[numpy.uint8]]:
    """The arrays of packed IDX files, each with its shape, in a zip archive that has this MD5 digest."""
    with _opened(path, MAX_ARCHIVE_BYTES) as (file, size):
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
        _require_digest(path, digest.hexdigest(), md5, size)
        try:
            with zipfile.ZipFile(file) as archive:
                packed = [archive.read(name) for name, _ in members]
        except (KeyError, zipfile.BadZipFile, zlib.error) as problem:
            raise UnusableEnvironmentError(f"{path}: cannot be unpacked ({problem})") from None
    pairs = zip(members, packed, strict=True)
    return [_unpack_idx(path / name, content, shape, UNSIGNED_BYTES) for (name, shape), content in pairs]


def read_labelled_lines(
    path: Path, md5: str, count: int, features: int
) -> tuple[NDArray[numpy.float32], NDArray[numpy.int64]]:
    """Values and labels of a bzip2 file in LIBSVM's format with all features in each line: `label 1:value 2:value`."""
    packed = _read_packed(path, md5)
    try:
        with bz2.BZ2File(io.BytesIO(packed)) as file:
            text = file.read(MAX_TEXT_BYTES + 1)
        if len(text) > MAX_TEXT_BYTES or not text.strip():
            raise ValueError(f"more than {MAX_TEXT_BYTES:,} bytes" if text else "no contents")
        rows = numpy.loadtxt(io.BytesIO(text.replace(b":", b" ")), ndmin=2)
    except (OSError, EOFError, ValueError) as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be unpacked ({problem})") from None
    if rows.shape != (count, 1 + 2 * features) or (rows[:, 1::2] != numpy.arange(1, features + 1)).any():
        raise UnusableEnvironmentError(
            f"{path}: expected {count:,} lines with a label and the values 1 to {features}, "
            f"found {rows.shape[0]:,} lines of {rows.shape[1]:,} numbers"
        )
    return rows[:, 2::2].astype(numpy.float32), rows[:, 0].astype(numpy.int64)


def _unpack_idx(path: Path, packed: bytes, shape: tuple[int, ...], kind: int) -> NDArray[Any]:
    noun, values = TYPES[kind][0], numpy.dtype(TYPES[kind][1])
    header = bytes([0, 0, kind, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    expected_bytes = len(header) + math.prod(shape) * values.itemsize
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            raw = file.read(expected_bytes + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be unpacked ({problem})") from None
    if not raw.startswith(header) or len(raw) != expected_bytes:
        size = f"{len(raw):,} bytes" if len(raw) <= expected_bytes else f"more than {expected_bytes:,} bytes"
        raise UnusableEnvironmentError(
            f"{path}: expected an IDX file of {' x '.join(map(str, shape))} {noun} ({header.hex()} and so on, "
            f"{expected_bytes:,} bytes in all), found {raw[: len(header)].hex() or 'nothing'} ({size})"
        )
    return numpy.frombuffer(raw, values, offset=len(header)).reshape(shape)


def _read_packed(path: Path, md5: str) -> bytes:
    """The bytes of a file with this digest, and no more of them than it had when it was looked at."""
    with _opened(path, MAX_FILE_BYTES) as (file, size):
        packed = file.read(size)
    _require_digest(path, hashlib.md5(packed, usedforsecurity=False).hexdigest(), md5, len(packed))
    return packed


def _require_digest(path: Path, found: str, md5: str, size: int) -> None:
    if found != md5:
        raise UnusableEnvironmentError(
            f"{path}: truncated or changed ({size:,} bytes, MD5 {found}, expected {md5}); "
            "delete it and run `actbench data fetch`, or copy the original file there"
        )


@contextmanager
def _opened(path: Path, max_bytes: int) -> Iterator[tuple[io.BufferedReader, int]]:
    """A regular file that is not far too large, and its size."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "not a file")
        if found.st_size > max_bytes:
            raise UnusableEnvironmentError(
                f"{path}: far larger than the dataset's own file; replace it by the original"
            )
        with path.open("rb") as file:
            yield file, found.st_size
    except OSError as problem:
        raise UnusableEnvironmentError(
            f"{path}: cannot be read ({problem.strerror}); `actbench data fetch` downloads it"
        ) from None
