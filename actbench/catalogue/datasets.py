"""Datasets: facts about each, and loading as arrays that are checked against a pinned checksum."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from actbench.catalogue.idx_files import read_idx
from actbench.errors import UnusableEnvironmentError
from actbench.lazy import LazyModule

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray
else:
    numpy = LazyModule("numpy")

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


@dataclass(frozen=True)
class Dataset:
    """What is known about a dataset before a byte of it is read.

    `maximum` is the value that `scale: unit` maps to 1. `checksum` identifies the contents and enters every trial's id.
    `file_md5` are the digests of the four files, in the order of `FILES`, as torchvision publishes them.
    """

    name: str
    summary: str
    reference: str
    source: Literal["torchvision", "scikit-learn", "generated"]
    features: int
    classes: int
    output_units: int
    train_count: int
    test_count: int
    maximum: float
    checksum: str
    torchvision_class: str = ""
    file_md5: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Arrays:
    """A dataset in memory: inputs `[images, features]` (uint8 or float32), labels `[images]` (int64)."""

    train_inputs: NDArray[numpy.uint8] | NDArray[numpy.float32]
    train_labels: NDArray[numpy.int64]
    test_inputs: NDArray[numpy.uint8] | NDArray[numpy.float32]
    test_labels: NDArray[numpy.int64]


def _idx_dataset(name: str, summary: str, reference: str, torchvision_class: str, file_md5: tuple[str, ...]) -> Dataset:
    return Dataset(
        name=name,
        summary=summary,
        reference=reference,
        source="torchvision",
        features=784,
        classes=10,
        output_units=10,
        train_count=60_000,
        test_count=10_000,
        maximum=255,
        checksum=hashlib.sha256(" ".join(file_md5).encode()).hexdigest(),
        torchvision_class=torchvision_class,
        file_md5=file_md5,
    )


_ALL = (
    _idx_dataset(
        "mnist",
        "28x28 handwritten digits",
        "LeCun, Cortes & Burges 1998",
        "MNIST",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    _idx_dataset(
        "fashion_mnist",
        "28x28 pictures of clothes",
        "Xiao, Rasul & Vollgraf 2017",
        "FashionMNIST",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    _idx_dataset(
        "kmnist",
        "28x28 cursive Japanese characters",
        "Clanuwat et al. 2018",
        "KMNIST",
        (
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    ),
    Dataset(
        name="digits",
        summary="8x8 handwritten digits that come with scikit-learn; the last 360 images are the test set",
        reference="Alpaydin & Kaynak 1998, UCI optical recognition of handwritten digits",
        source="scikit-learn",
        features=64,
        classes=10,
        output_units=10,
        train_count=1437,
        test_count=360,
        maximum=16,
        checksum="31dcedcb6e14491373b0b8542e96c9e1d8550166025cf3014c2bc02df5028e1a",
    ),
    Dataset(
        name="thermostat",
        summary="a temperature, 0.0 to 199.9 degrees; class 1 above 130; tested half a step above each training point",
        reference="made by rule",
        source="generated",
        features=1,
        classes=2,
        output_units=1,
        train_count=2000,
        test_count=2000,
        maximum=200,
        checksum="9c835c59a13fd15e9a1f132e71d377db53952e227905896f069e934b7e0c3f71",
    ),
    Dataset(
        name="cube",
        summary="points drawn uniformly from the unit cube; class 1 where the three coordinates sum to more than 1.5",
        reference="made by rule",
        source="generated",
        features=3,
        classes=2,
        output_units=2,
        train_count=2000,
        test_count=1000,
        maximum=1,
        checksum="c782a78c25c56eb45b4e15c49e94e0e7fa75b58c4df3c518c1df51c44200e2be",
    ),
    Dataset(
        name="moons",
        summary="points of two interleaving half circles in the plane, with noise; scikit-learn's make_moons",
        reference="made by rule",
        source="generated",
        features=2,
        classes=2,
        output_units=2,
        train_count=2000,
        test_count=1000,
        maximum=2.5,
        checksum="d9625e23af85266cea176d5fb21eb42d92eb5f0b4373660affee7ac4990ccd54",
    ),
)
DATASETS = {dataset.name: dataset for dataset in _ALL}


def data_folder(given: Path | None) -> Path:
    """Where datasets are kept: the option, else `ACTBENCH_DATA`, else the user's cache."""
    if given is not None:
        return given
    if os.environ.get("ACTBENCH_DATA"):
        return Path(os.environ["ACTBENCH_DATA"])
    import platformdirs

    return Path(platformdirs.user_cache_dir("actbench")) / "data"


def raw_folder(dataset: Dataset, folder: Path) -> Path:
    """The folder that holds the four files, laid out as torchvision does."""
    return folder / dataset.torchvision_class / "raw"


def is_present(dataset: Dataset, folder: Path) -> bool:
    """Whether the dataset can be loaded without a download (its files are there; their contents are not read)."""
    return not dataset.file_md5 or all((raw_folder(dataset, folder) / name).is_file() for name in FILES)


def load(dataset: Dataset, folder: Path) -> Arrays:
    """Read and check a dataset; raises `UnusableEnvironmentError` on absent, damaged or foreign data."""
    if dataset.source == "torchvision":
        return _read_idx_files(dataset, folder)
    arrays = {"digits": _digits, "thermostat": _thermostat, "cube": _cube, "moons": _moons}[dataset.name]()
    found = arrays_checksum(arrays)
    if found != dataset.checksum:
        raise UnusableEnvironmentError(
            f"{dataset.name}: the data from {dataset.source} differ from those actbench knows "
            f"(checksum {found[:12]}, expected {dataset.checksum[:12]}): install another version of {dataset.source}"
        )
    return arrays


def fetch(dataset: Dataset, folder: Path) -> None:
    """Download the four files through torchvision into `folder`, all or none; raises `UnusableEnvironmentError`."""
    if is_present(dataset, folder):
        return
    target = raw_folder(dataset, folder)
    try:
        from torchvision import datasets as torchvision_datasets

        existing = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
        with tempfile.TemporaryDirectory(dir=existing, prefix=".fetch-") as staging:
            getattr(torchvision_datasets, dataset.torchvision_class)(staging, download=True)
            target.mkdir(parents=True, exist_ok=True)
            _move_all([raw_folder(dataset, Path(staging)) / name for name in FILES], target)
    except (OSError, RuntimeError, HTTPException) as problem:
        raise UnusableEnvironmentError(
            f"{dataset.name} is not in {target} and could not be downloaded ({_first_line(problem)}). "
            f"Put its four files ({', '.join(FILES)}) there, name the folder above {dataset.torchvision_class}/raw "
            "with --data-dir or ACTBENCH_DATA, or use `dataset: digits`, which needs no download."
        ) from None


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".: ")


def _move_all(sources: Sequence[Path], target: Path) -> None:
    """Move all files or, where one is missing or cannot be moved, none."""
    for source in sources:
        source.stat()
    moved: list[Path] = []
    try:
        for source in sources:
            moved.append(source.replace(target / source.name))
    except OSError:
        for path in moved:
            path.unlink()
        raise


def arrays_checksum(arrays: Arrays) -> str:
    """SHA-256 over the contents of all four arrays."""
    digest = hashlib.sha256()
    for array in (arrays.train_inputs, arrays.train_labels, arrays.test_inputs, arrays.test_labels):
        digest.update(numpy.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read_idx_files(dataset: Dataset, folder: Path) -> Arrays:
    """The four files, each of which must have its digest, its sizes and, where it holds labels, labels of a class."""
    paths = [raw_folder(dataset, folder) / name for name in FILES]
    side = math.isqrt(dataset.features)
    counts = (dataset.train_count, dataset.train_count, dataset.test_count, dataset.test_count)
    shapes = [(count,) if "labels" in name else (count, side, side) for name, count in zip(FILES, counts, strict=True)]
    train_inputs, train_labels, test_inputs, test_labels = (
        read_idx(path, md5, shape) for path, md5, shape in zip(paths, dataset.file_md5, shapes, strict=True)
    )
    for path, labels in ((paths[1], train_labels), (paths[3], test_labels)):
        if labels.max() >= dataset.classes:
            raise UnusableEnvironmentError(
                f"{path}: expected labels from 0 to {dataset.classes - 1}, found {labels.max()}"
            )
    return Arrays(
        train_inputs.reshape(dataset.train_count, dataset.features),
        train_labels.astype(numpy.int64),
        test_inputs.reshape(dataset.test_count, dataset.features),
        test_labels.astype(numpy.int64),
    )


def _digits() -> Arrays:
    """Read from scikit-learn's file, because importing scikit-learn takes as long as a small experiment."""
    package = find_spec("sklearn")
    folder = Path(package.origin).parent if package and package.origin else Path()
    try:
        with gzip.open(folder / "datasets/data/digits.csv.gz", "rt", encoding="ascii") as file:
            rows = numpy.loadtxt(file, delimiter=",", dtype=numpy.int64)
    except (OSError, EOFError, ValueError, zlib.error):
        from sklearn.datasets import load_digits

        rows = numpy.column_stack(load_digits(return_X_y=True)).astype(numpy.int64)
    inputs, labels = rows[:, :-1].astype(numpy.uint8), rows[:, -1].copy()
    cut = DATASETS["digits"].train_count
    return Arrays(inputs[:cut], labels[:cut], inputs[cut:], labels[cut:])


def _thermostat() -> Arrays:
    tenths = numpy.arange(2000)
    train, test = tenths / 10, (tenths + 0.5) / 10
    return Arrays(
        train.astype(numpy.float32)[:, None],
        (tenths > 1300).astype(numpy.int64),
        test.astype(numpy.float32)[:, None],
        (tenths + 0.5 > 1300).astype(numpy.int64),
    )


def _cube() -> Arrays:
    points = numpy.random.Generator(numpy.random.PCG64(0)).random((3000, 3), dtype=numpy.float32)
    labels = (points.sum(axis=1, dtype=numpy.float64) > 1.5).astype(numpy.int64)
    cut = DATASETS["cube"].train_count
    return Arrays(points[:cut], labels[:cut], points[cut:], labels[cut:])


def _moons() -> Arrays:
    """As `sklearn.datasets.make_moons(3000, noise=0.2, random_state=0)`, without the time that its import takes.

    Rounded, since sine and cosine differ in their last bits between processors.
    """
    draws, angles = numpy.random.RandomState(0), numpy.linspace(0, numpy.pi, 1500)
    outer = numpy.column_stack([numpy.cos(angles), numpy.sin(angles)])
    order = numpy.arange(3000)
    draws.shuffle(order)
    points = numpy.concatenate([outer, [1, 0.5] - outer])[order]
    points = (points + draws.normal(scale=0.2, size=points.shape)).round(4).astype(numpy.float32)
    labels, cut = (order >= 1500).astype(numpy.int64), DATASETS["moons"].train_count
    return Arrays(points[:cut], labels[:cut], points[cut:], labels[cut:])
