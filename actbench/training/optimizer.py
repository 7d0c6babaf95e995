"""Training steps: the optimizer's for a stack whose trials have different learning rates and weight decays.

On the CPU compiled functions take the steps of Adam: one pass over the parameters, or over the sparse gradients.
On a GPU a step is replayed as a CUDA graph, which saves the launch overhead of Python.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from actbench.catalogue import optimizers
from actbench.catalogue.optimizers import Group
from actbench.experiment.settings import TrainSettings
from actbench.training.compiled import compiled_functions
from actbench.training.data import Images, SeedSplit
from actbench.training.network import LayerValues, Network, backward, forward, gather_batch, objective
from actbench.training.sparse import NO_STEP

CONSTANTS = 8
WARM_UP_STEPS = 3

Step = Callable[[Tensor, int, int], None]
"""Trains on the rows `[seeds, batch]`; the step's number and the total number of steps give the learning rate."""
Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a function launches on the device; the result launches it again on the same memory."""


class CompiledAdam:
    """The state of Adam or AdamW for the rows of a stack; each trial has its own learning rate and weight decay.

    `moments` are the running means of gradients and of their squares `[2, trials, elements]`, `constants` eight numbers
    for each trial that the functions need for a step, `steps` the number of steps so far, an integer, and
    `first_weights` the number of weights of the first layer.
    """

    def __init__(self, library: ctypes.CDLL, network: Network) -> None:
        optimizer, rows = network.trials[0].settings.train.optimizer, network.parameters.rows
        options = dict(optimizer.parameters)
        self.library, self.parameters = library, network.parameters
        self.rates = rates_of(network)
        self.is_decoupled = optimizer.entry.function is optimizers.adamw
        self.betas: tuple[float, float] = options["betas"]
        self.eps: float = options["eps"]
        self.moments, self.steps = torch.zeros(2, *rows.shape), torch.zeros((), dtype=torch.int64)
        self.constants = (ctypes.c_float * (CONSTANTS * len(rows)))()
        self.first_weights = network.parameters.named[0, "weight"].values[0].numel()
        self.pointers = rows.data_ptr(), self.moments[0].data_ptr(), self.moments[1].data_ptr()

    def begin_step(self, factor: float) -> None:
        """Begin a step with the learning rates times `factor`."""
        self.steps += 1
        count, (beta1, beta2) = int(self.steps), self.betas
        root = (1 - beta2**count) ** 0.5
        correction = 1 - beta1**count
        common = 1 - beta1, beta2, 1 - beta2, 1 / root, self.eps
        constants: list[float | ctypes.c_float] = []
        for lr, decay in self.rates:
            rest = (0.0, 1 - lr * factor * decay) if self.is_decoupled else (decay, 1.0)
            constants += *common, lr * factor / correction, *rest
        self.constants[:] = constants

    def first_layer(self) -> tuple[int, ...]:
        """Pointers to the constants, the first layer's weights, which begin each row, and their moments."""
        return ctypes.addressof(self.constants), *self.pointers

    def end_step(self, start: int) -> None:
        """Change the parameters from element `start` of each row on; those before have been changed already."""
        rows = self.parameters.rows
        self.library.adam_step(
            rows.shape[0], rows.stride(0), start, self.parameters.weights_end, rows.shape[1],
            self.parameters.gradient_rows.data_ptr(), *self.pointers, ctypes.addressof(self.constants),
        )  # fmt: skip


def rates_of(network: Network) -> list[tuple[float, float]]:
    """The learning rate and the weight decay of each trial."""
    trains = [trial.settings.train for trial in network.trials]
    return [(train.lr, train.resolved_weight_decay()) for train in trains]


def compiled_adam(network: Network) -> CompiledAdam | None:
    """The compiled optimizer of a stack on the CPU; None for other optimizers, and where it is not available."""
    library, optimizer = compiled_functions().library, network.trials[0].settings.train.optimizer
    is_adam = optimizer.entry.function in (optimizers.adam, optimizers.adamw)
    if library is None or not is_adam or dict(optimizer.parameters)["amsgrad"]:
        return None
    return CompiledAdam(library, network) if network.parameters.rows.device.type == "cpu" else None


@dataclass(frozen=True)
class Stepper:
    """The stack's parameter groups with their learning rates, and the settings with optimizer and schedule.

    `adam` takes the steps where it is available.
    """

    groups: tuple[tuple[float, Group], ...]
    train: TrainSettings
    adam: CompiledAdam | None = None


def create_stepper(network: Network) -> Stepper:
    """Parameter groups by learning rate and weight decay.

    Without weight decay, neighbouring trials share one tensor. With it, each trial has a tensor of weights, which
    decay, and one of everything else, which does not.
    """
    parameters = network.parameters
    groups: dict[tuple[float, float], tuple[list[Tensor], list[Tensor]]] = {}

    def add(lr: float, decay: float, *index: int | slice) -> None:
        tensors, gradients = groups.setdefault((lr, decay), ([], []))
        tensors.append(parameters.rows[index])
        gradients.append(parameters.gradient_rows[index])

    start = 0
    for (lr, decay), run in groupby(rates_of(network)):
        end = start + len(list(run))
        if decay == 0:
            add(lr, 0.0, slice(start, end))
        else:
            for trial in range(start, end):
                add(lr, decay, trial, slice(0, parameters.weights_end))
                add(lr, 0.0, trial, slice(parameters.weights_end, None))
        start = end
    return Stepper(
        tuple((lr, Group(tensors, gradients, decay)) for (lr, decay), (tensors, gradients) in groups.items()),
        network.trials[0].settings.train,
        compiled_adam(network),
    )


def descend(
    network: Network, stepper: Stepper, layers: Sequence[LayerValues], grad: Tensor, step: int, total_steps: int
) -> None:
    """Compute every parameter's gradient, given that by the scores, and move the parameters along them."""
    factor = schedule_factor(stepper.train, step, total_steps)
    if stepper.adam is None:
        backward(network, layers, grad)
        optimizer = stepper.train.optimizer
        for lr, group in stepper.groups:
            optimizer.entry.function(group, lr * factor, **dict(optimizer.parameters))
        return
    stepper.adam.begin_step(factor)
    is_fused = not isinstance(layers[0].inputs, Tensor)  # then its weights are changed with their gradients
    backward(network, layers, grad, stepper.adam.first_layer() if is_fused else NO_STEP)
    stepper.adam.end_step(start=stepper.adam.first_weights if is_fused else 0)


def schedule_factor(train: TrainSettings, step: int, total_steps: int) -> float:
    """The factor of the learning rate at a step, with s = step / total_steps.

    `constant`: 1; `cosine`: (1 + cos(pi * s)) / 2 (Loshchilov & Hutter 2017); `linear`: 1 - s.
    """
    progress = step / total_steps
    if train.schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1 - progress if train.schedule == "linear" else 1.0


@dataclass(frozen=True)
class Sums:
    """Loss and correct predictions of every trial so far in this epoch, both `[trials]`."""

    losses: Tensor
    hits: Tensor

    def clear(self) -> None:
        """Start a new epoch."""
        self.losses.zero_()
        self.hits.zero_()


def make_step(network: Network, stepper: Stepper, images: Images, splits: Sequence[SeedSplit], sums: Sums) -> Step:
    """The training step of the network; on a GPU, recorded and replayed if it is repeatable."""

    def step(rows: Tensor, number: int, total: int) -> None:
        inputs, labels = gather_batch(network, images, splits, rows)
        layers = forward(network, inputs, training=True)
        reached = objective(network, layers[-1].after, labels)
        descend(network, stepper, layers, reached.mean_gradient(), number, total)
        sums.losses.add_(reached.losses.sum(dim=1))
        sums.hits.add_((reached.predicted == labels).sum(dim=1))

    if images.inputs.device.type != "cuda" or not is_repeatable(network):
        return step
    return replayed(step, record_cuda_graph)


def is_repeatable(network: Network) -> bool:
    """Whether all steps launch the same operations: no random draws, and a constant learning rate."""
    has_dropout = any(layer.dropout for layer in network.layers[0])
    return not has_dropout and network.trials[0].settings.train.schedule == "constant"


def replayed(step: Step, record: Record) -> Step:
    """The step, recorded after a few runs and then replayed for batches of the first batch's size."""
    batch: list[Tensor] = []
    replays: list[Callable[[], None]] = []
    taken = 0

    def replay(rows: Tensor, number: int, total: int) -> None:
        nonlocal taken
        if not batch:
            batch.append(rows.clone(memory_format=torch.contiguous_format))
        if rows.shape != batch[0].shape or taken < WARM_UP_STEPS:
            taken += rows.shape == batch[0].shape
            step(rows, number, total)
            return
        batch[0].copy_(rows)
        if not replays:
            replays.append(record(lambda: step(batch[0], number, total)))
        replays[0]()

    return replay


def record_cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """Capture what the function launches, without running it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay
