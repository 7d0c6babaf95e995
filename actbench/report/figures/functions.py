"""The activations of the experiment with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actbench.catalogue import facts
from actbench.experiment.choices import Choice
from actbench.experiment.layers import resolve_layers
from actbench.lazy import NDArray, numpy
from actbench.report.figures.layout import Canvas, Picture, picture
from actbench.report.figures.marks import GRID, lines_of, minus, text_width
from actbench.report.figures.scales import Axis, Scale
from actbench.report.figures.styles import styles
from actbench.report.functions import plotted_inputs, with_curves
from actbench.store.results import Results
from actbench.text import counted

MAX_PANELS = 40
MAX_INPUT, LOWEST, HIGHEST = 5.0, -0.6, 0.8  # of a value, relative to the largest input
MAX_POINTS = 200
DERIVATIVE_DASHES = (4.0, 2.0)


@dataclass(frozen=True)
class Curve:
    """A function and its derivative at the same inputs."""

    choice: Choice
    inputs: Sequence[float]
    values: Sequence[float]
    slopes: Sequence[float]


def functions_picture(results: Results) -> Picture | None:
    """What the arms' hidden layers apply; None if there are no hidden layers."""
    layers = [layer for arm, _ in results.plan.arms for layer in resolve_layers(arm.settings)]
    activations = with_curves(list(dict.fromkeys(layer.activation for layer in layers if layer.activation is not None)))
    choices = [choice for choice in activations if choice.is_loaded()][:MAX_PANELS]
    absent = [str(choice) for choice in activations if not choice.is_loaded()]
    if not choices:
        return None
    inputs = plotted_inputs()
    inputs = inputs[abs(inputs) <= MAX_INPUT]
    is_learnt = any(dict(choice.parameters).get("learn") for choice in choices)
    flat = "; ".join(f"{choice} is flat {_where_flat(choice)}" for choice in choices)
    return picture(
        "functions",
        "The activations and their derivatives",
        functions_drawing(choices, inputs),
        caption=[
            "Each activation (solid) and its derivative (dashed), with its parameters in the experiment"
            f"{', before any are learnt' * is_learnt}.",
            bool(absent) and f"Not drawn, since its file is not loaded (--use FILE): {', '.join(absent)}.",
        ],
        description=[
            f"Curves of {counted(len(choices), 'activation')} and their derivatives on -5 to 5; flat is a slope under "
            f"5 % of the largest: {flat}."
        ],
    )


def _where_flat(choice: Choice) -> str:
    flat = facts.saturation(choice.entry, dict(choice.parameters))
    ends = [f"below {flat.left:g}" if flat.left is not None else "", f"above {flat.right:g}" if flat.right else ""]
    return " and ".join(filter(None, ends)) or "nowhere"


def functions_drawing(choices: Sequence[Choice], inputs: NDArray[numpy.float64]) -> Callable[[Canvas], float]:
    """Draws a panel for each function, with its derivative dashed."""
    curves = []
    for choice in choices:
        values, slopes = facts.curve(choice.entry, dict(choice.parameters), inputs)
        curves.append(Curve(choice, inputs.tolist(), values.tolist(), slopes.tolist()))
    return lambda canvas: _draw(canvas, curves)


def _draw(canvas: Canvas, curves: Sequence[Curve]) -> float:
    em = canvas.em
    chosen = styles({str(curve.choice): (("model.activation", curve.choice),) for curve in curves})
    columns = min(len(curves), 2 if canvas.is_narrow else 4)
    wide = canvas.width / columns
    names = [_name(canvas, str(curve.choice), wide - em) for curve in curves]
    head = 0.7 * em + 1.2 * em * max(map(len, names))
    high = 8.6 * em + head
    inputs = curves[0].inputs[0], curves[0].inputs[-1]
    low, top_value = (share * max(map(abs, inputs)) for share in (LOWEST, HIGHEST))
    shown = [one for curve in curves for one in (*curve.values, *curve.slopes) if low <= one <= top_value]
    bounds = min([*shown, -0.5]), max([*shown, 1.0])
    for number, (curve, name) in enumerate(zip(curves, names, strict=True)):
        row, column = divmod(number, columns)
        top, left = row * high + head, column * wide
        x = Axis(Scale(), inputs, left + 0.4 * em, left + wide - 0.8 * em)
        y = Axis(Scale(), bounds, top + 7.2 * em, top)
        canvas.line([(x.start, y.at(0)), (x.end, y.at(0))], GRID, 0.07)
        if inputs[0] <= 0 <= inputs[1]:
            canvas.line([(x.at(0), y.start), (x.at(0), y.end)], GRID, 0.07)
        for place, text in _ticks(canvas, x):
            canvas.note(place, y.start + 1.2 * em, text)
        colour = chosen[str(curve.choice)].colour
        with canvas.group(str(curve.choice)):
            for line, text in enumerate(name, start=1 - len(name)):
                canvas.text(x.start, top + (1.2 * line - 0.6) * em, text)
            for part in _inside(curve.inputs, curve.slopes, x, y):
                canvas.line(part, colour, 0.09, DERIVATIVE_DASHES)
            for part in _inside(curve.inputs, curve.values, x, y):
                canvas.line(part, colour, 0.15)
    return math.ceil(len(curves) / columns) * high


def _ticks(canvas: Canvas, x: Axis) -> list[tuple[float, str]]:
    """A few round inputs whose texts do not reach into the next panel."""
    if x.bounds == (-MAX_INPUT, MAX_INPUT):
        return [(x.at(tick), minus(f"{tick:g}")) for tick in (-4, 0, 4)]
    halves = [(place, text, text_width(text, canvas.small) / 2) for place, text in x.ticks(5)]
    return [(place, text) for place, text, half in halves if x.start <= place - half and place + half <= x.end]


def _name(canvas: Canvas, label: str, width: float) -> list[str]:
    """A function's name; its parameters go to a second line if they do not fit."""
    whole = canvas.named(label)
    fits = text_width(whole, canvas.em) <= width
    return lines_of(whole if fits else whole.replace("(", " ("), canvas.em, width, most=2)


def _inside(inputs: Sequence[float], values: Sequence[float], x: Axis, y: Axis) -> list[list[tuple[float, float]]]:
    """The parts of a curve within the panel, thinned out."""
    every = max(1, len(inputs) // MAX_POINTS)
    parts: list[list[tuple[float, float]]] = [[]]
    for at, value in list(zip(inputs, values, strict=True))[::every]:
        if y.bounds[0] <= value <= y.bounds[1]:
            parts[-1].append((x.at(at), y.at(value)))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]
