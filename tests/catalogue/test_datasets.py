"""Datasets are what their facts say; absent, damaged or foreign files end in one sentence that says what to do."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from actbench.catalogue.datasets import (
    DATASETS,
    FILES,
    Arrays,
    Dataset,
    is_present,
    load,
    raw_folder,
)
from actbench.catalogue.image_files import MAX_BYTES
from actbench.errors import UnusableEnvironmentError

MNIST = DATASETS["mnist"]
WITH_FILES = [dataset for dataset in DATASETS.values() if dataset.source == "torchvision"]
TEST_SHARES = [9.80, 11.35, 10.32, 10.10, 9.82, 8.92, 9.58, 10.28, 9.74, 10.09]


def by_name(dataset: Dataset) -> str:
    return dataset.name


def folder_with(dataset: Dataset) -> Path:
    """The folder of real data; skips the test where there is none or it lacks the dataset."""
    folder = Path(os.environ.get("ACTBENCH_DATA", ""))
    if dataset.source == "torchvision" and not os.environ.get("ACTBENCH_DATA"):
        pytest.skip("ACTBENCH_DATA, the folder of real data, is not set")
    if not is_present(dataset, folder):
        pytest.skip(f"ACTBENCH_DATA has no {dataset.name}")
    return folder


@pytest.fixture(scope="module", params=DATASETS.values(), ids=by_name)
def loaded(request: pytest.FixtureRequest) -> tuple[Dataset, Arrays]:
    dataset: Dataset = request.param
    return dataset, load(dataset, folder_with(dataset))


def idx(array: numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]) -> bytes:
    """The bytes of an IDX file: magic number, big-endian sizes, contents."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


@pytest.fixture
def small(tmp_path: Path) -> tuple[Dataset, Path]:
    """A dataset of the same layout as MNIST with seven training images and five test images, and its folder."""
    images = numpy.arange(12 * 784, dtype=numpy.uint32).reshape(12, 28, 28) % 251
    labels = numpy.arange(12) % 10
    parts = [
        gzip.compress(idx(one.astype(numpy.uint8)), mtime=0) for one in (images[:7], labels[:7], images[7:], labels[7:])
    ]
    digests = tuple(hashlib.md5(part).hexdigest() for part in parts)
    dataset = replace(MNIST, train_count=7, test_count=5, file_md5=digests)
    raw_folder(dataset, tmp_path).mkdir(parents=True)
    for name, part in zip(FILES, parts, strict=True):
        (raw_folder(dataset, tmp_path) / name).write_bytes(part)
    return dataset, tmp_path


def test_shapes_counts_and_types_are_as_declared(loaded: tuple[Dataset, Arrays]) -> None:
    dataset, arrays = loaded
    assert arrays.train_inputs.shape == (dataset.train_count, dataset.features)
    assert arrays.test_inputs.shape == (dataset.test_count, dataset.features)
    assert arrays.train_labels.shape == (dataset.train_count,)
    assert arrays.test_labels.shape == (dataset.test_count,)
    assert arrays.train_inputs.dtype == arrays.test_inputs.dtype
    assert arrays.train_inputs.dtype in (numpy.uint8, numpy.float32)
    assert arrays.train_labels.dtype == arrays.test_labels.dtype == numpy.int64


def test_every_class_occurs_in_both_parts_and_no_other_label_does(loaded: tuple[Dataset, Arrays]) -> None:
    dataset, arrays = loaded
    assert set(arrays.train_labels.tolist()) == set(arrays.test_labels.tolist()) == set(range(dataset.classes))
    assert dataset.output_units == dataset.classes or (dataset.output_units, dataset.classes) == (1, 2)


def test_inputs_lie_between_0_and_the_declared_maximum_and_nearly_reach_it(loaded: tuple[Dataset, Arrays]) -> None:
    dataset, arrays = loaded
    lowest, near = (-dataset.maximum, 0.8) if dataset.name == "moons" else (0, 0.99)  # noise has no sharp bounds
    for inputs in (arrays.train_inputs, arrays.test_inputs):
        assert inputs.min() >= lowest
        assert near * dataset.maximum <= inputs.max() <= dataset.maximum


def test_mnists_test_set_has_the_known_class_shares() -> None:
    arrays = load(MNIST, folder_with(MNIST))
    assert [round(100 * share, 2) for share in numpy.bincount(arrays.test_labels) / 10_000] == TEST_SHARES


def test_checksums_tell_all_datasets_apart() -> None:
    assert len({dataset.checksum for dataset in DATASETS.values()}) == len(DATASETS)


@pytest.mark.usefixtures("_uncompiled")
@pytest.mark.parametrize("dataset", WITH_FILES, ids=by_name)
def test_file_names_and_digests_are_those_that_torchvision_publishes(dataset: Dataset) -> None:
    import torchvision

    published = getattr(torchvision.datasets, dataset.torchvision_class)
    if dataset.torchvision_class == "EMNIST":
        resources = [(published.url, published.md5)]
    elif dataset.torchvision_class == "USPS":
        resources = [(url, md5) for url, _, md5 in published.split_list.values()]
    elif dataset.torchvision_class == "QMNIST":
        resources = [*published.resources["train"], *published.resources["test"]]
    else:
        resources = published.resources
    found = [(url.rpartition("/")[2], md5) for url, md5 in resources]
    assert found == list(zip(dataset.files, dataset.file_md5, strict=True))


def test_thermostat_is_class_1_above_130_degrees(tmp_path: Path) -> None:
    arrays = load(DATASETS["thermostat"], tmp_path)
    for inputs, labels in (
        (arrays.train_inputs, arrays.train_labels),
        (arrays.test_inputs, arrays.test_labels),
    ):
        assert numpy.array_equal(labels == 1, inputs[:, 0] > 130)
    assert (arrays.train_inputs.min(), arrays.train_inputs.max()) == (0, numpy.float32(199.9))


def test_thermostat_is_tested_half_a_step_above_each_training_point(tmp_path: Path) -> None:
    arrays = load(DATASETS["thermostat"], tmp_path)
    train, test = arrays.train_inputs[:, 0], arrays.test_inputs[:, 0]
    assert (test - train).tolist() == pytest.approx([0.05] * len(train), abs=1e-4)


def test_cube_is_class_1_where_the_coordinates_sum_to_more_than_1_5(tmp_path: Path) -> None:
    arrays = load(DATASETS["cube"], tmp_path)
    for inputs, labels in ((arrays.train_inputs, arrays.train_labels), (arrays.test_inputs, arrays.test_labels)):
        assert labels.tolist() == [int(sum(point) > 1.5) for point in inputs.tolist()]
        assert labels.mean() == pytest.approx(0.5, abs=0.04)


def test_digits_are_scikit_learns_with_the_last_360_as_test_set(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    arrays, (inputs, labels) = load(DATASETS["digits"], tmp_path), load_digits(return_X_y=True)
    assert numpy.array_equal(numpy.concatenate([arrays.train_inputs, arrays.test_inputs]), inputs)
    assert numpy.array_equal(arrays.test_labels, labels[-360:])


def test_moons_are_those_of_scikit_learn_to_four_digits(tmp_path: Path) -> None:
    from sklearn.datasets import make_moons

    arrays, (points, labels) = load(DATASETS["moons"], tmp_path), make_moons(3000, noise=0.2, random_state=0)
    inputs = numpy.concatenate([arrays.train_inputs, arrays.test_inputs])
    assert numpy.abs(inputs - points).max() < 6e-5
    assert numpy.array_equal(numpy.concatenate([arrays.train_labels, arrays.test_labels]), labels)


@pytest.mark.parametrize("name", ["digits", "thermostat", "cube", "moons"])
def test_foreign_contents_are_refused_with_the_package_that_made_them(name: str, tmp_path: Path) -> None:
    dataset = replace(DATASETS[name], checksum="0" * 64)
    with pytest.raises(UnusableEnvironmentError, match=f"{name}: .*checksum .*another version of {dataset.source}"):
        load(dataset, tmp_path)


def test_the_four_files_are_read_as_they_were_written(small: tuple[Dataset, Path]) -> None:
    arrays = load(*small)
    pixels = numpy.concatenate([arrays.train_inputs, arrays.test_inputs]).flatten()
    assert numpy.array_equal(pixels, numpy.arange(12 * 784) % 251)
    assert arrays.train_labels.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert arrays.test_labels.tolist() == [7, 8, 9, 0, 1]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def change_a_byte(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[len(contents) // 2] ^= 1
    path.write_bytes(contents)


def swell(path: Path) -> None:
    os.truncate(path, MAX_BYTES + 1)


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = {
    "truncated": (truncate, "truncated or changed .*delete it and run `actbench data fetch`, or copy the original"),
    "a changed byte": (change_a_byte, "truncated or changed .*delete it and run `actbench data fetch`"),
    "emptied": (lambda path: path.write_bytes(b""), "truncated or changed .*delete it and run `actbench data fetch`"),
    "missing": (Path.unlink, "cannot be read .*`actbench data fetch` downloads it"),
    "a folder": (make_a_folder, "cannot be read .*`actbench data fetch`"),
    "oversized": (swell, "far larger .*replace it by the original"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("damage", "advice"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_named_with_what_to_do(
    damage: Callable[[Path], object], advice: str, name: str, small: tuple[Dataset, Path]
) -> None:
    dataset, folder = small
    path = raw_folder(dataset, folder) / name
    damage(path)
    with pytest.raises(UnusableEnvironmentError, match=advice) as caught:
        load(dataset, folder)
    assert str(caught.value).startswith(f"{path}: ")


def test_one_changed_byte_of_the_real_mnist_is_noticed(tmp_path: Path) -> None:
    real = raw_folder(MNIST, folder_with(MNIST))
    raw_folder(MNIST, tmp_path).mkdir(parents=True)
    for name in FILES:
        (raw_folder(MNIST, tmp_path) / name).symlink_to((real / name).resolve())
    path = raw_folder(MNIST, tmp_path) / FILES[0]
    contents = path.read_bytes()
    path.unlink()
    path.write_bytes(contents)
    change_a_byte(path)
    with pytest.raises(UnusableEnvironmentError, match=f"{FILES[0]}: truncated or changed"):
        load(MNIST, tmp_path)


@pytest.mark.parametrize("dataset", WITH_FILES, ids=by_name)
def test_an_empty_folder_is_answered_with_the_first_file_and_what_to_do(dataset: Dataset, tmp_path: Path) -> None:
    assert not is_present(dataset, tmp_path)
    with pytest.raises(UnusableEnvironmentError, match="`actbench data fetch`") as caught:
        load(dataset, tmp_path)
    assert str(raw_folder(dataset, tmp_path) / dataset.files[0]) in str(caught.value)
