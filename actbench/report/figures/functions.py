"""The activations of the experiment with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from actbench.catalogue import facts
from actbench.experiment.choices import Choice
from actbench.experiment.layers import resolve_layers
from actbench.report.figures.layout import Paper, Picture, picture
from actbench.report.figures.looks import looks
from actbench.report.figures.marks import GRID, QUIET, Group, Line, Mark, Scene, Text, lines_of, minus, text_width
from actbench.report.figures.scales import Axis, Scale
from actbench.report.functions import plotted_inputs, with_curves
from actbench.store.results import Results
from actbench.text import counted

MAX_PANELS = 40
MAX_INPUT, LOWEST, HIGHEST = 5.0, -0.6, 0.8  # of a value, relative to the largest input
MAX_POINTS = 200
DERIVATIVE_DASHES = (4.0, 2.0)


@dataclass(frozen=True)
class Curve:
    """A function and its derivative at the same inputs, and where it is flat, in words."""

    label: str
    inputs: tuple[float, ...]
    values: tuple[float, ...]
    slopes: tuple[float, ...]
    flat: str = ""


def functions_picture(results: Results) -> Picture | None:
    """What the arms' hidden layers apply; None if there are no hidden layers."""
    layers = [layer for arm, _ in results.plan.arms for layer in resolve_layers(arm.settings)]
    activations = with_curves(list(dict.fromkeys(layer.activation for layer in layers if layer.activation is not None)))
    choices = [choice for choice in activations if choice.is_loaded()][:MAX_PANELS]
    absent = [str(choice) for choice in activations if not choice.is_loaded()]
    if not choices:
        return None
    curves = [_curve(choice) for choice in choices]
    values = {str(choice): (("model.activation", choice),) for choice in choices}
    is_learnt = any(dict(choice.parameters).get("learn") for choice in choices)
    flat = "; ".join(f"{curve.label} {curve.flat}" for curve in curves)
    colours = {label: look.colour for label, look in looks(values).items()}
    return picture(
        "functions",
        "The activations and their derivatives",
        lambda paper: draw_functions(curves, colours, paper),
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
    inputs = inputs[abs(inputs) <= MAX_INPUT]
    parameters = dict(choice.parameters)
    values, slopes = (tuple(part.tolist()) for part in facts.curve(choice.entry, parameters, inputs))
    flat = facts.saturation(choice.entry, parameters)
    ends = [f"below {flat.left:g}" if flat.left is not None else "", f"above {flat.right:g}" if flat.right else ""]
    where = " and ".join(filter(None, ends)) or "nowhere"
    return Curve(str(choice), tuple(inputs.tolist()), values, slopes, f"is flat {where}")


def draw_functions(curves: Sequence[Curve], colours: dict[str, str], paper: Paper) -> Scene:
    """A panel for each function, with its derivative dashed."""
    em = paper.size
    columns = min(len(curves), 2 if paper.is_narrow else 4)
    wide = paper.width / columns
    names = {curve.label: _name(curve.label, paper, wide - em) for curve in curves}
    head = 0.7 * em + 1.2 * em * max(map(len, names.values()))
    rows, high = math.ceil(len(curves) / columns), 8.6 * em + head
    inputs = curves[0].inputs[0], curves[0].inputs[-1]
    reach = max(map(abs, inputs))
    shown = [
        one for curve in curves for one in (*curve.values, *curve.slopes) if LOWEST * reach <= one <= HIGHEST * reach
    ]
    bounds = min([*shown, -0.5]), max([*shown, 1.0])
    marks: list[Mark] = []
    for number, curve in enumerate(curves):
        row, column = divmod(number, columns)
        top, left = row * high + head, column * wide
        x = Axis(Scale(), inputs, left + 0.4 * em, left + wide - 0.8 * em)
        y = Axis(Scale(), bounds, top + 7.2 * em, top)
        marks += [
            Line([(x.start, y.at(0)), (x.end, y.at(0))], GRID, 0.07 * em),
            *([Line([(x.at(0), y.start), (x.at(0), y.end)], GRID, 0.07 * em)] if inputs[0] <= 0 <= inputs[1] else []),
            *(Text(place, y.start + 1.2 * em, text, paper.small, "middle", QUIET) for place, text in _ticks(x, paper)),
        ]
        colour = colours[curve.label]
        name = [
            Text(x.start, top - (0.6 + 1.2 * (len(names[curve.label]) - 1 - line)) * em, text, em)
            for line, text in enumerate(names[curve.label])
        ]
        slope = [
            Line(part, colour, 0.09 * em, [length * em / 14 for length in DERIVATIVE_DASHES])
            for part in _inside(curve.inputs, curve.slopes, x, y)
        ]
        line = [Line(part, colour, 0.15 * em) for part in _inside(curve.inputs, curve.values, x, y)]
        marks.append(Group([*name, *slope, *line], curve.label))
    return Scene(paper.width, rows * high, marks)


def _ticks(x: Axis, paper: Paper) -> list[tuple[float, str]]:
    """A few round inputs whose texts do not reach into the next panel."""
    if x.bounds == (-MAX_INPUT, MAX_INPUT):
        return [(x.at(tick), minus(f"{tick:g}")) for tick in (-4, 0, 4)]
    return [
        (place, text)
        for place, text in x.ticks(5)
        if x.start <= place - text_width(text, paper.small) / 2 and place + text_width(text, paper.small) / 2 <= x.end
    ]


def _name(label: str, paper: Paper, width: float) -> list[str]:
    """A function's name; its parameters go to a second line if they do not fit."""
    whole = paper.named(label)
    return lines_of(
        whole if text_width(whole, paper.size) <= width else whole.replace("(", " ("), paper.size, width, most=2
    )


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
