"""The final weights of trials: one npz file each in a folder of the result folder, which nothing else needs."""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

from actbench.experiment.layers import weight_shapes
from actbench.experiment.records import Weights
from actbench.experiment.settings import TrialSettings
from actbench.lazy import numpy
from actbench.store.files import HeldFolder, hold, replace_file, require_regular_file
from actbench.store.lock import leftovers

FOLDER = "weights"
ENDING = ".npz"
MAX_HEADER_BYTES = 1024


def weights_file(folder: Path, trial: str) -> Path:
    """Where a result folder has a trial's final weights."""
    return folder / FOLDER / f"{trial}{ENDING}"


def kept_trials(folder: Path) -> set[str]:
    """The trials that have a file of weights."""
    return {path.name.removesuffix(ENDING) for path in (folder / FOLDER).glob(f"*{ENDING}")}


def write_weights(held: HeldFolder, weights: Weights) -> None:
    """Write a trial's weights into a locked result folder, all or nothing."""
    with hold(held.path / FOLDER, inside=held) as folder:
        replace_file(folder.file(f"{weights.trial}{ENDING}"), [weights.content])


def remove_leftovers(held: HeldFolder) -> None:
    """Remove what a killed run was still writing."""
    with hold(held.path / FOLDER, inside=held) as folder:
        for path in leftovers(folder.path):
            folder.file(path.name).remove()


def remove_weights(held: HeldFolder, trial: str) -> None:
    """Remove a trial's weights from a locked result folder, if they are there."""
    with hold(held.path / FOLDER, inside=held) as folder:
        folder.file(f"{trial}{ENDING}").remove()


def read_weights(folder: Path, trial: str, settings: TrialSettings) -> dict[str, Any]:
    """A trial's final weights as numpy arrays, by names such as `layer1.weight`; raises `ValueError` if damaged."""
    path, shapes = weights_file(folder, trial), weight_shapes(settings)
    require_regular_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            if {member.filename for member in archive.infolist()} != {f"{name}.npy" for name in shapes}:
                raise ValueError("not the parameters of its trial's network")
            return {name: _read_array(archive, name, shape) for name, shape in shapes.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        raise ValueError(f"damaged ({problem})") from None


def _read_array(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...]) -> Any:
    """One array, read only if it is as large as it should be: a header can promise any size."""
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > MAX_HEADER_BYTES + 4 * math.prod(shape):
        raise ValueError(f"{name} is larger than {shape}")
    with archive.open(member) as file:
        numpy.lib.format.read_magic(file)
        given, _, kind = numpy.lib.format.read_array_header_1_0(file)
        if given != shape or kind != numpy.float32:
            raise ValueError(f"{name} is not of shape {shape} in float32")
        return numpy.frombuffer(file.read(), numpy.float32).reshape(shape)
