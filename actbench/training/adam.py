"""Adam by compiled functions, for a stack on the CPU: one pass over the parameters, or over the sparse gradients."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import torch
from torch import Tensor

from actbench.catalogue import optimizers
from actbench.training.compiled import compiled_functions
from actbench.training.network import Network

CONSTANTS = 8


@dataclass
class CompiledAdam:
    """The state of Adam or AdamW for the rows of a stack; the settings are one value for each trial.

    `moments` are the running means of gradients and of their squares `[2, trials, elements]`, `constants` eight numbers
    for each trial that the functions need for a step, `steps` the number of steps so far, an integer.
    """

    library: ctypes.CDLL
    network: Network
    rates: tuple[float, ...]
    decays: tuple[float, ...]
    is_decoupled: bool
    betas: tuple[float, float]
    eps: float
    moments: Tensor
    steps: Tensor
    constants: ctypes.Array[ctypes.c_float] = field(init=False)
    pointers: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        rows = self.network.parameters.rows
        self.constants = (ctypes.c_float * (CONSTANTS * len(rows)))()
        self.pointers = rows.data_ptr(), self.moments[0].data_ptr(), self.moments[1].data_ptr()

    def begin_step(self, factor: float) -> None:
        """Begin a step with the learning rates times `factor`."""
        self.steps += 1
        count, (beta1, beta2) = int(self.steps), self.betas
        root = (1 - beta2**count) ** 0.5
        for trial, (lr, decay) in enumerate(zip(self.rates, self.decays, strict=True)):
            self.constants[CONSTANTS * trial : CONSTANTS * (trial + 1)] = [
                1 - beta1, beta2, 1 - beta2, 1 / root, self.eps, lr * factor / (1 - beta1**count),
                0.0 if self.is_decoupled else decay, 1 - lr * factor * decay if self.is_decoupled else 1.0,
            ]  # fmt: skip

    def first_layer(self) -> tuple[int, ...]:
        """Pointers to the constants, the first layer's weights, which begin each row, and their moments."""
        return ctypes.addressof(self.constants), *self.pointers

    def end_step(self, start: int) -> None:
        """Change the parameters from element `start` of each row on; those before have been changed already."""
        parameters = self.network.parameters
        rows = parameters.rows
        self.library.adam_step(
            len(rows), rows.stride(0), start, parameters.weights_end, rows.shape[1],
            parameters.gradient_rows.data_ptr(), *self.pointers, ctypes.addressof(self.constants),
        )  # fmt: skip


def compiled_adam(network: Network) -> CompiledAdam | None:
    """The compiled optimizer of a stack on the CPU; None for other optimizers, and where it is not available."""
    library = compiled_functions().library
    train = network.trials[0].settings.train
    function, options = train.optimizer.entry.function, dict(train.optimizer.parameters)
    rows = network.parameters.rows
    if (
        library is None
        or rows.device.type != "cpu"
        or function not in (optimizers.adam, optimizers.adamw)
        or options.get("amsgrad", False)
    ):
        return None
    return CompiledAdam(
        library,
        network,
        rates=tuple(trial.settings.train.lr for trial in network.trials),
        decays=tuple(trial.settings.train.resolved_weight_decay() for trial in network.trials),
        is_decoupled=function is optimizers.adamw,
        betas=options.get("betas", (0.9, 0.999)),
        eps=options.get("eps", 1e-8),
        moments=torch.zeros(2, *rows.shape),
        steps=torch.zeros((), dtype=torch.int64),
    )
