"""Sizes of values and gradients in untrained networks, layer by layer, measured and predicted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from actbench.catalogue.datasets import Arrays
from actbench.catalogue.gains import second_moments
from actbench.experiment.records import Trial
from actbench.training.data import Images, seed_split, to_device
from actbench.training.flows import Flow, LayerFlow
from actbench.training.network import LayerValues, Network, create_network, forward, gather_batch, objective
from actbench.training.probes import PROBE_IMAGES, slope_figures
from actbench.training.products import multiply, on_threads, products_in

THEORY_TOLERANCE = 1e-4
MAX_SQUARE = 1e30


def measure_flows(stacks: Sequence[Sequence[Trial]], arrays: Arrays) -> list[Flow]:
    """One forward and one backward pass of each stack, over the first 256 training images of its seeds.

    Dropout is on, and batch norm uses the batch's own moments. The trials of a stack differ only in their seeds.
    """
    images, _ = to_device(arrays, torch.device("cpu"))
    with torch.no_grad(), on_threads(1):
        return [_measure_flow(trials, images) for trials in stacks]


def _measure_flow(trials: Sequence[Trial], images: Images) -> Flow:
    splits = [seed_split(images, one.settings.data, one.phase, one.seed) for one in trials]
    with products_in(trials[0].settings.train.precision):
        network = replace(create_network(trials, torch.device("cpu")), packed=None)  # for inputs that can be measured
        rows = torch.stack([split.train_rows[:PROBE_IMAGES] for split in splits])
        inputs, labels = gather_batch(network, images, splits, rows)
        assert isinstance(inputs, Tensor)
        layers = forward(network, inputs, training=True)
        gradients = _gradient_sizes(network, layers, objective(network, layers[-1].after, labels).mean_gradient())
        brightness = _mean_square(inputs)
        expected = zip(*_expected_sizes(network, brightness, gradients[-1]), strict=True)
        flows = [
            _layer_flow(network, index, layer, gradient, prediction)
            for index, (layer, gradient, prediction) in enumerate(zip(layers, gradients, expected, strict=True))
        ]
    return Flow(math.sqrt(brightness), tuple(flows))


def _layer_flow(
    network: Network, index: int, layer: LayerValues, gradient: float, expected: tuple[float | None, float | None]
) -> LayerFlow:
    figures = slope_figures(network, index, layer.before)
    value, varying = _mean_square(layer.after), _mean_square(layer.after - layer.after.mean(dim=1, keepdim=True))
    return LayerFlow(
        value=math.sqrt(value),
        difference=math.sqrt(varying / value) if 0 < value < math.inf else 0.0,
        gradient=gradient,
        expected_value=expected[0],
        expected_gradient=expected[1],
        **{name: sum(shares) / len(shares) for name, shares in figures.items()},
    )


def _mean_square(values: Tensor) -> float:
    """The mean square of all elements, in float64; inf if an element is not finite."""
    result = float(values.double().square().mean())
    return result if math.isfinite(result) else math.inf


def _gradient_sizes(network: Network, layers: Sequence[LayerValues], grad: Tensor) -> list[float]:
    """The root mean square of the gradient by each linear part's result, given the gradient by the scores."""
    sizes = []
    memories = network.workspace(grad.shape[1]).layers
    for layer, memory in zip(reversed(layers), reversed(memories), strict=True):
        for pullback in reversed(layer.pullbacks):
            grad = pullback(grad)
        sizes.append(math.sqrt(_mean_square(grad)))
        grad = multiply(grad.contiguous(), memory.weight.mT)
    return sizes[::-1]


def _expected_sizes(
    network: Network, brightness: float, scores_gradient: float
) -> tuple[list[float | None], list[float | None]]:
    """Root mean squares of values and gradients by the recursion of second moments (He et al. 2015; Poole et al. 2016).

    q_l = fan_in * E w^2 * E x_(l-1)^2 + E b^2 and E x_l^2 = E f(sqrt(q_l) z)^2 forward; backward
    E d_l^2 = E d_(l+1)^2 * units_(l+1) * E w^2 * E f'(sqrt(q_l) z)^2. It assumes independent weights with mean 0
    and gives None elsewhere, after a batch norm, and after an overflow.
    """
    values: list[float] = []
    slopes: list[float] = []
    squares: list[float] = []
    moment = brightness
    for index, layer in enumerate(network.layers[0]):
        weight, bias = (network.parameters.named[index, name].values.double() for name in ("weight", "bias"))
        square, mean = float(weight.square().mean()), float(weight.mean())
        moment = layer.fan_in * square * moment + float(bias.square().mean())
        if layer.batch_norm or layer.fan_in * mean**2 > square or not 0 < moment < MAX_SQUARE:
            break
        slope = 1.0
        if layer.activation is not None:
            parameters = dict(layer.activation.parameters)
            moments = second_moments(layer.activation.entry, parameters, math.sqrt(moment), THEORY_TOLERANCE)
            moment, slope = (expectation / (1 - layer.dropout) for expectation in moments)
        squares.append(square)
        slopes.append(slope)
        values.append(moment)
    missing = network.depth() - len(values)
    expected: list[float | None] = [*map(math.sqrt, values), *([None] * missing)]
    if missing:
        return expected, [None] * network.depth()
    gradients = [scores_gradient**2]
    for index in reversed(range(network.depth() - 1)):
        units = network.layers[0][index + 1].units
        gradients.append(gradients[-1] * units * squares[index + 1] * slopes[index])
    return expected, [*map(math.sqrt, reversed(gradients))]
