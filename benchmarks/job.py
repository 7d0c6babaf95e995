"""The job that every contestant does, and its images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.catalogue.datasets import DATASETS, Dataset, data_folder, load

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

HIDDEN = (256, 128)
BATCH_IMAGES = 128
EVALUATION_IMAGES = 1000
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Job:
    """Train on the first images of a dataset, validate on the next ones after each epoch.

    A model whose validation accuracy ends below `required_accuracy` has not learnt. A contestant trains at most
    `max_epochs`.
    """

    dataset: str = "mnist"
    train_count: int = 50_000
    validation_count: int = 10_000
    batch_images: int = BATCH_IMAGES
    max_epochs: int = 3
    required_accuracy: float = 0.90

    def facts(self) -> Dataset:
        """The dataset's entry in the catalogue."""
        return DATASETS[self.dataset]

    def widths(self) -> tuple[int, ...]:
        """Units of every layer, from the inputs to the scores."""
        return self.facts().features, *HIDDEN, self.facts().classes

    def steps(self) -> int:
        """Batches in an epoch, the last one smaller where the images do not divide evenly."""
        return math.ceil(self.train_count / self.batch_images)


FULL = Job()
QUICK = Job("digits", train_count=1200, validation_count=200, batch_images=16, max_epochs=1, required_accuracy=0.20)


@dataclass(frozen=True)
class Images:
    """Inputs `[images, features]` in [0, 1] as float32, labels `[images]` as int64."""

    train_inputs: NDArray[numpy.float32]
    train_labels: NDArray[numpy.int64]
    validation_inputs: NDArray[numpy.float32]
    validation_labels: NDArray[numpy.int64]


def load_images(job: Job) -> Images:
    """The job's images, out of the dataset's training part; raises `UnusableEnvironmentError` if they are missing."""
    import numpy

    arrays = load(job.facts(), data_folder(None))
    end = job.train_count + job.validation_count
    inputs = arrays.train_inputs[:end].astype(numpy.float32) / numpy.float32(job.facts().maximum)
    cut = job.train_count
    return Images(inputs[:cut], arrays.train_labels[:cut], inputs[cut:], arrays.train_labels[cut:end])
