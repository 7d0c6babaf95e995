"""EMNIST, QMNIST and USPS are read from their own formats as torchvision reads them, upright and from class 0 on."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from actbench.catalogue.datasets import DATASETS, Arrays, Dataset, fetch, is_present, load, raw_folder
from actbench.errors import UnusableEnvironmentError

TRAIN, TEST = 7, 5
Made = tuple[Dataset, Path]


def idx(array: NDArray[numpy.uint8] | NDArray[numpy.int32]) -> bytes:
    """The bytes of an IDX file: magic number, big-endian sizes, values."""
    kind = {1: 8, 4: 12}[array.itemsize]
    header = bytes([0, 0, kind, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def drawn(count: int, side: int) -> NDArray[numpy.uint8]:
    draws = numpy.random.Generator(numpy.random.PCG64(count))
    return draws.integers(0, 256, (count, side, side), dtype=numpy.uint8)


def pinned(dataset: Dataset, folder: Path) -> Made:
    """The small dataset as if its files were published as they are below this folder."""
    paths = [raw_folder(dataset, folder) / name for name in dataset.files]
    digests = tuple(hashlib.md5(path.read_bytes()).hexdigest() for path in paths)
    return replace(dataset, train_count=TRAIN, test_count=TEST, file_md5=digests), folder


def make_emnist(name: str, folder: Path) -> Made:
    """Five and seven images in the archive, and beside it unpacked, as torchvision reads them."""
    dataset, split = DATASETS[name], name.removeprefix("emnist_")
    raw = raw_folder(dataset, folder)
    raw.mkdir(parents=True)
    first = int(split == "letters")
    with zipfile.ZipFile(raw / dataset.files[0], "w") as archive:
        for part, count in (("train", TRAIN), ("test", TEST)):
            labels = numpy.arange(count).astype(numpy.uint8) + first
            for ending, contents in (("images-idx3", idx(drawn(count, 28))), ("labels-idx1", idx(labels))):
                member = f"emnist-{split}-{part}-{ending}-ubyte"
                archive.writestr(f"gzip/{member}.gz", gzip.compress(contents, mtime=0))
                (raw / member).write_bytes(contents)
    return pinned(dataset, folder)


def make_qmnist(name: str, folder: Path) -> Made:
    dataset = DATASETS[name]
    raw = raw_folder(dataset, folder)
    raw.mkdir(parents=True)
    for part, count in ((0, TRAIN), (2, TEST)):
        labels = numpy.arange(count * 8, dtype=numpy.int32).reshape(count, 8) * 1000
        labels[:, 0] = numpy.arange(count) % 10
        for file, contents in zip(dataset.files[part : part + 2], (idx(drawn(count, 28)), idx(labels)), strict=True):
            (raw / file).write_bytes(gzip.compress(contents, mtime=0))
            (raw / file.removesuffix(".gz")).write_bytes(contents)
    return pinned(dataset, folder)


def line(label: int, values: NDArray[numpy.float64]) -> str:
    return " ".join([str(label), *(f"{number}:{value:.6g}" for number, value in enumerate(values, start=1))]) + " \n"


def make_usps(name: str, folder: Path) -> Made:
    dataset, draws = DATASETS[name], numpy.random.Generator(numpy.random.PCG64(0))
    for file, count in zip(dataset.files, (TRAIN, TEST), strict=True):
        lines = [line(1 + label % 10, draws.uniform(-1, 1, dataset.features)) for label in range(count)]
        (folder / file).write_bytes(bz2.compress("".join(lines).encode()))
    return pinned(dataset, folder)


MAKERS: dict[str, Callable[[str, Path], Made]] = {
    "emnist_balanced": make_emnist,
    "emnist_digits": make_emnist,
    "emnist_letters": make_emnist,
    "qmnist": make_qmnist,
    "usps": make_usps,
}


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return MAKERS[request.param](request.param, tmp_path)


def read_by_torchvision(dataset: Dataset, folder: Path, *, train: bool) -> tuple[NDArray[numpy.uint8], list[int]]:
    """Images and classes as torchvision gives them one by one."""
    from torchvision import datasets  # which takes seconds

    if dataset.torchvision_class == "EMNIST":
        found = datasets.EMNIST(folder, dataset.name.removeprefix("emnist_"), train=train)
    else:
        found = getattr(datasets, dataset.torchvision_class)(folder, train=train)
    images, labels = zip(*(found[index] for index in range(len(found))), strict=True)
    return numpy.stack([numpy.asarray(image) for image in images]), list(labels)


def test_images_and_classes_are_those_of_torchvision(made: Made) -> None:
    dataset, folder = made
    arrays = load(dataset, folder)
    for train, inputs, labels in (
        (True, arrays.train_inputs, arrays.train_labels),
        (False, arrays.test_inputs, arrays.test_labels),
    ):
        images, classes = read_by_torchvision(dataset, folder, train=train)
        upright = images.transpose(0, 2, 1) if dataset.torchvision_class == "EMNIST" else images
        assert inputs.dtype == numpy.uint8
        assert numpy.array_equal(inputs, upright.reshape(len(images), -1))
        first = int(dataset.name == "emnist_letters")
        assert labels.tolist() == [label - first for label in classes] == list(range(len(images)))


def test_what_is_there_is_not_fetched(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, folder = made
    monkeypatch.setattr(f"torchvision.datasets.{dataset.torchvision_class}", None)
    assert is_present(dataset, folder)
    fetch(dataset, folder)


def test_a_fetch_brings_the_files_that_are_read_and_no_others(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, source = made

    def download(url: str, root: str | Path, filename: str | None = None, md5: str | None = None) -> None:
        assert url.startswith("http")
        Path(root).mkdir(parents=True, exist_ok=True)
        name = filename or url.rpartition("/")[2]
        (Path(root) / name).write_bytes((raw_folder(dataset, source) / name).read_bytes())

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download)
    monkeypatch.setattr("torchvision.datasets.usps.download_url", download)
    folder = tmp_path / "fetched"
    fetch(dataset, folder)
    found = {path.name for path in raw_folder(dataset, folder).iterdir() if path.is_file()}
    assert found == set(dataset.files)
    assert equal(load(dataset, folder), load(dataset, source))


def equal(first: Arrays, second: Arrays) -> bool:
    return all(numpy.array_equal(value, getattr(second, name)) for name, value in vars(first).items())


def test_a_changed_byte_is_noticed_in_every_file(made: Made) -> None:
    dataset, folder = made
    for name in dataset.files:
        path = raw_folder(dataset, folder) / name
        good = path.read_bytes()
        path.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
        with pytest.raises(UnusableEnvironmentError, match="truncated or changed") as caught:
            load(dataset, folder)
        assert str(caught.value).startswith(f"{path}: ")
        path.write_bytes(good)
