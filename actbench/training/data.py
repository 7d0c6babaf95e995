"""Images in memory, and of each seed its random streams, its split, and the scaling of its inputs."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from actbench.catalogue.datasets import Arrays
from actbench.experiment.records import Phase
from actbench.experiment.settings import EVALUATION_IMAGES, DataSettings, Precision
from actbench.training.sparse import SparseInputs, may_be_sparse, sparse_inputs, with_nonzeros

MAX_SPLITS = 16

Stream = Literal["split", "init", "order", "dropout"]


def generator(phase: Phase, seed: int, stream: Stream, *position: int, device: str = "cpu") -> torch.Generator:
    """A generator for one stream of one seed, derived from these alone: no trial's numbers depend on another's.

    `position` is the layer, parameter or epoch within it. Tuning and final seeds are disjoint by construction, since
    the phase is part of what is hashed.
    """
    name = "/".join(["actbench", phase, str(seed), stream, *map(str, position)])
    state = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    return torch.Generator(device).manual_seed(state)


@dataclass(frozen=True)
class Images:
    """Inputs `[images, features]` as stored (uint8 or float32) and labels `[images]`, on the training device.

    `sparse` holds the inputs without their zeros, where the first layer is computed from them.
    """

    inputs: Tensor
    labels: Tensor
    sparse: SparseInputs | None = None


@dataclass(frozen=True)
class SeedSplit:
    """The training and validation rows of one seed, and the scaling (x - offset) / divisor."""

    train_rows: Tensor
    validation_rows: Tensor
    offset: float
    divisor: float

    @cached_property
    def scaled_bytes(self) -> Tensor:
        """What each byte is scaled to, `[256]`."""
        scaled = torch.empty(256)
        scale(torch.arange(256), self, out=scaled)
        return scaled

    @cached_property
    def table(self) -> Tensor:
        """What zero is scaled to, and what each byte from 1 to 255 is scaled to minus that, `[256]`."""
        return torch.cat([self.scaled_bytes[:1], self.scaled_bytes[1:] - self.scaled_bytes[0]])


def to_device(arrays: Arrays, device: torch.device) -> tuple[Images, Images]:
    """Training and test images on the device; on the CPU they share the read-only memory of the arrays."""

    def move(array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(device)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing writes to images
        return (
            Images(move(arrays.train_inputs), move(arrays.train_labels)),
            Images(move(arrays.test_inputs), move(arrays.test_labels)),
        )


@lru_cache(maxsize=1)
def training_and_test_images(arrays: Arrays, device_name: str, precision: Precision) -> tuple[Images, Images]:
    """Training and test images on the device, also without their zeros where that is faster.

    The last ones are kept, since a worker's next stack usually has the same images.
    """
    train, test = to_device(arrays, torch.device(device_name))
    nonzeros = with_nonzeros(arrays).nonzeros if may_be_sparse(device_name, precision) else None
    if nonzeros is None:
        return train, test
    return replace(train, sparse=sparse_inputs(nonzeros[0])), replace(test, sparse=sparse_inputs(nonzeros[1]))


def split_rows(labels: Tensor, data: DataSettings, phase: Phase, seed: int) -> tuple[Tensor, Tensor]:
    """Training and validation rows among the first `train_available` images.

    `stratified` walks through the seed's permutation class by class and holds out evenly spaced rows, so that every
    class is held out in proportion to within one image; `tail` holds out the last rows of the file.
    """
    available, held_out = data.train_available(), data.validation_count()
    rows = torch.arange(available)
    is_held_out = torch.zeros(available, dtype=torch.bool)
    if data.split == "tail":
        is_held_out[available - held_out :] = True
    elif held_out:
        shuffled = torch.randperm(available, generator=generator(phase, seed, "split"))
        by_class = shuffled[labels[:available].cpu()[shuffled].argsort(stable=True)]
        is_held_out[by_class[torch.arange(held_out) * available // held_out]] = True
    return rows[~is_held_out], rows[is_held_out]


@lru_cache(maxsize=MAX_SPLITS)
def seed_split(images: Images, data: DataSettings, phase: Phase, seed: int) -> SeedSplit:
    """The seed's rows on the images' device; `scale: standard` takes mean and deviation of its training rows.

    The last ones are kept, since stacks of other functions have the same seeds.
    """
    train_rows, validation_rows = split_rows(images.labels, data, phase, seed)
    device = images.inputs.device
    train_rows, validation_rows = train_rows.to(device), validation_rows.to(device)
    offset, divisor = 0.0, data.divisor()
    if divisor is None:
        values = images.inputs[train_rows].cpu().double()
        offset, divisor = float(values.mean()), float(values.std(correction=0)) or 1.0
    return SeedSplit(train_rows, validation_rows, offset, divisor)


def scale(stored: Tensor, split: SeedSplit, out: Tensor) -> None:
    """Write (x - offset) / divisor of stored inputs to `out`, in float32."""
    out.copy_(stored)
    if split.offset:
        out -= split.offset
    if split.divisor != 1:
        out /= split.divisor


def epoch_rows(split: SeedSplit, phase: Phase, seed: int, epoch: int, *, shuffle: bool) -> Tensor:
    """The order in which one epoch visits the training rows."""
    if not shuffle:
        return split.train_rows
    order = torch.randperm(len(split.train_rows), generator=generator(phase, seed, "order", epoch))
    return split.train_rows[order.to(split.train_rows.device)]


def blocks(rows: Tensor) -> Iterator[Tensor]:
    """Rows `[seeds, images]` in blocks for evaluation."""
    return iter(torch.split(rows, EVALUATION_IMAGES, dim=1))
