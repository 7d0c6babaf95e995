"""The images as torchvision's `MNIST`: pictures that are converted to tensors on access."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader, Subset
from torchvision.datasets import MNIST
from torchvision.transforms import ToTensor

from actbench.catalogue.datasets import FILES, data_folder, load
from benchmarks.job import Job

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

BRIGHTEST = 255


def create_loaders(job: Job, folder: Path) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Loaders of the training images, shuffled, and of the validation images; the unpacked files go to `folder`."""
    arrays = load(job.facts(), data_folder(None))
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, array in zip(
        FILES, (arrays.train_inputs, arrays.train_labels, arrays.test_inputs, arrays.test_labels), strict=True
    ):
        write_idx(raw / Path(name).stem, array, brightness=BRIGHTEST // int(job.facts().maximum))
    images = MNIST(folder, train=True, transform=ToTensor())
    end = job.train_count + job.validation_count
    training, validation = Subset(images, range(job.train_count)), Subset(images, range(job.train_count, end))
    return DataLoader(training, job.batch_images, shuffle=True), DataLoader(validation, job.batch_images)


def write_idx(path: Path, array: NDArray[numpy.generic], brightness: int) -> None:
    """Images `[images, features]`, times `brightness`, or labels `[images]`, in the format of MNIST's files."""
    is_images = array.ndim == 2
    side = math.isqrt(array.shape[-1])
    shape = (len(array), side, side) if is_images else array.shape
    values = (array * brightness if is_images else array).astype("uint8")
    path.write_bytes(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + values.tobytes())
