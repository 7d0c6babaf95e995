"""Sizes of values and gradients in untrained networks, and whether they explode or vanish."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

Fate = Literal["ok", "will explode", "will vanish"]

FACTOR = 100.0
"""The limit of growth or shrinkage from end to end, and of the loss of differences between images."""


@dataclass(frozen=True)
class LayerFlow:
    """One layer of untrained networks, over the same images and all their seeds.

    `value` is the root mean square of the layer's result, `difference` the share of it that differs between images,
    `gradient` the root mean square of the derivative of the loss by the linear part's result. `expected_value` and
    `expected_gradient` are the predictions of the recursion of second moments; None where it does not apply. Overflow
    is inf.
    """

    value: float
    difference: float
    gradient: float
    expected_value: float | None
    expected_gradient: float | None
    dead_share: float | None = None
    saturated_share: float | None = None


@dataclass(frozen=True)
class Flow:
    """All layers, and the root mean square of the images."""

    images: float
    layers: tuple[LayerFlow, ...]

    def value_growth(self) -> float:
        """Largest value of a layer, relative to the images."""
        return _ratio(max(layer.value for layer in self.layers), self.images)

    def gradient_growth(self) -> float:
        """Gradient at the first layer, relative to that at the last."""
        return _ratio(self.layers[0].gradient, self.layers[-1].gradient)

    def difference(self) -> float:
        """The least share of a layer's values that differs between images."""
        return min(layer.difference for layer in self.layers)

    def fate(self) -> Fate:
        """The first problem's kind, or ok."""
        return next((fate for fate, _ in self.problems()), "ok")

    def problems(self) -> list[tuple[Fate, str]]:
        """Everything that hinders training, explosions first."""
        values, gradients, difference = self.value_growth(), self.gradient_growth(), self.difference()
        shrunk = "to nothing" if gradients == 0 else _times(1 / gradients)
        explosions = [
            (values, f"values grow {_times(values)} from the images on"),
            (gradients, f"gradients grow {_times(gradients)} on their way back to the first layer"),
        ]
        losses = [
            (gradients, f"gradients shrink {shrunk} on their way back to the first layer"),
            (difference, f"a layer's values differ between images by only {100 * difference:.2g} % of their size"),
        ]
        return [
            *(("will explode", reason) for growth, reason in explosions if growth > FACTOR),
            *(("will vanish", reason) for share, reason in losses if share < 1 / FACTOR),
        ]


def _times(factor: float) -> str:
    """Two digits, in plain figures below a million."""
    if factor == inf:
        return "beyond all numbers"
    return f"{float(f'{factor:.2g}'):,.0f} times" if factor < 1e6 else f"{factor:.2g} times"


def _ratio(size: float, reference: float) -> float:
    """Size / reference; inf if the size is inf or only the reference is 0, and 0 if both are 0."""
    if size == inf or (size > 0 and reference == 0):
        return inf
    return 0.0 if size == 0 else size / reference
