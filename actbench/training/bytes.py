"""Stored bytes multiplied in bf16 with the first layer's weights, on a processor with AMX."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from actbench.experiment.settings import Precision
from actbench.training.compiled import compiled_functions
from actbench.training.sparse import NO_STEP

TILE_ROWS, TILE_INPUTS = 16, 32


@dataclass
class PackedWeights:
    """The first layer's weights rounded to bf16 and packed in tiles, `[trials, elements]`.

    They are current while only steps of Adam along the gradients of batches change the weights.
    """

    library: ctypes.CDLL
    tiles: Tensor
    is_current: bool = False


def packed_weights(
    trials: int, features: int, units: int, precision: Precision, device: torch.device
) -> PackedWeights | None:
    """Memory for the first layer's weights in tiles; None where stored bytes are not multiplied in bf16."""
    compiled = compiled_functions()
    if compiled.library is None or not compiled.has_tiles or precision != "bf16" or device.type != "cpu":
        return None
    elements = math.ceil(units / TILE_ROWS) * math.ceil(features / TILE_INPUTS) * TILE_ROWS * TILE_INPUTS
    return PackedWeights(compiled.library, torch.empty(trials, elements, dtype=torch.bfloat16))


@dataclass(frozen=True)
class ByteBatch:
    """A batch of every seed as it is stored, `[seeds, batch, features]`.

    `scaled` `[seeds, 256]` is what each byte stands for, `seed_index` `[trials]` each trial's seed.
    """

    packed: PackedWeights
    stored: Tensor
    scaled: Tensor
    seed_index: Tensor

    def multiply(self, weight: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        """The products with weights `[trials, features, units]` plus biases, written to `[trials, batch, units]`."""
        self.packed.library.tile_images_forward(
            out.shape[0], *self._batch(), weight.shape[2], weight.data_ptr(), weight.stride(0),
            self.packed.tiles.data_ptr(), self.packed.is_current, bias.data_ptr(), bias.stride(0), out.data_ptr(),
        )  # fmt: skip
        self.packed.is_current = True
        return out

    def write_gradients(
        self, grad: Tensor, weight_gradient: Tensor, bias_gradient: Tensor, step: tuple[int, ...] = NO_STEP
    ) -> None:
        """Write the gradients by weights and biases, given that by the products, `[trials, batch, units]`.

        With the pointers of a step of Adam, the weights are changed along their gradients, which are not kept.
        """
        self.packed.is_current &= step != NO_STEP
        self.packed.library.tile_images_gradient(
            grad.shape[0], *self._batch(), grad.shape[2], grad.data_ptr(), weight_gradient.data_ptr(),
            weight_gradient.stride(0), bias_gradient.data_ptr(), bias_gradient.stride(0),
            self.packed.tiles.data_ptr(), *step,
        )  # fmt: skip

    def _batch(self) -> tuple[int, ...]:
        return self.seed_index.data_ptr(), *self.stored.shape, self.stored.data_ptr(), self.scaled.data_ptr()
