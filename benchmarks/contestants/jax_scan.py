"""JAX with optax: one compiled function trains all models for an epoch and evaluates them.

`jit` around `scan` over the epoch's batches around `vmap` over the models, whose parameters and optimizer states are
donated. All models of a process take the batches in one order. Either one process with XLA's own threads, or, where
the system can bind a process to a core, a process for each core. Compilation is not counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

from actbench.processes import available_cores
from benchmarks.job import EVALUATION_IMAGES, LEARNING_RATE, Job, load_images
from benchmarks.measurement import LeftOutError, Measurement, measurement_of, require
from benchmarks.workers import time_together

jax, optax = require("jax"), require("optax")

EPOCHS = 3
MODELS_PER_PROCESS = 8


def measure(job: Job, name: str, processes: Literal["one", "cores"] = "one") -> Measurement:
    """Eight models in each process."""
    if processes == "cores" and not hasattr(os, "sched_setaffinity"):
        raise LeftOutError("this system cannot bind a process to a core")
    count = available_cores() if processes == "cores" else 1
    epochs = min(EPOCHS, job.max_epochs)
    seconds, accuracies = time_together(prepare, (job, epochs, processes == "cores"), count)
    return measurement_of(name, seconds, count * MODELS_PER_PROCESS, epochs, min(accuracies))


def prepare(job: Job, epochs: int, is_bound: bool, process: int) -> Callable[[], float]:
    """Models that train together when called, and give the lowest of their validation accuracies."""
    if is_bound:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[process]})
    images = load_images(job)
    training = jax.numpy.array(images.train_inputs), jax.numpy.array(images.train_labels)
    validation = jax.numpy.array(images.validation_inputs), jax.numpy.array(images.validation_labels)
    optimizer = optax.adam(LEARNING_RATE)
    key, *model_keys = jax.random.split(jax.random.key(process), 1 + MODELS_PER_PROCESS)
    parameters = jax.vmap(lambda model_key: initial_parameters(model_key, job.widths()))(jax.numpy.stack(model_keys))
    state = parameters, jax.vmap(optimizer.init)(parameters)
    epoch = jax.jit(epoch_of(job, optimizer), donate_argnums=0).lower(state, key, training, validation).compile()

    def run() -> float:
        current, accuracies = state, jax.numpy.zeros(1)
        for epoch_key in jax.random.split(key, epochs):
            current, accuracies = epoch(current, epoch_key, training, validation)
        return float(accuracies.min())

    return run


def epoch_of(job: Job, optimizer: Any) -> Callable[..., Any]:
    """The function that trains all models for an epoch: their new state, and their validation accuracies."""

    def train_step(state: Any, inputs: Any, labels: Any) -> Any:
        parameters, optimizer_state = state
        gradients = jax.grad(mean_loss)(parameters, inputs, labels)
        updates, optimizer_state = optimizer.update(gradients, optimizer_state)
        return optax.apply_updates(parameters, updates), optimizer_state

    def epoch(state: Any, key: Any, training: Any, validation: Any) -> Any:
        def train_models(state: Any, rows: Any) -> tuple[Any, None]:
            return jax.vmap(train_step, in_axes=(0, None, None))(state, *(part[rows] for part in training)), None

        order = jax.random.permutation(key, job.train_count)
        whole = job.train_count // job.batch_images * job.batch_images
        state, _ = jax.lax.scan(train_models, state, order[:whole].reshape(-1, job.batch_images))
        if whole < job.train_count:
            state, _ = train_models(state, order[whole:])
        return state, jax.vmap(accuracy, in_axes=(0, None))(state[0], validation)

    return epoch


def initial_parameters(key: Any, widths: tuple[int, ...]) -> Any:
    """Weights `[in, out]` after He, and biases of zero."""
    initialise = jax.nn.initializers.he_normal()
    keys = jax.random.split(key, len(widths) - 1)
    return [
        (initialise(layer_key, shape), jax.numpy.zeros(shape[1]))
        for layer_key, shape in zip(keys, pairwise(widths), strict=True)
    ]


def scores(parameters: Any, inputs: Any) -> Any:
    """One model's scores `[images, classes]`."""
    values = inputs
    for weight, bias in parameters[:-1]:
        values = jax.nn.relu(values @ weight + bias)
    weight, bias = parameters[-1]
    return values @ weight + bias


def mean_loss(parameters: Any, inputs: Any, labels: Any) -> Any:
    """Mean cross entropy of one model on a batch."""
    return optax.softmax_cross_entropy_with_integer_labels(scores(parameters, inputs), labels).mean()


def accuracy(parameters: Any, validation: Any) -> Any:
    """The share of images that one model gets right, in blocks."""
    inputs, labels = validation
    blocks = inputs.reshape(-1, min(EVALUATION_IMAGES, len(inputs)), inputs.shape[1])
    predicted = jax.lax.map(lambda block: scores(parameters, block).argmax(axis=1), blocks)
    return (predicted.ravel() == labels).mean()
