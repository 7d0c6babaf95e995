"""One training step, and its replay as a CUDA graph, which saves the launch overhead of Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from actbench.training.data import Images, SeedSplit
from actbench.training.network import Network, forward, gather_batch, objective
from actbench.training.optimizer import Stepper, descend

WARM_UP_STEPS = 3

Step = Callable[[Tensor, int, int], None]
"""Trains on the rows `[seeds, batch]`; the step's number and the total number of steps give the learning rate."""
Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Records what a function launches on the device; the result launches it again on the same memory."""


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
