"""A loop that a careful user writes in torch: one model after another, without anything that costs time needlessly.

The images are tensors in memory, put into the epoch's order at once and taken in slices; `nn.Sequential`, cross
entropy, fused Adam, gradients set to None, no number read back before the epoch's end, evaluation in large batches.
One-thread processes, one for each core, with the models shared out among them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from actbench.processes import available_cores
from benchmarks.job import EVALUATION_IMAGES, LEARNING_RATE, Job
from benchmarks.measurement import Measurement, measurement_of
from benchmarks.torch_model import create_model, load_tensors
from benchmarks.workers import time_together

EPOCHS = 2


def measure(job: Job, name: str) -> Measurement:
    """One model in each process."""
    cores, epochs = available_cores(), min(EPOCHS, job.max_epochs)
    seconds, accuracies = time_together(prepare, (job, epochs), cores)
    return measurement_of(name, seconds, cores, epochs, min(accuracies))


def prepare(job: Job, epochs: int, process: int) -> Callable[[], float]:
    """A model that trains when called, and gives its validation accuracy."""
    training, validation = load_tensors(job)
    torch.manual_seed(process)
    model = create_model(job)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)

    def run() -> float:
        accuracy = 0.0
        for _ in range(epochs):
            train_epoch(model, optimizer, *training, job.batch_images)
            accuracy = evaluate(model, *validation)
        return accuracy

    return run


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor, batch_images: int
) -> None:
    """One pass over the images in a new order."""
    order = torch.randperm(len(inputs))
    batches = zip(torch.split(inputs[order], batch_images), torch.split(labels[order], batch_images), strict=True)
    for batch, batch_labels in batches:
        loss = cross_entropy(model(batch), batch_labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


@torch.no_grad()
def evaluate(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The share of images that the model gets right."""
    blocks = zip(torch.split(inputs, EVALUATION_IMAGES), torch.split(labels, EVALUATION_IMAGES), strict=True)
    hits = sum((model(block).argmax(dim=1) == block_labels).sum() for block, block_labels in blocks)
    return float(hits) / len(inputs)
