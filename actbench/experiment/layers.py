"""The layers that a network's settings lead to, with every default resolved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pydantic import BaseModel

from actbench.experiment.choices import FROZEN, Activation, Choice, Initialiser, parse_choice
from actbench.experiment.settings import TrialSettings, hidden_layers


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


def bias_initialiser(given: Choice | None, init: Choice) -> Choice:
    """The initialiser of a layer's bias where the file may have left it out."""
    return given or (init if init.name == "torch_default" else _zeros())


@cache
def _zeros() -> Choice:
    """The initialiser `zeros`, parsed once for the layers of thousands of arms."""
    return parse_choice("initialiser", "zeros")


def resolve_layers(settings: TrialSettings) -> tuple[Layer, ...]:
    """All linear layers from the pixels to the output units, each with its own settings or the model's."""
    model = settings.model
    dataset = settings.data.facts()
    layers: list[Layer] = []
    fan_in = dataset.features
    for given in hidden_layers(model):
        init = given.init or model.init
        layers.append(
            Layer(
                fan_in=fan_in,
                units=given.units,
                activation=given.activation or model.activation,
                init=init,
                bias_init=bias_initialiser(given.bias_init or model.bias_init, init),
                dropout=model.dropout if given.dropout is None else given.dropout,
                batch_norm=model.batch_norm if given.batch_norm is None else given.batch_norm,
            )
        )
        fan_in = given.units
    init = model.output_init or model.init
    layers.append(
        Layer(
            fan_in=fan_in,
            units=dataset.output_units,
            activation=None,
            init=init,
            bias_init=bias_initialiser(model.bias_init, init),
            dropout=0.0,
            batch_norm=False,
        )
    )
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


def count_multiply_adds(layers: Sequence[Layer]) -> int:
    """Multiplications with an addition in the matrix products of one image's forward pass."""
    return sum(layer.fan_in * layer.units for layer in layers)


def count_parameters(layer: Layer) -> int:
    """Trainable numbers of one layer: weights, biases, batch norm's scale and shift, learnt activation parameters."""
    return (
        (layer.fan_in + 1) * layer.units
        + 2 * layer.units * layer.batch_norm
        + sum(learnable_parameter_sizes(layer).values())
    )
