"""The layers that a network's settings lead to, with every default resolved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel

from actbench.experiment.choices import FROZEN, Activation, Choice, Initialiser, parse_choice
from actbench.experiment.settings import MAX_WIDTH, LayerSettings, ModelSettings, TrialSettings, hidden_layers

MAX_REMEMBERED = 1024


class Layer(BaseModel):
    """One linear layer with everything resolved; `activation` is None for the output layer."""

    model_config = FROZEN

    fan_in: int
    units: int
    activation: Activation | None
    init: Initialiser
    bias_init: Initialiser
    dropout: float
    batch_norm: bool


def resolve_layers(settings: TrialSettings) -> tuple[Layer, ...]:
    """All linear layers from the pixels to the output units, each with its own settings or the model's."""
    dataset = settings.data.dataset
    return _resolved(settings.model, dataset.features, dataset.output_units)


@lru_cache(maxsize=MAX_REMEMBERED)
def _resolved(model: ModelSettings, fan_in: int, output_units: int) -> tuple[Layer, ...]:
    """Kept, since thousands of arms have the same network, and everything asks for its layers."""
    layers: list[Layer] = []
    zeros = parse_choice("initialiser", "zeros")
    last = LayerSettings(units=output_units, init=model.output_init, dropout=0.0, batch_norm=False)
    for given in (*hidden_layers(model), last):
        init = given.init or model.init
        layers.append(
            Layer(
                fan_in=fan_in,
                units=given.units,
                activation=None if given is last else given.activation or model.activation,
                init=init,
                bias_init=given.bias_init or model.bias_init or (init if init.name == "torch_default" else zeros),
                dropout=model.dropout if given.dropout is None else given.dropout,
                batch_norm=model.batch_norm if given.batch_norm is None else given.batch_norm,
            )
        )
        fan_in = given.units
    return tuple(layers)


def previous_activation(layers: Sequence[Layer], index: int) -> Choice | None:
    """The activation whose values layer `index` takes in; None for the first layer, which takes in the images."""
    return layers[index - 1].activation if index else None


def learnable_parameter_sizes(layer: Layer) -> dict[str, int]:
    """How many values of each learnt activation parameter a layer has: one, or one per feature."""
    given = dict(layer.activation.parameters) if layer.activation else {}
    if layer.activation is None or not given.get("learn"):
        return {}
    return dict.fromkeys(layer.activation.entry.learnable, layer.units if given["per_feature"] else 1)


def parameter_shapes(layers: Sequence[Layer]) -> dict[tuple[int, str], tuple[int, ...]]:
    """The shape of every parameter of one network, weights first; learnt activation parameters are per layer."""
    weights = {(index, "weight"): (layer.fan_in, layer.units) for index, layer in enumerate(layers)}
    others: dict[tuple[int, str], tuple[int, ...]] = {}
    for index, layer in enumerate(layers):
        others[index, "bias"] = (layer.units,)
        if layer.batch_norm:
            others[index, "scale"] = others[index, "shift"] = (layer.units,)
        for name, size in learnable_parameter_sizes(layer).items():
            others[index, name] = (size,)
    return weights | others


RUNNING_MOMENTS = ("running_mean", "running_variance")


def weight_shapes(settings: TrialSettings) -> dict[str, tuple[int, ...]]:
    """What is kept of a trained network: the shapes of its parameters and of batch norm's running moments, by name."""
    layers = resolve_layers(settings)
    moments = {
        (index, name): (layer.units,)
        for index, layer in enumerate(layers)
        if layer.batch_norm
        for name in RUNNING_MOMENTS
    }
    return {parameter_name(*key): shape for key, shape in (parameter_shapes(layers) | moments).items()}


def parameter_name(index: int, name: str) -> str:
    """`layer1.weight`, the name of the first layer's weights."""
    return f"layer{index + 1}.{name}"


@lru_cache(maxsize=MAX_REMEMBERED)
def count_parameters(layer: Layer) -> int:
    """Trainable numbers of one layer: weights, biases, batch norm's scale and shift, learnt activation parameters."""
    return sum(map(math.prod, parameter_shapes((layer,)).values()))


@dataclass(frozen=True)
class NetworkSize:
    """Trainable numbers, and multiplications with an addition in the matrix products of one image's forward pass."""

    parameters: int
    multiply_adds: int


def network_size(settings: TrialSettings) -> NetworkSize:
    """How large a network is."""
    layers = resolve_layers(settings)
    return NetworkSize(sum(map(count_parameters, layers)), sum(layer.fan_in * layer.units for layer in layers))


@dataclass(frozen=True)
class Matched:
    """How one layer (counted from 1) was made wider or narrower to have a network of as many parameters as another.

    `given` units are those of the file, `target` the other network's parameters, `left` how many more there are now,
    and `step` how many a unit takes. Without hidden layers the layer is 0.
    """

    layer: int
    given: int
    units: int
    target: int
    left: int
    step: int

    def is_nearest(self) -> bool:
        """Whether one unit more or less would be no nearer."""
        return 2 * abs(self.left) <= self.step


def match_parameters(settings: TrialSettings, target: int) -> tuple[TrialSettings, Matched]:
    """The settings with the first of the widest hidden layers as wide as brings the parameters nearest the target."""
    widths = [layer.units for layer in hidden_layers(settings.model)]
    count = network_size(settings).parameters
    if not widths:
        return settings, Matched(0, 0, 0, target, count - target, 0)
    index = widths.index(max(widths))
    given = widths[index]
    step = network_size(_with_units(settings, index, given + 1)).parameters - count
    nearest = given + (2 * (target - count) + step) // (2 * step)
    units = min(max(nearest, 1), MAX_WIDTH)
    left = count + (units - given) * step - target
    return _with_units(settings, index, units), Matched(index + 1, given, units, target, left, step)


def _with_units(settings: TrialSettings, index: int, units: int) -> TrialSettings:
    """The settings with another width of one hidden layer."""
    model = settings.model
    layers = [
        layer.model_copy(update={"units": units} if place == index else {})
        for place, layer in enumerate(hidden_layers(model))
    ]
    changed = {"hidden": tuple(layer.units for layer in layers)} if model.layers is None else {"layers": tuple(layers)}
    return settings.model_copy(update={"model": model.model_copy(update=changed)})
