"""Per-layer figures on a fixed batch, measured without affecting the training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from actbench.catalogue.facts import SATURATED_SHARE, largest_slope
from actbench.experiment.choices import Choice
from actbench.experiment.records import LayerProbe
from actbench.training.data import Images, SeedSplit
from actbench.training.network import Network, activate, backward, forward, gather_batch, objective

PROBE_IMAGES = 256


def probe(network: Network, images: Images, splits: Sequence[SeedSplit], epoch: int) -> list[tuple[LayerProbe, ...]]:
    """One probe per trial and layer, on the first 256 training rows of the trial's seed, as evaluation sees them.

    Gradients are those of the batch's mean loss; they are overwritten by the next step and never applied.
    """
    rows = torch.stack([split.train_rows[:PROBE_IMAGES] for split in splits])
    inputs, labels = gather_batch(network, images, splits, rows)
    values = forward(network, inputs, training=False)
    reached = objective(network, values[-1].after, labels)
    backward(network, values, reached.mean_gradient())
    by_layer = []
    for index, layer in enumerate(values):
        figures = {
            **activation_figures(network, index, layer.before, layer.after),
            "weight_gradient_norm": _norms(network.parameters.named[index, "weight"].gradient),
            "bias_gradient_norm": _norms(network.parameters.named[index, "bias"].gradient),
        }
        by_layer.append(figures)
    network.parameters.collect_gradients()  # and clears those that slopes left at learnt parameters
    return [
        tuple(
            LayerProbe(epoch=epoch, layer=number, **{name: _kept(column[trial]) for name, column in figures.items()})
            for number, figures in enumerate(by_layer, start=1)
        )
        for trial in range(len(network.trials))
    ]


def activation_figures(network: Network, index: int, before: Tensor, after: Tensor) -> dict[str, list[float]]:
    """Mean, sd and share of exact zeros; dead units and saturated inputs of a layer with an activation."""
    figures = {
        "mean": [float(values.mean()) for values in after.cpu().double()],
        "sd": [float(values.std(correction=0)) for values in after.cpu().double()],
        "zero_share": [float(values.mean()) for values in (after == 0).cpu().double()],
    }
    activations = [layers[index].activation for layers in network.layers]
    if activations[0] is None:
        return figures
    _, pullback = activate(network, index, before)
    slopes = pullback(torch.ones_like(before))
    limits = [SATURATED_SHARE * _largest_slope(activation) for activation in activations]
    return figures | {
        "dead_share": [float(units.mean()) for units in (slopes == 0).all(dim=1).cpu().double()],
        "saturated_share": [
            float((values < limit).double().mean()) for values, limit in zip(slopes.abs().cpu(), limits, strict=True)
        ],
    }


@cache
def _largest_slope(activation: Choice) -> float:
    return largest_slope(activation.entry, dict(activation.parameters))


def _norms(gradient: Tensor) -> list[float]:
    return [float(values.square().sum().sqrt()) for values in gradient.cpu().double()]


def _kept(figure: float) -> float | None:
    """Six significant digits; None if not finite."""
    return float(f"{figure:.6g}") if math.isfinite(figure) else None
