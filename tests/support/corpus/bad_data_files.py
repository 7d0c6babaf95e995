"""Data files with one thing wrong each, made from good ones, and what is said of them."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy
from numpy.typing import NDArray

from actbench.catalogue.datasets import DATASETS, FILES, Dataset, raw_folder
from actbench.catalogue.image_files import MAX_FILE_BYTES

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES
IMAGES = 12
FETCH = "delete it and run `actbench data fetch`, or copy the original file there"

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class BadFile:
    """What becomes of one of the four files, and what is said behind its path.

    `is_pinned` says that the file's digest is the one that is expected all the same, as if it had been published so.
    """

    name: str
    damage: Damage
    message: str
    is_pinned: bool = False


def idx(array: NDArray[numpy.uint8]) -> bytes:
    """The bytes of an IDX file: magic number, big-endian sizes, contents."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def small_dataset(folder: Path) -> Dataset:
    """A dataset of MNIST's name and layout with twelve images in each part, written below a folder."""
    images = (numpy.arange(IMAGES * 784) % 251).astype(numpy.uint8).reshape(IMAGES, 28, 28)
    labels = (numpy.arange(IMAGES) % 10).astype(numpy.uint8)
    dataset = replace(DATASETS["mnist"], train_count=IMAGES, test_count=IMAGES)
    raw_folder(dataset, folder).mkdir(parents=True)
    for name, array in zip(FILES, (images, labels, images, labels), strict=True):
        (raw_folder(dataset, folder) / name).write_bytes(gzip.compress(idx(array), mtime=0))
    return pinned(dataset, folder)


def pinned(dataset: Dataset, folder: Path) -> Dataset:
    """The dataset as if its files were published as they now are."""
    paths = [raw_folder(dataset, folder) / name for name in FILES]
    return replace(dataset, file_md5=tuple(hashlib.md5(path.read_bytes()).hexdigest() for path in paths))


def _written(contents: bytes) -> Damage:
    return lambda path: path.write_bytes(contents)


def _changed(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _repacked(change: Callable[[bytes], bytes]) -> Damage:
    return _changed(lambda packed: gzip.compress(change(gzip.decompress(packed)), mtime=0))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(target: str) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return damage


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _flipped(packed: bytes) -> bytes:
    return packed[:40] + bytes([packed[40] ^ 1]) + packed[41:]


def _wrong_sum(packed: bytes) -> bytes:
    return packed[:-8] + bytes(4) + packed[-4:]


@cache
def _bomb(unpacked_bytes: int) -> bytes:
    """A gzip file that begins as the images do and goes on with so many zeros."""
    packer = zlib.compressobj(1, wbits=31)
    start = idx(numpy.zeros((IMAGES, 28, 28), numpy.uint8))
    chunk = bytes(1 << 20)
    return b"".join([packer.compress(start), *(packer.compress(chunk) for _ in range(unpacked_bytes >> 20))]) + (
        packer.flush()
    )


def _header(*numbers: int) -> bytes:
    return bytes(numbers[:4]) + b"".join(size.to_bytes(4, "big") for size in numbers[4:])


CHANGED = f"truncated or changed .* {FETCH}"
NO_FILE = "cannot be read \\(not a file\\); `actbench data fetch` downloads it"
EXPECTED = (
    "expected an IDX file of 12 x 28 x 28 bytes \\(000008030000000c0000001c0000001c and so on, 9,424 bytes in all\\)"
)

BAD_FILES = {
    "a truncated file": BadFile(TRAIN_IMAGES, _changed(lambda packed: packed[:-9]), CHANGED),
    "half a file": BadFile(TEST_LABELS, _changed(lambda packed: packed[: len(packed) // 2]), CHANGED),
    "an empty file": BadFile(TRAIN_LABELS, _written(b""), "truncated or changed \\(0 bytes, MD5 d41d8cd98f00b204"),
    "one changed bit": BadFile(TEST_IMAGES, _changed(_flipped), CHANGED),
    "a byte too many": BadFile(TRAIN_LABELS, _changed(lambda packed: packed + b"\0"), CHANGED),
    "a page of HTML": BadFile(TRAIN_IMAGES, _written(b"<!DOCTYPE html><title>404</title>"), CHANGED),
    "the unpacked file": BadFile(TRAIN_IMAGES, _changed(gzip.decompress), CHANGED),
    "a pickle": BadFile(TRAIN_LABELS, _written(b"cos\nsystem\n(S'touch pwned'\ntR."), CHANGED),
    "another file of the four": BadFile(TRAIN_IMAGES, _link(TRAIN_LABELS), CHANGED),
    "a huge file": BadFile(TEST_IMAGES, lambda path: os.truncate(path, MAX_FILE_BYTES + 1), "far larger than the"),
    "a folder": BadFile(TEST_LABELS, _folder, NO_FILE),
    "a pipe": BadFile(TRAIN_IMAGES, _pipe, NO_FILE),
    "endless zeros": BadFile(TRAIN_IMAGES, _link("/dev/zero"), NO_FILE),
    "a link to itself": BadFile(TEST_IMAGES, _link(TEST_IMAGES), "cannot be read \\(Too many levels of symbolic"),
    "a link to nothing": BadFile(TEST_IMAGES, _link("gone"), "cannot be read \\(No such file or directory\\)"),
    "a link to a file elsewhere": BadFile(TRAIN_LABELS, _link("/etc/passwd"), CHANGED),
    "absent": BadFile(TEST_LABELS, Path.unlink, "cannot be read \\(No such file or directory\\); `actbench"),
    "no gzip file": BadFile(TRAIN_IMAGES, _written(b"not packed"), "cannot be unpacked \\(Not a gzipped file", True),
    "a gzip file cut short": BadFile(
        TRAIN_IMAGES, _changed(lambda packed: packed[:-20]), "cannot be unpacked \\(Compressed file ended before", True
    ),
    "a wrong sum of the contents": BadFile(
        TRAIN_IMAGES, _changed(_wrong_sum), "cannot be unpacked \\(CRC check failed", True
    ),
    "broken packing": BadFile(TRAIN_IMAGES, _changed(_flipped), "cannot be unpacked \\(", True),
    "a bomb": BadFile(
        TRAIN_IMAGES, lambda path: path.write_bytes(_bomb(1 << 28)),
        f"{EXPECTED}, found 000008030000000c0000001c0000001c \\(more than 9,424 bytes\\)", True,
    ),
    "two files in one": BadFile(
        TRAIN_IMAGES, _changed(lambda packed: packed * 2), f"{EXPECTED}, found .* \\(more than 9,424 bytes\\)", True
    ),
    "an image too few": BadFile(TRAIN_IMAGES, _repacked(lambda raw: raw[:-784]), f"{EXPECTED}, found .* \\(8,", True),
    "no contents": BadFile(TRAIN_IMAGES, _repacked(lambda raw: b""), f"{EXPECTED}, found nothing \\(0 bytes\\)", True),
    "half a header": BadFile(TRAIN_IMAGES, _repacked(lambda raw: raw[:3]), f"{EXPECTED}, found 000008 \\(3 b", True),
    "a wrong magic number": BadFile(
        TRAIN_IMAGES, _repacked(lambda raw: b"\x89PNG" + raw[4:]), f"{EXPECTED}, found 89504e47", True
    ),
    "numbers of another type": BadFile(
        TRAIN_IMAGES, _repacked(lambda raw: b"\0\0\x0d\x03" + raw[4:]), f"{EXPECTED}, found 00000d03", True
    ),
    "sizes that claim more": BadFile(
        TRAIN_IMAGES, _repacked(lambda raw: _header(0, 0, 8, 3, 0xFFFFFFFF, 28, 28) + raw[16:]),
        f"{EXPECTED}, found 00000803ffffffff", True,
    ),
    "sizes the other way round": BadFile(
        TRAIN_IMAGES, _repacked(lambda raw: raw[:4] + b"\x0c\0\0\0" + raw[8:]), f"{EXPECTED}, found 000008030c", True
    ),
    "labels for images": BadFile(
        TRAIN_IMAGES, _repacked(lambda raw: _header(0, 0, 8, 1, 12) + bytes(12)), f"{EXPECTED}, found 00000801", True
    ),
    "a label out of range": BadFile(
        TEST_LABELS, _repacked(lambda raw: raw[:-1] + b"\x0a"), "expected labels from 0 to 9, found 10", True
    ),
    "a label of 255": BadFile(
        TRAIN_LABELS, _repacked(lambda raw: raw[:-1] + b"\xff"), "expected labels from 0 to 9, found 255", True
    ),
}  # fmt: skip


def damaged(bad: BadFile, folder: Path) -> tuple[Dataset, Path]:
    """The small dataset with this damage, and the path of the damaged file."""
    dataset = small_dataset(folder)
    path = raw_folder(dataset, folder) / bad.name
    bad.damage(path)
    return (pinned(dataset, folder) if bad.is_pinned else dataset), path
