"""Datasets: facts about each, and loading as arrays that are checked against a pinned checksum."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import tempfile
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from actbench.catalogue import own_data
from actbench.catalogue.arrays import Arrays as Arrays
from actbench.catalogue.arrays import Dataset as Dataset
from actbench.catalogue.arrays import arrays_checksum as arrays_checksum
from actbench.catalogue.image_files import INTEGERS, read_idx, read_idx_members, read_labelled_lines
from actbench.errors import UnusableEnvironmentError
from actbench.lazy import NDArray, numpy

FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz",
)  # fmt: skip
QMNIST_FILES = (
    "qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz",
    "qmnist-test-images-idx3-ubyte.gz", "qmnist-test-labels-idx2-int.gz",
)  # fmt: skip
QMNIST_LABEL_FIELDS = 8
EMNIST_REFERENCE, EMNIST_ARCHIVE = "Cohen, Afshar, Tapson & van Schaik 2017", "58c8d27c78d21e728a6bc7b3cc06412e"


def _published(
    name: str, summary: str, reference: str, torchvision_class: str, digests: str, identity: str = "", **other: Any
) -> Dataset:
    """Images that torchvision downloads, by their MD5 digests, with the numbers of MNIST unless others are given."""
    usual = {"features": 784, "classes": 10, "output_units": 10, "train_count": 60_000, "test_count": 10_000}
    return Dataset(
        name=name,
        summary=summary,
        reference=reference,
        source="torchvision",
        maximum=255,
        checksum=hashlib.sha256(f"{digests} {identity}".strip().encode()).hexdigest(),
        torchvision_class=torchvision_class,
        file_md5=tuple(digests.split()),
        **usual | {"files": FILES} | other,
    )


def _emnist(split: str, summary: str, classes: int, train_count: int, test_count: int) -> Dataset:
    """A part of EMNIST, of which torchvision publishes the digest of the archive with all parts."""
    facts: Any = {"classes": classes, "output_units": classes, "train_count": train_count, "test_count": test_count}
    given = f"emnist_{split}", summary, EMNIST_REFERENCE, "EMNIST", EMNIST_ARCHIVE, split
    return _published(*given, **facts, files=("gzip.zip",))


_ALL = (
    _published("mnist", "28x28 handwritten digits", "LeCun, Cortes & Burges 1998", "MNIST",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432 "
        "9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c"),
    _published("fashion_mnist", "28x28 pictures of clothes", "Xiao, Rasul & Vollgraf 2017", "FashionMNIST",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d 25c81989df183df01b3e8a0aad5dffbe "
        "bef4ecab320f06d8554ea6380940ec79 bb300cfdad3c16e7a12a480ee83cd310"),
    _published("kmnist", "28x28 cursive Japanese characters", "Clanuwat et al. 2018", "KMNIST",
        "bdb82020997e1d708af4cf47b453dcf7 e144d726b3acfaa3e44228e80efcd344 "
        "5c965bf0a639b31b8f53240b1b52f4d7 7320c461ea6c1c855c0b718fb2a4b134"),
    _emnist("balanced", "28x28 handwritten digits and letters, 47 classes of equal size", 47, 112_800, 18_800),
    _emnist("digits", "28x28 handwritten digits, 28,000 of each", 10, 240_000, 40_000),
    _emnist("letters", "28x28 handwritten letters, small and capital ones as one class", 26, 124_800, 20_800),
    _published("qmnist",
        "28x28 handwritten digits: MNIST with all 60,000 test images, the first 10,000 of which match MNIST's",
        "Yadav & Bottou 2019", "QMNIST",
        "ed72d4157d28c017586c42bc6afe6370 0058f8dd561b90ffdd0f734c6a30e5e4 "
        "1394631089c404de565df7b7aeaf9412 5b5b05890a5e13444e108efe57b788aa",
        test_count=60_000, files=QMNIST_FILES),
    _published("usps", "16x16 handwritten digits from envelopes", "Hull 1994", "USPS",
        "ec16c51db3855ca6c91edd34d0e9b197 8ea070ee2aca1ac39742fdd1ef5ed118",
        features=256, train_count=7291, test_count=2007, files=("usps.bz2", "usps.t.bz2")),
    Dataset("digits", "8x8 handwritten digits that come with scikit-learn; the last 360 images are the test set",
        "Alpaydin & Kaynak 1998, UCI optical recognition of handwritten digits", "scikit-learn",
        features=64, classes=10, output_units=10, train_count=1437, test_count=360, maximum=16,
        checksum="31dcedcb6e14491373b0b8542e96c9e1d8550166025cf3014c2bc02df5028e1a"),
    Dataset("thermostat",
        "a temperature, 0.0 to 199.9 degrees; class 1 above 130; tested half a step above each training point",
        "made by rule", "generated",
        features=1, classes=2, output_units=1, train_count=2000, test_count=2000, maximum=200,
        checksum="9c835c59a13fd15e9a1f132e71d377db53952e227905896f069e934b7e0c3f71"),
    Dataset("cube",
        "points drawn uniformly from the unit cube; class 1 where the three coordinates sum to more than 1.5",
        "made by rule", "generated",
        features=3, classes=2, output_units=2, train_count=2000, test_count=1000, maximum=1,
        checksum="c782a78c25c56eb45b4e15c49e94e0e7fa75b58c4df3c518c1df51c44200e2be"),
    Dataset("moons", "points of two interleaving half circles in the plane, with noise; scikit-learn's make_moons",
        "made by rule", "generated",
        features=2, classes=2, output_units=2, train_count=2000, test_count=1000, maximum=2.5,
        checksum="d9625e23af85266cea176d5fb21eb42d92eb5f0b4373660affee7ac4990ccd54"),
)  # fmt: skip
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
    """The folder that holds the dataset's files, laid out as torchvision does."""
    return folder if dataset.torchvision_class == "USPS" else folder / dataset.torchvision_class / "raw"


def is_present(dataset: Dataset, folder: Path) -> bool:
    """Whether the dataset can be loaded without a download (its files are there; their contents are not read)."""
    if dataset.source == "file":
        return own_data.is_in_use(dataset)
    return not dataset.file_md5 or all((raw_folder(dataset, folder) / name).is_file() for name in dataset.files)


def load(dataset: Dataset, folder: Path) -> Arrays:
    """Read and check a dataset; raises `UnusableEnvironmentError` on absent, damaged or foreign data."""
    if dataset.source == "file":
        return own_data.arrays_of(dataset)
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
    """The dataset's files, checked; pictures stand upright, as in MNIST, and classes are counted from 0."""
    raw, names = raw_folder(dataset, folder), dataset.files
    read = {"EMNIST": _read_emnist, "USPS": _read_usps}.get(dataset.torchvision_class, _read_four_files)
    train_inputs, train_labels, test_inputs, test_labels = read(dataset, raw)
    for name, labels in ((names[len(names) // 2 - 1], train_labels), (names[-1], test_labels)):
        if labels.min() < 0 or labels.max() >= dataset.classes:
            wrong = labels.min() if labels.min() < 0 else labels.max()
            raise UnusableEnvironmentError(
                f"{raw / name}: expected labels from 0 to {dataset.classes - 1}, found {wrong}"
            )
    return Arrays(
        train_inputs.reshape(dataset.train_count, dataset.features).astype(numpy.uint8, copy=False),
        train_labels.astype(numpy.int64),
        test_inputs.reshape(dataset.test_count, dataset.features).astype(numpy.uint8, copy=False),
        test_labels.astype(numpy.int64),
    )


def _read_four_files(dataset: Dataset, raw: Path) -> Parts:
    """Images and labels of both parts; QMNIST says more of an image than its class, which comes first."""
    side, is_more = math.isqrt(dataset.features), dataset.files == QMNIST_FILES
    parts = []
    for number, (name, md5) in enumerate(zip(dataset.files, dataset.file_md5, strict=True)):
        count = dataset.train_count if number < 2 else dataset.test_count
        if number % 2 == 0:
            parts.append(read_idx(raw / name, md5, (count, side, side)))
        elif is_more:
            parts.append(read_idx(raw / name, md5, (count, QMNIST_LABEL_FIELDS), INTEGERS)[:, 0])
        else:
            parts.append(read_idx(raw / name, md5, (count,)))
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
    counts = (dataset.train_count, dataset.test_count)
    for name, md5, count in zip(dataset.files, dataset.file_md5, counts, strict=True):
        values, labels = read_labelled_lines(raw / name, md5, count, dataset.features)
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
