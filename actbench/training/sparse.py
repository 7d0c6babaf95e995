"""Inputs that are mostly zero: stored without their zeros, and multiplied with the first layer's weights."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from actbench.catalogue.arrays import Arrays, Nonzeros
from actbench.experiment.settings import Precision
from actbench.lazy import NDArray, Tensor, numpy, torch  # the parent of the workers uses no torch
from actbench.training.compiled import compiled_functions

MIN_ZERO_SHARE = 0.6
"""Leaving zeros out was faster from about half on, measured with AVX2; wider units multiply dense inputs faster."""
MAX_FEATURES = 2**16 - 1
GRADIENT_IMAGES = 128
NO_STEP = (0, 0, 0, 0)


@dataclass(frozen=True)
class SparseInputs:
    """Inputs without their zeros as the compiled functions take them, whose `library` it is.

    `lengths` `[features]` and `places` `[features, 128]` are memory for a transposed batch.
    """

    library: ctypes.CDLL
    starts: Tensor
    columns: Tensor
    values: Tensor
    lengths: Tensor
    places: Tensor


@dataclass(frozen=True)
class SparseBatch:
    """A batch of every seed: rows `[seeds, batch]` of the inputs, and what each byte is scaled to.

    In `tables` `[seeds, 256]`, element 0 is what zeros become, the others what the byte becomes minus that.
    `seed_index` `[trials]` is each trial's seed.
    """

    inputs: SparseInputs
    rows: Tensor
    tables: Tensor
    seed_index: Tensor

    def multiply(self, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        """The products with weights `[trials, features, units]` plus biases, written to `[trials, batch, units]`."""
        self.inputs.library.sparse_forward(
            out.shape[0], self.seed_index.data_ptr(), self.rows.shape[1], *self._pointers(), *weight.shape[1:],
            weight.data_ptr(), weight.stride(0), bias.data_ptr(), bias.stride(0), out.data_ptr(),
        )  # fmt: skip
        return out

    def write_gradients(
        self, grad: Tensor, weight_gradient: Tensor, bias_gradient: Tensor, step: tuple[int, ...] = NO_STEP
    ) -> None:
        """Write the gradients by weights and biases, given that by the products, `[trials, batch, units]`.

        With the pointers of a step of Adam, the weights are changed along their gradients, which are not kept.
        """
        self.inputs.library.sparse_gradient(
            grad.shape[0], self.seed_index.data_ptr(), *self.rows.shape, *self._pointers(), *weight_gradient.shape[1:],
            grad.data_ptr(), weight_gradient.data_ptr(), weight_gradient.stride(0), bias_gradient.data_ptr(),
            bias_gradient.stride(0), self.inputs.lengths.data_ptr(), self.inputs.places.data_ptr(), *step,
        )  # fmt: skip

    def _pointers(self) -> tuple[int, ...]:
        tensors = self.rows, self.inputs.starts, self.inputs.columns, self.inputs.values, self.tables
        return tuple(tensor.data_ptr() for tensor in tensors)


def may_be_sparse(device_name: str, precision: Precision) -> bool:
    """Whether a first layer can be computed there without the zeros of its inputs."""
    return device_name == "cpu" and precision == "float32"


@lru_cache(maxsize=1)
def with_nonzeros(arrays: Arrays) -> Arrays:
    """The arrays, also without their zeros where a first layer is computed faster so.

    They must be bytes, most of them zero, and the compiled functions available.
    """
    inputs = arrays.train_inputs
    is_faster = (
        arrays.nonzeros is None
        and inputs.dtype == numpy.uint8
        and inputs.shape[1] <= MAX_FEATURES
        and zero_share(inputs) >= MIN_ZERO_SHARE
        and compiled_functions().library is not None
    )
    return replace(arrays, nonzeros=(compress(inputs), compress(arrays.test_inputs))) if is_faster else arrays


def zero_share(inputs: NDArray[Any]) -> float:
    """The share of zeros among stored inputs."""
    return 1 - float(numpy.count_nonzero(inputs)) / max(inputs.size, 1)


def compress(dense: NDArray[Any]) -> Nonzeros:
    """The inputs `[images, features]` without their zeros; raises `RuntimeError` without the compiled functions."""
    library, dense = _library(), numpy.ascontiguousarray(dense)
    count, features = dense.shape
    room = int(numpy.count_nonzero(dense)) + 1  # the last zero is written, and not counted
    starts = numpy.empty(count + 1, numpy.int64)
    columns, values = numpy.empty(room, numpy.uint16), numpy.empty(room, numpy.uint8)
    places = (array.ctypes.data for array in (starts, columns, values))
    library.compress_images(dense.ctypes.data, count, features, *places)
    return Nonzeros(features, starts, columns, values)


def sparse_inputs(nonzeros: Nonzeros) -> SparseInputs:
    """The inputs as the compiled functions take them; raises `RuntimeError` without these."""
    return SparseInputs(
        library=_library(),
        starts=torch.from_numpy(nonzeros.starts),
        columns=torch.from_numpy(nonzeros.columns),
        values=torch.from_numpy(nonzeros.values),
        lengths=torch.empty(nonzeros.features, dtype=torch.int32),
        places=torch.empty(nonzeros.features, GRADIENT_IMAGES, dtype=torch.uint16),
    )


def _library() -> ctypes.CDLL:
    if (library := compiled_functions().library) is None:
        raise RuntimeError(f"no compiled functions: {compiled_functions().reason}")
    return library
