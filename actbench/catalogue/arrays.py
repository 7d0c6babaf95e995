"""A dataset: what is known of it, and its images and labels in memory; those of a .npz file that a caller names."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from actbench.errors import ConfigurationError, reading_named_file
from actbench.lazy import NDArray, numpy
from actbench.text import listed

SUFFIX = ".npz"
NAMES = ("x_train", "y_train", "x_test", "y_test")
MAX_CLASSES = 256
MAX_NAME_LENGTH = 64
UNUSUAL = re.compile(r"[^A-Za-z0-9._+-]")
SUMMARY = "arrays of a file that `--use-data` names"


@dataclass(frozen=True)
class Dataset:
    """What is known about a dataset before a byte of it is read.

    `maximum` is the value that `scale: unit` maps to 1. `checksum` identifies the contents and enters every trial's id.
    `file_md5` are the digests of the files, in the order of `files`, as torchvision publishes them.
    """

    name: str
    summary: str
    reference: str
    source: Literal["torchvision", "scikit-learn", "generated", "file"]
    features: int
    classes: int
    output_units: int
    train_count: int
    test_count: int
    maximum: float
    checksum: str
    torchvision_class: str = ""
    files: tuple[str, ...] = ()
    file_md5: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Nonzeros:
    """Inputs `[images, features]` of bytes without their zeros.

    `columns` and `values` hold what is not zero, image by image; `starts` `[images + 1]` is where each begins.
    """

    features: int
    starts: NDArray[numpy.int64]
    columns: NDArray[numpy.uint16]
    values: NDArray[numpy.uint8]


@dataclass(frozen=True, eq=False)
class Arrays:
    """A dataset in memory: inputs `[images, features]` (uint8 or float32), labels `[images]` (int64).

    `nonzeros` are the training and the test inputs without their zeros, where that has been computed.
    """

    train_inputs: NDArray[numpy.uint8] | NDArray[numpy.float32]
    train_labels: NDArray[numpy.int64]
    test_inputs: NDArray[numpy.uint8] | NDArray[numpy.float32]
    test_labels: NDArray[numpy.int64]
    nonzeros: tuple[Nonzeros, Nonzeros] | None = None


def arrays_checksum(arrays: Arrays) -> str:
    """SHA-256 over the contents of all four arrays."""
    digest = hashlib.sha256()
    for array in (arrays.train_inputs, arrays.train_labels, arrays.test_inputs, arrays.test_labels):
        digest.update(numpy.ascontiguousarray(array).data)
    return digest.hexdigest()


_IN_USE: dict[Dataset, Arrays] = {}


@contextmanager
def own_data_in_use(path: Path | None) -> Iterator[Dataset | None]:
    """Read the arrays of a file, and let them be loaded until the end; nothing without a file."""
    before = dict(_IN_USE)
    dataset = None
    try:
        if path is not None:
            dataset, arrays = read_own_data(path)
            _IN_USE[dataset] = arrays
        yield dataset
    finally:
        _IN_USE.clear()
        _IN_USE.update(before)


def dataset_in_use() -> Dataset | None:
    """The dataset that the command line names."""
    return next(reversed(_IN_USE), None)


def is_in_use(dataset: Dataset) -> bool:
    """Whether the arrays of this dataset are loaded."""
    return dataset in _IN_USE


def arrays_of(dataset: Dataset) -> Arrays:
    """The arrays; raises `ConfigurationError` where they are not loaded."""
    if dataset not in _IN_USE:
        raise ConfigurationError(not_in_use(dataset))
    return _IN_USE[dataset]


def not_in_use(dataset: Dataset) -> str:
    """What to do about data of which there is only a record."""
    return f"the arrays of {dataset} ({dataset.checksum}) are not loaded: name their file with --use-data FILE"


def read_own_data(path: Path) -> tuple[Dataset, Arrays]:
    """The file's arrays and what is known of them; raises `ConfigurationError` with every mistake in them."""
    given = _read(path)
    mistakes = [f"{path}: {mistake}" for mistake in (*_input_mistakes(given), *_label_mistakes(given))]
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    is_bytes = given["x_train"].dtype == numpy.uint8
    kept: Any = numpy.uint8 if is_bytes else numpy.float32
    inputs, tests = (
        numpy.ascontiguousarray(given[name].reshape(len(given[name]), -1), kept) for name in ("x_train", "x_test")
    )
    labels, test_labels = (given[name].reshape(-1).astype(numpy.int64) for name in ("y_train", "y_test"))
    arrays = Arrays(inputs, labels, tests, test_labels)
    classes = int(labels.max()) + 1
    dataset = own_dataset(
        UNUSUAL.sub("-", path.name)[-MAX_NAME_LENGTH:],
        checksum=_checksum(arrays),
        features=inputs.shape[1],
        classes=classes,
        train_count=len(inputs),
        test_count=len(tests),
        maximum=255.0 if is_bytes else 1.0,
    )
    return dataset, arrays


def own_dataset(name: str, classes: int, **facts: Any) -> Dataset:
    """What is known of such arrays, also where they are not loaded."""
    return Dataset(name, SUMMARY, "", "file", classes=classes, output_units=classes, **facts)


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The four arrays as they are in the file."""
    if path.suffix != SUFFIX:
        raise ConfigurationError(f"{path}: expected a {SUFFIX} file, as numpy.savez writes it")
    try:
        with reading_named_file(path, SUFFIX), path.open("rb") as file, zipfile.ZipFile(file) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
            if missing := [name for name in NAMES if name not in there]:
                found = ", ".join(sorted(there)) or "none"
                raise ConfigurationError(
                    f"{path}: expected the arrays {listed(NAMES)}; {listed(missing)} not in: {found}"
                )
        with reading_named_file(path, SUFFIX), numpy.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in NAMES}
    except (ValueError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile, zlib.error) as problem:
        raise ConfigurationError(f"{path}: expected arrays, as numpy.savez writes them ({problem})") from None


def _input_mistakes(given: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    train, test = given["x_train"], given["x_test"]
    for name, array in (("x_train", train), ("x_test", test)):
        if array.ndim < 2 or not array.size:
            yield f"{name}: expected images by values, such as (60000, 784) or (60000, 28, 28), found {array.shape}"
        elif array.dtype != numpy.uint8 and array.dtype.kind != "f":
            yield f"{name}: expected uint8 or floats from 0 to 1, found {array.dtype}"
        elif array.dtype.kind == "f" and not (array.min() >= 0 and array.max() <= 1):
            low, high = array.min(), array.max()
            cure = "subtract the smallest value and divide by the range of x_train"
            if not numpy.isfinite(low - high):
                cure = "leave out what is no finite number"
            yield f"{name}: expected floats from 0 to 1, found {low:g} to {high:g}: {cure}"
    if train.shape[1:] != test.shape[1:]:
        yield f"x_test: expected images of {train.shape[1:]} values, as in x_train, found {test.shape[1:]}"
    if (train.dtype == numpy.uint8) != (test.dtype == numpy.uint8):
        yield f"x_test: expected {train.dtype}, as x_train, found {test.dtype}"


def _label_mistakes(given: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    sound = {}
    for name in ("y_train", "y_test"):
        labels, images = given[name], given[name.replace("y", "x")]
        if labels.dtype.kind not in "iu" or labels.shape not in ((len(labels),), (len(labels), 1)):
            yield f"{name}: expected one whole number for each image, found {labels.dtype} {labels.shape}"
        elif images.ndim and len(labels) != len(images):
            yield f"{name}: expected {len(images):,} labels, as there are images, found {len(labels):,}"
        elif len(labels):
            sound[name] = numpy.unique(labels)
    if "y_train" not in sound:
        return
    found = sound["y_train"]
    classes = int(found[-1]) + 1
    if not 2 <= len(found) <= MAX_CLASSES or int(found[0]) < 0 or len(found) != classes:
        yield (
            f"y_train: expected 2 to {MAX_CLASSES} classes, counted from 0, each of which occurs; "
            f"found {len(found):,} from {found[0]} to {found[-1]}"
        )
    elif unknown := [int(label) for label in sound.get("y_test", ()) if not 0 <= label < classes]:
        yield f"y_test: class {unknown[0]} does not occur in y_train"


def _checksum(arrays: Arrays) -> str:
    """SHA-256 over types, shapes and contents, however the file is compressed."""
    digest = hashlib.sha256()
    for array in (arrays.train_inputs, arrays.train_labels, arrays.test_inputs, arrays.test_labels):
        digest.update(f"{array.dtype.name} {array.shape}\n".encode() + numpy.ascontiguousarray(array).tobytes())
    return f"sha256:{digest.hexdigest()}"
