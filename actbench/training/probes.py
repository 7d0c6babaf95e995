"""Per-layer figures on a fixed batch, measured without affecting the training."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from actbench.catalogue.facts import SATURATED_SHARE, largest_slope
from actbench.experiment.choices import Choice
from actbench.experiment.layers import learnable_parameter_sizes
from actbench.experiment.records import HISTOGRAM_EDGES, LayerProbe
from actbench.training.data import Images, SeedSplit
from actbench.training.network import Network, activate, backward, forward, gather_batch, objective

PROBE_IMAGES = 256
EXPONENT_SHIFT = 23
FIRST_EXPONENT = 127 + round(math.log2(min(abs(edge) for edge in HISTOGRAM_EDGES if edge))) - 1


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
        after = layer.after.cpu().double()
        figures = {
            "mean": [float(values.mean()) for values in after],
            "sd": [float(values.std(correction=0)) for values in after],
            "zero_share": [_share(values == 0) for values in layer.after],
            **slope_figures(network, index, layer.before),
            "weight_gradient_norm": _norms(network.parameters.named[index, "weight"].gradient),
            "bias_gradient_norm": _norms(network.parameters.named[index, "bias"].gradient),
            "weight_norm": _norms(network.parameters.named[index, "weight"].values.detach()),
        }
        by_layer.append(
            [
                LayerProbe(
                    epoch=epoch,
                    layer=index + 1,
                    histogram=histogram,
                    learnt=learnt_parameters(network, trial, index),
                    **{name: _kept(column[trial]) for name, column in figures.items()},
                )
                for trial, histogram in enumerate(histograms_of(layer.before))
            ]
        )
    network.parameters.collect_gradients()  # and clears those that slopes left at learnt parameters
    return list(zip(*by_layer, strict=True))


def slope_figures(network: Network, index: int, before: Tensor) -> dict[str, list[float]]:
    """Shares of dead units, whose slope is 0 for all images, and of saturated inputs; none without an activation."""
    activations = [layers[index].activation for layers in network.layers]
    if activations[0] is None:
        return {}
    _, pullback = activate(network, index, before)
    slopes = pullback(torch.ones_like(before))
    limits = [SATURATED_SHARE * _largest_slope(activation) for activation in activations]
    return {
        "dead_share": [_share(units) for units in (slopes == 0).all(dim=1)],
        "saturated_share": [_share(values < limit) for values, limit in zip(slopes.abs_(), limits, strict=True)],
    }


def histograms_of(before: Tensor) -> list[str]:
    """Which share of each trial's values `[trials, images, units]` is in each bin; empty if not all are finite.

    The edges are powers of two, so that a value's exponent says its bin; `torch.bucketize` takes ten times as long.
    """
    bins_by_sign = len(HISTOGRAM_EDGES) // 2 + 1
    exponents = before.contiguous().flatten(1).view(torch.int32).bitwise_right_shift(EXPONENT_SHIFT).bitwise_and_(255)
    is_finite = (exponents.amax(dim=1) < 255).tolist()
    steps = exponents.clamp_(FIRST_EXPONENT, FIRST_EXPONENT + bins_by_sign - 1).sub_(FIRST_EXPONENT - bins_by_sign)
    bins = torch.where(before.flatten(1) < 0, 2 * bins_by_sign - 1 - steps, steps)
    bins += 2 * bins_by_sign * torch.arange(len(bins), device=bins.device, dtype=bins.dtype).unsqueeze(1)
    counts = torch.bincount(bins.flatten(), minlength=2 * bins_by_sign * len(bins)).view(len(bins), -1)
    shares = (255 * counts.double().cpu() / bins.shape[1]).round().int().tolist()
    return [base64.b64encode(bytes(one)).decode() if fine else "" for one, fine in zip(shares, is_finite, strict=True)]


def learnt_parameters(network: Network, trial: int, index: int) -> dict[str, float | None]:
    """The learnt parameters of a layer's activation: the value, or the mean and `NAME_sd` over its features."""
    learnt = {}
    for name, size in learnable_parameter_sizes(network.layers[trial][index]).items():
        values = network.parameters.named[index, name].values[trial, :size].detach().cpu().double()
        learnt[name] = _kept(float(values.mean()))
        if size > 1:
            learnt[f"{name}_sd"] = _kept(float(values.std(correction=0)))
    return learnt


@cache
def _largest_slope(activation: Choice) -> float:
    return largest_slope(activation.entry, dict(activation.parameters))


def _share(is_so: Tensor) -> float:
    return int(torch.count_nonzero(is_so)) / is_so.numel()


def _norms(gradient: Tensor) -> list[float]:
    return [float(values.square_().sum().sqrt()) for values in gradient.cpu().double()]


def _kept(figure: float) -> float | None:
    """Six significant digits; None if not finite."""
    return float(f"{figure:.6g}") if math.isfinite(figure) else None
