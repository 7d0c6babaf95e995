"""Named gains of custom activations, which only torch can compute."""

from __future__ import annotations

from actbench.catalogue.gains import with_gain
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice
from actbench.experiment.definition import Experiment
from actbench.experiment.layers import previous_activation, resolve_layers

Pair = tuple[Choice, Choice]
"""An initialiser with a gain that is named, and the custom activation whose gain it is."""


def named_gains(experiment: Experiment) -> list[Pair]:
    """All pairs of initialisers and custom activations in the experiment whose gain is named; needs no torch."""
    if not experiment.custom_choices():
        return []
    pairs: dict[Pair, None] = {}
    for settings in (one for arm in experiment.arms() for one in experiment.candidate_settings(arm)):
        layers = resolve_layers(settings)
        for index, layer in enumerate(layers):
            previous = previous_activation(layers, index)
            if previous and previous.recorded:
                for init in (layer.init, layer.bias_init):
                    if isinstance(dict(init.parameters).get("gain"), str):
                        pairs[init, previous] = None
    return list(pairs)


def require_gains(pairs: list[Pair]) -> None:
    """Compute each gain; raises `ConfigurationError` with every one that does not exist, or is 0 or infinite."""
    mistakes = []
    for init, activation in pairs:
        try:
            with_gain(dict(init.parameters), activation.entry, dict(activation.parameters))
        except ConfigurationError as missing:
            mistakes.append(f"{activation.entry.place()}: {init} beside {activation}: {missing}")
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
