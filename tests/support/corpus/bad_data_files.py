"""Data files with one thing wrong each, made from good ones, and what is said of them."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
from numpy.typing import NDArray

from actbench.catalogue.datasets import DATASETS, FILES, Dataset, raw_folder
from actbench.catalogue.image_files import MAX_BYTES

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = FILES
IMAGES = 12
FETCH = "delete it and run `actbench data fetch`, or copy the original file there"

Damage = Callable[[Path], object]


@dataclass(frozen=True)
class BadFile:
    """What becomes of one of the four files, and what is said behind its path."""

    name: str
    damage: Damage
    message: str


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
    paths = [raw_folder(dataset, folder) / name for name in FILES]
    return replace(dataset, file_md5=tuple(hashlib.md5(path.read_bytes()).hexdigest() for path in paths))


def _written(contents: bytes) -> Damage:
    return lambda path: path.write_bytes(contents)


def _changed(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


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


CHANGED = f"truncated or changed .* {FETCH}"
NO_FILE = "cannot be read \\(not a file\\); `actbench data fetch` downloads it"

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
    "a huge file": BadFile(TEST_IMAGES, lambda path: os.truncate(path, MAX_BYTES + 1), "far larger than the"),
    "a folder": BadFile(TEST_LABELS, _folder, NO_FILE),
    "a pipe": BadFile(TRAIN_IMAGES, _pipe, NO_FILE),
    "endless zeros": BadFile(TRAIN_IMAGES, _link("/dev/zero"), NO_FILE),
    "a link to itself": BadFile(TEST_IMAGES, _link(TEST_IMAGES), "cannot be read \\(Too many levels of symbolic"),
    "a link to nothing": BadFile(TEST_IMAGES, _link("gone"), "cannot be read \\(No such file or directory\\)"),
    "a link to a file elsewhere": BadFile(TRAIN_LABELS, _link("/etc/passwd"), CHANGED),
    "absent": BadFile(TEST_LABELS, Path.unlink, "cannot be read \\(No such file or directory\\); `actbench"),
}


def damaged(bad: BadFile, folder: Path) -> tuple[Dataset, Path]:
    """The small dataset with this damage, and the path of the damaged file."""
    dataset = small_dataset(folder)
    path = raw_folder(dataset, folder) / bad.name
    bad.damage(path)
    return dataset, path
