"""The activations of the experiment with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.catalogue.facts import saturation, values_and_derivatives
from actbench.experiment.choices import Choice
from actbench.experiment.layers import resolve_layers
from actbench.lazy import LazyModule
from actbench.report.figures.layout import Picture, grid_shape, key, legend_below, panel_grid, picture
from actbench.report.figures.scales import Scale, limits, set_axis
from actbench.report.figures.style import BLUE, FOREGROUND, VERMILLION, Stroke
from actbench.report.functions import plotted_inputs, with_curves
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from matplotlib.figure import Figure
else:
    np = LazyModule("numpy")

MAX_PANELS = 40
MAX_INPUT, LOWEST, HIGHEST = 5.0, -3.0, 4.0
FUNCTION, DERIVATIVE = Stroke(BLUE, (), "", 1.4), Stroke(VERMILLION, (4, 1.5), "", 1.2)


@dataclass(frozen=True)
class Curve:
    """A function and its derivative at the same inputs, and where it is flat, in words."""

    label: str
    inputs: tuple[float, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]
    flat: str


def functions_picture(results: Results) -> Picture | None:
    """What the arms' hidden layers apply; None if there are no hidden layers."""
    layers = [layer for arm, _ in results.plan.arms for layer in resolve_layers(arm.settings)]
    activations = with_curves(list(dict.fromkeys(layer.activation for layer in layers if layer.activation is not None)))
    choices = [choice for choice in activations if choice.is_loaded()][:MAX_PANELS]
    absent = [str(choice) for choice in activations if not choice.is_loaded()]
    if not choices:
        return None
    curves = [_curve(choice) for choice in choices]
    is_learnt = any(dict(choice.parameters).get("learn") for choice in choices)
    flat = "; ".join(f"{curve.label} {curve.flat}" for curve in curves)
    return picture(
        "functions",
        "The activations and their derivatives",
        lambda: _draw(curves),
        caption=[
            "Each activation (solid) and its derivative (dashed), with its parameters in the experiment"
            f"{', before any are learnt' * is_learnt}.",
            bool(absent) and f"Not drawn, since its file is not loaded (--use FILE): {', '.join(absent)}.",
        ],
        description=[
            f"Curves of {counted(len(curves), 'activation')} and their derivatives on -5 to 5; flat is a slope under "
            f"5 % of the largest: {flat}."
        ],
    )


def _curve(choice: Choice) -> Curve:
    inputs = plotted_inputs()
    inputs = inputs[inputs.abs() <= MAX_INPUT]
    parameters = dict(choice.parameters)
    values, slopes = (tuple(part.tolist()) for part in values_and_derivatives(choice.entry, parameters, inputs))
    flat = saturation(choice.entry, parameters)
    ends = [f"below {flat.left:g}" if flat.left is not None else "", f"above {flat.right:g}" if flat.right else ""]
    where = " and ".join(filter(None, ends)) or "nowhere"
    return Curve(str(choice), tuple(inputs.tolist()), values, slopes, f"is flat {where}")


def _draw(curves: Sequence[Curve]) -> Figure:
    shape = grid_shape(len(curves), are_small=True)
    figure, panels = panel_grid([curve.label for curve in curves], shape, 2.0 if len(curves) == 1 else 1.35)
    for axes, curve in zip(panels, curves, strict=True):
        axes.axhline(0, color=FOREGROUND, linewidth=0.4)
        axes.axvline(0, color=FOREGROUND, linewidth=0.4)
        axes.plot(curve.inputs, curve.slopes, **DERIVATIVE.line())
        axes.plot(curve.inputs, curve.values, **FUNCTION.line())
        axes.grid(visible=True)
    numbers = np.clip([[curve.values, curve.slopes] for curve in curves], LOWEST, HIGHEST)
    set_axis(panels[0], "y", Scale(), limits([float(numbers.min()), float(numbers.max())], Scale()), most=5)
    panels[0].set(xlim=(-MAX_INPUT, MAX_INPUT), xticks=(-4, -2, 0, 2, 4))
    legend_below(figure, [key(FUNCTION, "f(x)"), key(DERIVATIVE, "f'(x)")])
    return figure
