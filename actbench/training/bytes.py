"""Stored bytes multiplied in bf16 with the first layer's weights, on a processor with AMX."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch
from torch import Tensor

from actbench.experiment.settings import Precision
from actbench.training.compiled import compiled_functions
from actbench.training.sparse import NO_STEP


@dataclass(frozen=True)
class ByteBatch:
    """A batch of every seed as it is stored, `[seeds, batch, features]`.

    `scaled` `[seeds, 256]` is what each byte stands for, `seed_index` `[trials]` each trial's seed, `library` holds the
    functions.
    """

    library: ctypes.CDLL
    stored: Tensor
    scaled: Tensor
    seed_index: Tensor

    def multiply(self, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        """The products with weights `[trials, features, units]` plus biases, written to `[trials, batch, units]`."""
        self.library.tile_images_forward(
            len(out), *self._batch(), weight.shape[2], weight.data_ptr(), weight.stride(0),
            bias.data_ptr(), bias.stride(0), out.data_ptr(),
        )  # fmt: skip
        return out

    def write_gradients(
        self, grad: Tensor, weight_gradient: Tensor, bias_gradient: Tensor, step: tuple[int, ...] = NO_STEP
    ) -> None:
        """Write the gradients by weights and biases, given that by the products, `[trials, batch, units]`.

        With the pointers of a step of Adam, the weights are changed along their gradients, which are not kept.
        """
        self.library.tile_images_gradient(
            len(grad), *self._batch(), grad.shape[2], grad.data_ptr(), weight_gradient.data_ptr(),
            weight_gradient.stride(0), bias_gradient.data_ptr(), bias_gradient.stride(0), *step,
        )  # fmt: skip

    def _batch(self) -> tuple[int, ...]:
        return self.seed_index.data_ptr(), *self.stored.shape, self.stored.data_ptr(), self.scaled.data_ptr()


def library_for_bytes(inputs: Tensor, precision: Precision) -> ctypes.CDLL | None:
    """The compiled functions, where they multiply these stored inputs as they are."""
    compiled, is_taken = compiled_functions(), inputs.dtype == torch.uint8 and inputs.device.type == "cpu"
    return compiled.library if is_taken and precision == "bf16" and compiled.has_tiles else None
