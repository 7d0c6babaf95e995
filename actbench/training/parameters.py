"""The parameters of a stack: one row of memory per trial, so that an optimizer sees one tensor per trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from actbench.catalogue.gains import with_gain
from actbench.experiment.layers import Layer, parameter_name, parameter_shapes, previous_activation, resolve_layers
from actbench.experiment.records import Trial
from actbench.training.data import generator
from actbench.training.products import VECTOR_ELEMENTS


@dataclass(frozen=True)
class Parameter:
    """One parameter of all trials: values `[trials, *shape]` and their gradient, views of the stack's rows."""

    values: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Parameters:
    """All parameters of a stack.

    `rows` and `gradient_rows` are `[trials, elements]`: first all weights, then, from `weights_end`, everything that
    weight decay leaves alone (biases, batch norm's scale and shift, learnt activation parameters). `named` holds views
    by layer and name.
    """

    rows: Tensor
    gradient_rows: Tensor
    weights_end: int
    named: dict[tuple[int, str], Parameter]

    def collect_gradients(self) -> None:
        """Copy gradients from autograd into the rows; those of linear layers are written there directly."""
        for (_, name), parameter in self.named.items():
            if name not in ("weight", "bias"):
                gradient = parameter.values.grad
                parameter.gradient.copy_(torch.zeros_like(parameter.values) if gradient is None else gradient)
                parameter.values.grad = None


def create_parameters(trials: Sequence[Trial], networks: Sequence[Sequence[Layer]], device: torch.device) -> Parameters:
    """Memory for all trials, filled with their initial values: unit draws of the seed, scaled by the initialiser.

    Trials of a stack may learn different activation parameters; each row has room for all of them and a trial's unused
    ones stay untouched at zero.
    """
    union: dict[tuple[int, str], tuple[int, ...]] = {}
    for network in networks:
        for key, shape in parameter_shapes(network).items():
            union[key] = max(union.get(key, shape), shape)
    offsets, weights_end, end = {}, 0, 0
    for key in sorted(union, key=lambda key: key[1] != "weight"):
        offsets[key] = end
        end += math.ceil(math.prod(union[key]) / VECTOR_ELEMENTS) * VECTOR_ELEMENTS
        weights_end = end if key[1] == "weight" else weights_end
    rows = torch.zeros(len(trials), end)
    for row, trial, network in zip(rows, trials, networks, strict=True):
        for (index, name), shape in parameter_shapes(network).items():
            values = initial_values(trial, network, index, name, shape)
            offset = offsets[index, name]
            row[offset : offset + values.numel()] = values.flatten()
    rows = rows.to(device)
    gradient_rows = torch.zeros_like(rows)
    named = {
        key: Parameter(_view(rows, offsets[key], shape).requires_grad_(), _view(gradient_rows, offsets[key], shape))
        for key, shape in union.items()
    }
    return Parameters(rows, gradient_rows, weights_end, named)


def _view(rows: Tensor, offset: int, shape: tuple[int, ...]) -> Tensor:
    return rows[:, offset : offset + math.prod(shape)].view(len(rows), *shape).detach()


def initial_values(trial: Trial, network: Sequence[Layer], index: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """The initial values of one parameter of one trial."""
    layer = network[index]
    if name in ("weight", "bias"):
        choice = layer.init if name == "weight" else layer.bias_init
        stream = generator(trial.phase, trial.seed, "init", index, int(name == "bias"))
        previous = previous_activation(network, index)
        given = (previous.entry, dict(previous.parameters)) if previous else (None, {})
        parameters = with_gain(dict(choice.parameters), *given)
        values: Tensor = choice.entry.function(shape, layer.fan_in, layer.units, stream, **parameters)
        return values
    if name in ("scale", "shift"):
        return torch.full(shape, 1.0 if name == "scale" else 0.0)
    assert layer.activation is not None
    return torch.full(shape, float(dict(layer.activation.parameters)[name]))


def initial_parameters(trial: Trial) -> dict[str, Tensor]:
    """Every parameter of a trial's network by name, layer by layer, as its seed draws it."""
    network = resolve_layers(trial.settings)
    shapes = sorted(parameter_shapes(network).items(), key=lambda item: item[0][0])
    return {parameter_name(*key): initial_values(trial, network, *key, shape) for key, shape in shapes}
