"""What a small network gives for any inputs, computed from its weights by the formulas of its functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actbench.catalogue.facts import curve
from actbench.catalogue.formulas import evaluate
from actbench.catalogue.registry import call_parameters
from actbench.experiment.choices import custom_choices
from actbench.experiment.layers import learnable_parameter_sizes, resolve_layers
from actbench.experiment.settings import TrialSettings
from actbench.lazy import NDArray, numpy

Weights = Mapping[str, Any]
"""The values of a network's parameters by names such as `layer1.weight`, row by row."""


def can_be_computed(settings: TrialSettings) -> bool:
    """Whether the weights are all that the outputs depend on: no moments of batches or images, no custom function."""
    is_plain = not custom_choices(settings) and not any(layer.batch_norm for layer in resolve_layers(settings))
    return is_plain and settings.data.scale != "standard"


def network_outputs(
    settings: TrialSettings, weights: Weights, inputs: NDArray[numpy.float64]
) -> NDArray[numpy.float64]:
    """The outputs `[images, units]` for unscaled inputs `[images, features]`, in double precision."""
    scale = settings.data.scale
    divisor = settings.data.dataset.maximum if scale == "unit" else 1.0 if scale == "none" else float(scale)
    values = inputs / divisor
    for number, layer in enumerate(resolve_layers(settings), start=1):
        weight = numpy.asarray(weights[f"layer{number}.weight"], dtype=numpy.float64)
        bias = numpy.asarray(weights[f"layer{number}.bias"], dtype=numpy.float64)
        values = values @ weight.reshape(layer.fan_in, layer.units) + bias
        if layer.activation is not None:
            learnt = {name: weights[f"layer{number}.{name}"] for name in learnable_parameter_sizes(layer)}
            learnt = {name: numpy.asarray(value, dtype=numpy.float64) for name, value in learnt.items()}
            values = curve(layer.activation.entry, dict(layer.activation.parameters) | learnt, values)[0]
    output = settings.model.output
    return evaluate(output.entry.formula, {**call_parameters(dict(output.parameters)), "x": values})
