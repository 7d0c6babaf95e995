"""The matrix products of the job alone, which no training of these networks can do without.

For every batch: the forward products, the weight gradients, and the input gradients of all layers but the first, by
`torch.bmm` into memory that is there already, over and over on the same random numbers; then the evaluation's forward
products. One-thread processes, one for each core; every stack width is timed and the fastest taken. No images, biases,
activations, losses or optimizer: nothing is learnt. `floor-sparse` multiplies the first layer with the job's own images
without their black pixels, a new batch each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

from actbench.catalogue.datasets import data_folder, load
from actbench.experiment.settings import Precision
from actbench.processes import available_cores
from actbench.training.compiled import compiled_functions
from actbench.training.sparse import SparseBatch, SparseInputs, compress, sparse_inputs
from benchmarks.job import EVALUATION_IMAGES, HIDDEN, Job
from benchmarks.measurement import LeftOutError, Measurement, require_bf16
from benchmarks.workers import time_together

Seconds = tuple[float, float]

WIDTHS = (4, 8)


def measure(job: Job, name: str, precision: Precision = "float32", *, is_sparse: bool = False) -> Measurement:
    """Rows: the training products, and with the evaluation's."""
    if precision == "bf16":
        require_bf16()
    if is_sparse and compiled_functions().library is None:
        raise LeftOutError(f"no compiled functions: {compiled_functions().reason}")
    cores, epochs = available_cores(), job.max_epochs
    wall_seconds, by_process = time_together(prepare, (job, precision, epochs, is_sparse), cores)
    by_width = {width: slowest([seconds[width] for seconds in by_process]) for width in WIDTHS}
    width = min(WIDTHS, key=lambda width: by_width[width][0] / width)
    training, evaluation = (seconds / (cores * width * epochs) for seconds in by_width[width])
    rows = {name: training, f"{name}+evaluation": training + evaluation}
    return Measurement(rows, cores * width, epochs, wall_seconds, None, f"stacks of {width}")


def slowest(seconds: Sequence[Seconds]) -> Seconds:
    """The longest training and the longest evaluation of all processes."""
    training, evaluation = zip(*seconds, strict=True)
    return max(training), max(evaluation)


def prepare(
    job: Job, precision: Precision, epochs: int, is_sparse: bool, _process: int
) -> Callable[[], dict[int, Seconds]]:
    """Products for every stack width; called, it gives the seconds that they took in training and in evaluation."""
    if precision == "bf16":
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
    images = min(EVALUATION_IMAGES, job.validation_count)
    sparse = sparse_inputs(compress(load(job.facts(), data_folder(None)).train_inputs)) if is_sparse else None
    batches = {
        width: (
            products(job, width, job.batch_images, sparse, with_gradients=True),
            products(job, width, images, sparse, with_gradients=False),
        )
        for width in WIDTHS
    }

    def run() -> dict[int, Seconds]:
        return {
            width: (
                seconds_of(train_batch, epochs * job.steps()),
                seconds_of(evaluate_batch, epochs * job.validation_count // images),
            )
            for width, (train_batch, evaluate_batch) in batches.items()
        }

    return run


def seconds_of(multiply: Callable[[], None], times: int) -> float:
    """Wall seconds of so many calls, after one that is not counted."""
    multiply()
    started = time.perf_counter()
    for _ in range(times):
        multiply()
    return time.perf_counter() - started


def products(
    job: Job, width: int, images: int, sparse: SparseInputs | None = None, *, with_gradients: bool
) -> Callable[[], None]:
    """One batch of a stack: the forward products, and with gradients also those of a backward pass."""
    layers = range(len(job.widths()) - 1)
    values, value_gradients = ([torch.rand(width, images, units) for units in job.widths()] for _ in range(2))
    weights, weight_gradients = (
        [torch.rand(width, fan_in, units) for fan_in, units in pairwise(job.widths())] for _ in range(2)
    )

    biases, bias_gradients = torch.zeros(2, width, 1, HIDDEN[0])
    tables = torch.rand(width, 256)
    tables[:, 0] = 0

    def multiply() -> None:
        batch = None
        if sparse is not None:
            rows = torch.randint(job.train_count, (width, images))
            batch = SparseBatch(sparse, rows, tables, torch.arange(width))
        for layer in layers:
            if batch is not None and layer == 0:
                batch.multiply(weights[0], biases, out=values[1])
            else:
                torch.bmm(values[layer], weights[layer], out=values[layer + 1])
        for layer in reversed(layers if with_gradients else ()):
            if batch is not None and layer == 0:
                batch.write_gradients(value_gradients[1], weight_gradients[0], bias_gradients)
            else:
                torch.bmm(values[layer].transpose(1, 2), value_gradients[layer + 1], out=weight_gradients[layer])
            if layer:
                torch.bmm(value_gradients[layer + 1], weights[layer].transpose(1, 2), out=value_gradients[layer])

    return multiply
