"""A dataset: what is known of it, and its images and labels in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from actbench.lazy import NDArray, numpy


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
