"""Datasets: facts about each, and loading as arrays that are checked against a pinned checksum."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tempfile
import tomllib
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from actbench.catalogue.arrays import Arrays as Arrays
from actbench.catalogue.arrays import Dataset as Dataset
from actbench.catalogue.arrays import arrays_checksum as arrays_checksum
from actbench.catalogue.arrays import arrays_of, is_in_use
from actbench.catalogue.image_files import INTEGERS, read_idx, read_idx_members, read_labelled_lines
from actbench.errors import UnusableEnvironmentError
from actbench.lazy import NDArray, numpy

FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip
QMNIST_LABEL_FIELDS = 8
COUNTS = {"features": 784, "classes": 10, "train_count": 60_000, "test_count": 10_000, "maximum": 255}
USUAL: dict[str, Any] = {"source": "torchvision", "files": FILES, **COUNTS}


def _dataset(name: str, facts: dict[str, Any]) -> Dataset:
    """A dataset by its facts; of those that torchvision publishes, the digests of their files identify the contents."""
    if "file_md5" in facts:
        part = name.removeprefix("emnist_") if name.startswith("emnist_") else ""  # one archive has all parts
        digests = " ".join([*facts["file_md5"], *([part] if part else [])])
        facts = USUAL | {"checksum": hashlib.sha256(digests.encode()).hexdigest()} | facts
        facts |= {key: tuple(facts[key]) for key in ("files", "file_md5")}
    return Dataset(name, **{"output_units": facts["classes"]} | facts)


_FACTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
DATASETS = {name: _dataset(name, facts) for name, facts in _FACTS.items()}


def data_folder(given: Path | None) -> Path:
    """Where datasets are kept: the option, else `ACTBENCH_DATA`, else the user's cache."""
    if given is not None:
        return given
    if os.environ.get("ACTBENCH_DATA"):
        return Path(os.environ["ACTBENCH_DATA"])
    import platformdirs

    return Path(platformdirs.user_cache_dir("actbench")) / "data"


def raw_folder(dataset: Dataset, folder: Path) -> Path:
    """The folder that holds the dataset's files, laid out as torchvision does."""
    return folder if dataset.torchvision_class == "USPS" else folder / dataset.torchvision_class / "raw"


def is_present(dataset: Dataset, folder: Path) -> bool:
    """Whether the dataset can be loaded without a download (its files are there; their contents are not read)."""
    if dataset.source == "file":
        return is_in_use(dataset)
    return not dataset.file_md5 or all((raw_folder(dataset, folder) / name).is_file() for name in dataset.files)


def load(dataset: Dataset, folder: Path) -> Arrays:
    """Read and check a dataset; raises `UnusableEnvironmentError` on absent, damaged or foreign data."""
    if dataset.source == "file":
        return arrays_of(dataset)
    if dataset.source == "torchvision":
        return _read_files(dataset, folder)
    arrays = SMALL_DATASETS[dataset.name]()
    found = arrays_checksum(arrays)
    if found != dataset.checksum:
        raise UnusableEnvironmentError(
            f"{dataset.name}: the data from {dataset.source} differ from those actbench knows "
            f"(checksum {found[:12]}, expected {dataset.checksum[:12]}): install another version of {dataset.source}"
        )
    return arrays


def fetch(dataset: Dataset, folder: Path) -> None:
    """Download a dataset's files through torchvision into `folder`, all or none; raises `UnusableEnvironmentError`."""
    if is_present(dataset, folder):
        return
    from http.client import HTTPException

    target = raw_folder(dataset, folder)
    try:
        existing = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
        with tempfile.TemporaryDirectory(dir=existing, prefix=".fetch-") as staging:
            _download(dataset, Path(staging))
            target.mkdir(parents=True, exist_ok=True)
            _move_all([raw_folder(dataset, Path(staging)) / name for name in dataset.files], target)
    except (OSError, RuntimeError, HTTPException) as problem:
        cause = (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".: ")
        inside = raw_folder(dataset, Path()).as_posix()
        place = "that holds them" if inside == "." else f"above {inside}"
        raise UnusableEnvironmentError(
            f"{dataset.name} is not in {target} and could not be downloaded ({cause}). "
            f"Put its files ({', '.join(dataset.files)}) there, name the folder {place} with --data-dir or "
            "ACTBENCH_DATA, or use `dataset: digits`, which needs no download."
        ) from None


def _download(dataset: Dataset, staging: Path) -> None:
    """Let torchvision download to `staging`; of EMNIST the archive alone, since unpacked it takes 2 GB."""
    from torchvision import datasets

    published = getattr(datasets, dataset.torchvision_class)
    if dataset.torchvision_class == "EMNIST":
        target = raw_folder(dataset, staging)
        target.mkdir(parents=True)
        datasets.utils.download_url(published.url, str(target), dataset.files[0], published.md5)
    elif dataset.torchvision_class in ("QMNIST", "USPS"):
        for is_training in (True, False):
            published(staging, train=is_training, download=True)
    else:
        published(staging, download=True)


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


Parts = Sequence["NDArray[numpy.uint8] | NDArray[numpy.int64]"]


def _read_files(dataset: Dataset, folder: Path) -> Arrays:
    """The published files; pictures stand upright, as in MNIST, and classes are counted from 0."""
    read = {"EMNIST": _read_emnist, "USPS": _read_usps}.get(dataset.torchvision_class, _read_four_files)
    train_inputs, train_labels, test_inputs, test_labels = read(dataset, raw_folder(dataset, folder))
    return Arrays(
        train_inputs.reshape(dataset.train_count, dataset.features).astype(numpy.uint8, copy=False),
        train_labels.astype(numpy.int64),
        test_inputs.reshape(dataset.test_count, dataset.features).astype(numpy.uint8, copy=False),
        test_labels.astype(numpy.int64),
    )


def _read_four_files(dataset: Dataset, raw: Path) -> Parts:
    """Images and labels of both parts; QMNIST says more of an image than its class, which comes first."""
    side, is_more = math.isqrt(dataset.features), dataset.torchvision_class == "QMNIST"
    parts = []
    for number, (name, md5) in enumerate(zip(dataset.files, dataset.file_md5, strict=True)):
        count = dataset.train_count if number < 2 else dataset.test_count
        if number % 2 and is_more:
            parts.append(read_idx(raw / name, md5, (count, QMNIST_LABEL_FIELDS), INTEGERS)[:, 0])
        else:
            parts.append(read_idx(raw / name, md5, (count,) if number % 2 else (count, side, side)))
    return parts


def _read_emnist(dataset: Dataset, raw: Path) -> Parts:
    """The members of a part; its images lie on their side, and classes of letters are counted from 1."""
    split, side = dataset.name.removeprefix("emnist_"), math.isqrt(dataset.features)
    members: list[tuple[str, tuple[int, ...]]] = []
    for part, count in (("train", dataset.train_count), ("test", dataset.test_count)):
        members.append((f"gzip/emnist-{split}-{part}-images-idx3-ubyte.gz", (count, side, side)))
        members.append((f"gzip/emnist-{split}-{part}-labels-idx1-ubyte.gz", (count,)))
    found = read_idx_members(raw / dataset.files[0], dataset.file_md5[0], members)
    first = 1 if split == "letters" else 0
    return [part.transpose(0, 2, 1) if part.ndim == 3 else part.astype(numpy.int64) - first for part in found]


def _read_usps(dataset: Dataset, raw: Path) -> Parts:
    """Values from -1 to 1 as bytes, as torchvision makes them; classes are counted from 1."""
    parts: list[NDArray[numpy.uint8] | NDArray[numpy.int64]] = []
    for name, md5 in zip(dataset.files, dataset.file_md5, strict=True):
        values, labels = read_labelled_lines(raw / name, md5)
        parts += [((values + 1) / 2 * 255).astype(numpy.uint8), labels - 1]
    return parts


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
    return Arrays(inputs[:1437], labels[:1437], inputs[1437:], labels[1437:])


def _thermostat() -> Arrays:
    """Temperatures in degrees, class 1 above 130."""
    tenths = numpy.arange(2000)
    train, test = tenths / 10, (tenths + 0.5) / 10
    return Arrays(
        train.astype(numpy.float32)[:, None],
        (tenths > 1300).astype(numpy.int64),
        test.astype(numpy.float32)[:, None],
        (tenths + 0.5 > 1300).astype(numpy.int64),
    )


def _cube() -> Arrays:
    """Points of the unit cube, class 1 where the coordinates sum to more than 1.5."""
    points = numpy.random.Generator(numpy.random.PCG64(0)).random((3000, 3), dtype=numpy.float32)
    labels = (points.sum(axis=1, dtype=numpy.float64) > 1.5).astype(numpy.int64)
    return Arrays(points[:2000], labels[:2000], points[2000:], labels[2000:])


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
    labels = (order >= 1500).astype(numpy.int64)
    return Arrays(points[:2000], labels[:2000], points[2000:], labels[2000:])


SMALL_DATASETS = {"digits": _digits, "thermostat": _thermostat, "cube": _cube, "moons": _moons}
