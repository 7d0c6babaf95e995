"""Each activation of the experiment with its derivative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.catalogue.facts import saturation, values_and_derivatives
from actbench.experiment.choices import Choice
from actbench.experiment.layers import resolve_layers
from actbench.report.figures.axes import key, legend_below, new_figure, set_y, title_panel
from actbench.report.figures.panels import grid_shape
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, limits
from actbench.report.figures.style import BLUE, FOREGROUND, VERMILLION, Stroke, drawing
from actbench.report.functions import plotted_inputs, with_curves
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_PANELS = 40
WIDEST, LOWEST, HIGHEST = 5.0, -3.0, 4.0
FUNCTION, DERIVATIVE = Stroke(BLUE, (), "", 1.4), Stroke(VERMILLION, (4, 1.5), "", 1.2)


@dataclass(frozen=True)
class Curve:
    """A function and its derivative at the same inputs."""

    label: str
    inputs: tuple[float, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]
    range: str


def functions_picture(results: Results) -> Picture | None:
    """What the arms' hidden layers apply; None where there are no hidden layers."""
    found = _activations(results)
    choices = [choice for choice in found if choice.is_loaded()][:MAX_PANELS]
    absent = [str(choice) for choice in found if not choice.is_loaded()]
    if not choices:
        return None
    curves = [_curve(choice) for choice in choices]
    caption = "Each activation (solid) and its derivative (dashed), with the parameters that it has in the experiment"
    learnt = any(dict(choice.parameters).get("learn") for choice in choices)
    return Picture(
        name="functions",
        title="The activations and their derivatives",
        caption=caption
        + (", before any are learnt." if learnt else ".")
        + (f" Not drawn, since its file is not loaded (--use FILE): {', '.join(absent)}." if absent else ""),
        description=_description(curves),
        draw=lambda: _draw(curves),
    )


def _activations(results: Results) -> list[Choice]:
    found = [
        layer.activation
        for arm, _ in results.plan.arms
        for layer in resolve_layers(arm.settings)
        if layer.activation is not None
    ]
    return with_curves(list(dict.fromkeys(found)))


def _curve(choice: Choice) -> Curve:
    inputs = plotted_inputs()
    inputs = inputs[inputs.abs() <= WIDEST]
    parameters = dict(choice.parameters)
    values, slopes = (part.tolist() for part in values_and_derivatives(choice.entry, parameters, inputs))
    flat = saturation(choice.entry, parameters)
    ends = [f"below {flat.left:g}" if flat.left is not None else "", f"above {flat.right:g}" if flat.right else ""]
    said = f"is flat {' and '.join(filter(None, ends))}" if any(ends) else "is flat nowhere"
    return Curve(str(choice), tuple(inputs.tolist()), tuple(values), tuple(slopes), said)


def _description(curves: Sequence[Curve]) -> str:
    drawn = f"Curves of {counted(len(curves), 'activation')} and their derivatives on -5 to 5"
    said = "; ".join(f"{curve.label} {curve.range}" for curve in curves)
    return f"{drawn}; flat is a slope under 5 % of the largest: {said}."


def _draw(curves: Sequence[Curve]) -> Figure:
    with drawing():
        width, rows, columns = grid_shape(len(curves))
        figure = new_figure(width, 0.4 + rows * (1.8 if columns == 1 else 1.25))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        low = max(min(min(*curve.values, *curve.slopes) for curve in curves), LOWEST)
        high = min(max(max(*curve.values, *curve.slopes) for curve in curves), HIGHEST)
        for number, axes in enumerate(grid.flat):
            if number >= len(curves):
                axes.set_visible(False)
                continue
            _draw_curve(axes, curves[number])
            title_panel(axes, curves[number].label, width / columns - 0.3)
            if number + columns >= len(curves):
                axes.tick_params(labelbottom=True)
        set_y(grid.flat[0], Scale(), limits([low, high], Scale()), most=5)
        grid.flat[0].set(xlim=(-WIDEST, WIDEST), xticks=(-4, -2, 0, 2, 4))
        legend_below(figure, [key(FUNCTION, "f(x)"), key(DERIVATIVE, "f'(x)")])
    return figure


def _draw_curve(axes: Axes, curve: Curve) -> None:
    axes.axhline(0, color=FOREGROUND, linewidth=0.4)
    axes.axvline(0, color=FOREGROUND, linewidth=0.4)
    axes.plot(curve.inputs, curve.slopes, **DERIVATIVE.line())
    axes.plot(curve.inputs, curve.values, **FUNCTION.line())
    axes.grid(visible=True)
