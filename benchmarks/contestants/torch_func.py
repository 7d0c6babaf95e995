"""Model ensembling with `torch.func`, as torch's documentation describes it, for many models at once.

`stack_module_state` stacks the parameters of plain `nn.Sequential` models, `vmap` over `grad` of `functional_call`
gives the gradients of all of them, and one fused Adam steps the stacked parameters. Images as in the careful loop, in
one order for all models of a process. One-thread processes, one for each core.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from actbench.processes import available_cores
from benchmarks.job import EVALUATION_IMAGES, LEARNING_RATE, Job
from benchmarks.measurement import Measurement, measurement_of
from benchmarks.torch_model import create_model, load_tensors
from benchmarks.workers import time_together

EPOCHS = 2
MODELS_PER_PROCESS = 8

Parameters = dict[str, Tensor]


def measure(job: Job, name: str) -> Measurement:
    """Eight models in each process."""
    cores, epochs = available_cores(), min(EPOCHS, job.max_epochs)
    seconds, accuracies = time_together(prepare, (job, epochs, MODELS_PER_PROCESS), cores)
    return measurement_of(name, seconds, cores * MODELS_PER_PROCESS, epochs, min(accuracies))


def prepare(job: Job, epochs: int, count: int, process: int) -> Callable[[], float]:
    """Models that train together when called, and give the lowest of their validation accuracies."""
    training, validation = load_tensors(job)
    torch.manual_seed(process)
    models = [create_model(job) for _ in range(count)]
    stacked, _ = stack_module_state(models)
    parameters = {name: values.detach() for name, values in stacked.items()}
    skeleton = copy.deepcopy(models[0]).to("meta")
    optimizer = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, fused=True)

    def scores(state: Parameters, batch: Tensor) -> Tensor:
        result: Tensor = functional_call(skeleton, state, (batch,))
        return result

    def loss(state: Parameters, batch: Tensor, batch_labels: Tensor) -> Tensor:
        return cross_entropy(scores(state, batch), batch_labels)

    gradients = vmap(grad(loss), in_dims=(0, None, None))
    all_scores = vmap(scores, in_dims=(0, None))

    def train_epoch() -> None:
        order = torch.randperm(job.train_count)
        batches = zip(*(torch.split(part[order], job.batch_images) for part in training), strict=True)
        for batch, batch_labels in batches:
            for name, gradient in gradients(parameters, batch, batch_labels).items():
                parameters[name].grad = gradient
            optimizer.step()

    @torch.no_grad()
    def evaluate() -> Tensor:
        blocks = zip(*(torch.split(part, EVALUATION_IMAGES) for part in validation), strict=True)
        hits = [(all_scores(parameters, block).argmax(dim=2) == labels).sum(dim=1) for block, labels in blocks]
        return torch.stack(hits).sum(dim=0) / len(validation[0])

    def run() -> float:
        accuracies = torch.zeros(count)
        for _ in range(epochs):
            train_epoch()
            accuracies = evaluate()
        return float(accuracies.min())

    return run
