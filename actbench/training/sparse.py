"""Inputs that are mostly zero: stored without their zeros, and multiplied with the first layer's weights."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from actbench.experiment.settings import Precision
from actbench.training.compiled import compiled_functions

MIN_ZERO_SHARE = 0.6
"""Leaving zeros out was faster from about half on, measured with AVX2; wider units multiply dense inputs faster."""
MAX_FEATURES = 2**16 - 1
GRADIENT_IMAGES = 128
NO_STEP = (0, 0, 0, 0)


@dataclass(frozen=True)
class SparseInputs:
    """Inputs `[images, features]` of bytes without their zeros.

    `columns` and `values` hold what is not zero, image by image; `starts` `[images + 1]` is where each begins.
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
            len(out), self.seed_index.data_ptr(), self.rows.shape[1], *self._pointers(), *weight.shape[1:],
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
            len(grad), self.seed_index.data_ptr(), *self.rows.shape, *self._pointers(), *weight_gradient.shape[1:],
            grad.data_ptr(), weight_gradient.data_ptr(), weight_gradient.stride(0), bias_gradient.data_ptr(),
            bias_gradient.stride(0), self.inputs.lengths.data_ptr(), self.inputs.places.data_ptr(), *step,
        )  # fmt: skip

    def _pointers(self) -> tuple[int, ...]:
        tensors = self.rows, self.inputs.starts, self.inputs.columns, self.inputs.values, self.tables
        return tuple(tensor.data_ptr() for tensor in tensors)


def is_sparse_faster(inputs: Tensor, precision: Precision) -> bool:
    """Whether a first layer is computed without the zeros of these training inputs.

    They must be bytes on the CPU, most of them zero, the precision float32, and the compiled functions available.
    """
    return (
        precision == "float32"
        and inputs.device.type == "cpu"
        and inputs.dtype == torch.uint8
        and inputs.shape[1] <= MAX_FEATURES
        and zero_share(inputs) >= MIN_ZERO_SHARE
        and compiled_functions().library is not None
    )


def zero_share(inputs: Tensor) -> float:
    """The share of zeros among stored inputs."""
    return 1 - float(torch.count_nonzero(inputs)) / max(inputs.numel(), 1)


def compress(dense: Tensor) -> SparseInputs:
    """The inputs without their zeros; raises `RuntimeError` without the compiled functions."""
    library = compiled_functions().library
    if library is None:
        raise RuntimeError(f"no compiled functions: {compiled_functions().reason}")
    count, features = dense.shape
    room = int(torch.count_nonzero(dense)) + 1  # the last zero is written, and not counted
    starts = torch.empty(count + 1, dtype=torch.int64)
    columns, values = torch.empty(room, dtype=torch.uint16), torch.empty(room, dtype=torch.uint8)
    library.compress_images(dense.data_ptr(), count, features, starts.data_ptr(), columns.data_ptr(), values.data_ptr())
    lengths = torch.empty(features, dtype=torch.int32)
    places = torch.empty(features, GRADIENT_IMAGES, dtype=torch.uint16)
    return SparseInputs(library, starts, columns, values, lengths, places)
