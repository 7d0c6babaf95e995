"""What goes forward and backward through untrained networks, layer by layer, and what theory expects of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from actbench.catalogue.datasets import Arrays
from actbench.catalogue.gains import second_moments
from actbench.experiment.records import Trial
from actbench.training.data import seed_split, to_device
from actbench.training.flows import Flow, LayerFlow
from actbench.training.network import LayerValues, Network, create_network, forward, gather_batch, objective
from actbench.training.probes import PROBE_IMAGES, activation_figures
from actbench.training.products import multiply, products_in

THEORY_TOLERANCE = 1e-4
MAX_SQUARE = 1e30


def measure_flow(trials: Sequence[Trial], arrays: Arrays) -> Flow:
    """One forward and one backward pass of the first 256 training images, as the first step would see them.

    The trials differ in their seed alone. Batch norm takes the batch's own moments, and dropout is on.
    """
    with torch.no_grad(), products_in(trials[0].settings.train.precision):
        images, _ = to_device(arrays, torch.device("cpu"))
        network = create_network(trials, torch.device("cpu"))
        data, phase = trials[0].settings.data, trials[0].phase
        splits = [seed_split(images, data, phase, seed) for seed in network.seeds]
        rows = torch.stack([split.train_rows[:PROBE_IMAGES] for split in splits])
        inputs, labels = gather_batch(network, images, splits, rows)
        layers = forward(network, inputs, training=True)
        gradients = _gradient_sizes(network, layers, objective(network, layers[-1].after, labels).mean_gradient())
        brightness = _mean_square(inputs)
        expected = zip(*_expected_sizes(network, brightness, gradients[-1]), strict=True)
        flows = [
            _layer_flow(network, index, layer, gradient, *wanted)
            for index, (layer, gradient, wanted) in enumerate(zip(layers, gradients, expected, strict=True))
        ]
    return Flow(math.sqrt(brightness), tuple(flows))


def _layer_flow(
    network: Network,
    index: int,
    layer: LayerValues,
    gradient: float,
    expected_value: float | None,
    expected_gradient: float | None,
) -> LayerFlow:
    figures = activation_figures(network, index, layer.before, layer.after)
    value, varying = _mean_square(layer.after), _mean_square(layer.after - layer.after.mean(dim=1, keepdim=True))
    return LayerFlow(
        value=math.sqrt(value),
        difference=math.sqrt(varying / value) if 0 < value < math.inf else 0.0,
        gradient=gradient,
        expected_value=expected_value,
        expected_gradient=expected_gradient,
        dead_share=_mean(figures.get("dead_share")),
        saturated_share=_mean(figures.get("saturated_share")),
    )


def _mean(shares: Sequence[float] | None) -> float | None:
    return sum(shares) / len(shares) if shares else None


def _mean_square(values: Tensor) -> float:
    """Over all elements, in float64; inf where one is not finite."""
    found = float(values.double().square().mean())
    return found if math.isfinite(found) else math.inf


def _gradient_sizes(network: Network, layers: Sequence[LayerValues], outer: Tensor) -> list[float]:
    """The root mean square of the derivative by each linear part's result, from that of the loss by the scores."""
    found = []
    memories = network.workspace(outer.shape[1]).layers
    for layer, memory in zip(reversed(layers), reversed(memories), strict=True):
        for pull in reversed(layer.pulls):
            outer = pull(outer)
        found.append(math.sqrt(_mean_square(outer)))
        outer = multiply(outer.contiguous(), memory.weight.mT, out=torch.empty_like(layer.inputs))
    return found[::-1]


def _expected_sizes(
    network: Network, brightness: float, scores_gradient: float
) -> tuple[list[float | None], list[float | None]]:
    """Root mean squares of values and gradients by the recursion of second moments (He et al. 2015; Poole et al. 2016).

    q_l = fan_in * E w^2 * E x_(l-1)^2 + E b^2 and E x_l^2 = E f(sqrt(q_l) z)^2 forward; backward
    E d_l^2 = E d_(l+1)^2 * units_(l+1) * E w^2 * E f'(sqrt(q_l) z)^2. It takes weights to be independent with mean 0,
    and says nothing where they are not, behind a batch norm, and from where it overflows.
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
            found = second_moments(layer.activation.entry, parameters, math.sqrt(moment), THEORY_TOLERANCE)
            moment, slope = (one / (1 - layer.dropout) for one in found)
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
