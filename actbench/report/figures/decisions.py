"""What small networks of one or two inputs give for every input: curves before and after training, and boundaries."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench.catalogue.datasets import Arrays, load
from actbench.catalogue.facts import curve
from actbench.catalogue.formulas import evaluate
from actbench.catalogue.registry import call_parameters
from actbench.experiment.choices import custom_choices
from actbench.experiment.definition import Arm
from actbench.experiment.layers import learnable_parameter_sizes, resolve_layers
from actbench.experiment.records import Trial, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.lazy import NDArray, numpy
from actbench.report.figures.layout import Canvas, Picture, number_shown, picture
from actbench.report.figures.marks import INK, QUIET, Points, shortened
from actbench.report.figures.scales import Axis, Scale, Style, limits, styles_in
from actbench.store.results import Results
from actbench.store.weights import read_weights
from actbench.text import counted

MAX_PANELS, MAX_SEEDS, MAX_POINTS = 8, 10, 150
CURVE_POINTS, GRID_POINTS = 401, 81
HALF, LOG_HALF = 0.5, math.log(0.5)
BEFORE_DASHES = (4.0, 2.0)
Weights = Mapping[str, Any]  # the values of parameters by names such as `layer1.weight`, row by row


@dataclass(frozen=True)
class Decisions:
    """What an arm's networks give, a line for each seed: outputs by input, or where two classes meet in the plane."""

    arm: str
    after: tuple[Points, ...]
    before: tuple[Points, ...] = ()


def decisions_picture(results: Results) -> Picture | None:
    """Curves of networks with one input and one unit, or boundaries of such with two inputs and two classes."""
    dataset = results.experiment.settings.data.dataset
    if dataset.source != "generated" or (dataset.features, dataset.output_units) not in ((1, 1), (2, 2), (2, 1)):
        return None
    arrays = load(dataset, Path())
    found = [one for arm, trials in results.plan.arms if (one := _decisions(arm, trials, results, arrays))]
    if not found:
        return None
    shown = found[:MAX_PANELS]
    is_plane = dataset.features == 2
    lines = [f"{one.arm} with {counted(len(one.after), 'line')}" for one in shown]
    return picture(
        "decisions",
        "Where the networks see the boundary" if is_plane else "What the networks give before and after training",
        lambda canvas: _draw(canvas, shown, arrays, styles_in(results.plan)),
        caption=[
            f"{dataset.name.capitalize()}: {dataset.summary}.",
            "Each line is where the network of one seed gives both classes the same; the dots are some of the test "
            "points, filled where they are of class 1."
            if is_plane
            else "Each coloured line is the network of one seed after training, each dashed grey one the same network "
            "as it was drawn; the black line is the truth.",
            number_shown(len(shown), len(found), first="first"),
        ],
        description=[f"{counted(len(shown), 'panel')} with up to {MAX_SEEDS} networks each: {'; '.join(lines)}."],
    )


def _decisions(arm: Arm, trials: Sequence[Trial], results: Results, arrays: Arrays) -> Decisions | None:
    from actbench.checks.initialisers import starting_weights

    records = [(one, results.records[one.id]) for one in trials if one.id in results.records]
    kept = [(one, record, found) for one, record in records if (found := _weights(record, results))]
    if not kept:
        return None
    if arrays.train_inputs.shape[1] == 2:
        lines = [line for _, record, found in kept[:MAX_SEEDS] for line in _boundary(record, found, arrays)]
        return Decisions(arm.label(), tuple(lines))
    x = numpy.linspace(arrays.train_inputs.min(), arrays.train_inputs.max(), CURVE_POINTS, dtype=numpy.float64)
    after: list[Points] = []
    before: list[Points] = []
    for trial, record, found in kept[:MAX_SEEDS]:
        for lines, weights in ((after, found), (before, starting_weights(trial))):
            outputs = network_outputs(record.settings, weights, x[:, None])[:, 0]
            lines.append(list(zip(x.tolist(), outputs.tolist(), strict=True)))
    return Decisions(arm.label(), tuple(after), tuple(before))


def _weights(record: TrialRecord, results: Results) -> Weights:
    """A network's final weights, as its record or the result folder keeps them; none where they say too little."""
    if record.outcome != "done" or not can_be_computed(record.settings):
        return {}
    if record.parameters:
        is_finite = all(value is not None for values in record.parameters.values() for value in values)
        return record.parameters if is_finite else {}
    try:
        return read_weights(results.folder, record.trial, record.settings)
    except (OSError, ValueError):  # `verify` says what is wrong with a file that is there
        return {}


def _boundary(record: TrialRecord, weights: Weights, arrays: Arrays) -> Iterator[Points]:
    """The lines along which both classes are given the same, found on a grid."""
    from contourpy import contour_generator

    (left, bottom), (right, top) = _corners(arrays)
    x, y = numpy.linspace(left, right, GRID_POINTS), numpy.linspace(bottom, top, GRID_POINTS)
    grid = numpy.stack(numpy.meshgrid(x, y), axis=-1).reshape(-1, 2)
    outputs = network_outputs(record.settings, weights, grid)
    if outputs.shape[1] == 2:
        lead = outputs[:, 1] - outputs[:, 0]
    else:
        is_log = record.settings.model.output.entry.yields == "log-probabilities"
        lead = outputs[:, 0] - (LOG_HALF if is_log else HALF)
    contours: Any = contour_generator(x=x, y=y, z=lead.reshape(GRID_POINTS, GRID_POINTS))
    for line in contours.lines(0.0):
        yield [(float(first), float(second)) for first, second in line]


def _corners(arrays: Arrays) -> tuple[tuple[float, float], tuple[float, float]]:
    low, high = (end(axis=0).tolist() for end in (arrays.test_inputs.min, arrays.test_inputs.max))
    return (low[0], low[1]), (high[0], high[1])


def _draw(canvas: Canvas, found: Sequence[Decisions], arrays: Arrays, chosen: Mapping[str, Style]) -> float:
    em, is_plane = canvas.em, arrays.train_inputs.shape[1] == 2
    columns = min(len(found), 1 if canvas.is_narrow or not is_plane else 2)
    wide = canvas.width / columns
    high = (0.75 * wide if is_plane else max(16 * em, 0.3 * wide)) + 6 * em
    for number, one in enumerate(found):
        row, column = divmod(number, columns)
        top, left, right = row * high, column * wide, column * wide + wide - em
        (first, low), (last, upper) = _corners(arrays) if is_plane else _reach(arrays)
        y = Axis(Scale(), (low, upper), top + high - 4 * em, top + 2.4 * em)
        start = left + canvas.tick_width(y) + 0.5 * em
        x = Axis(Scale(), (first, last), start, right)
        canvas.left_axis(y, start, right, "" if is_plane else f"output: {one.arm}")
        canvas.bottom_axis(x, y.end, y.start, "" if is_plane else "input")
        if is_plane:
            canvas.text(start, top + 1.5 * em, shortened(canvas.named(one.arm), em, right - start))
            points = zip(arrays.test_inputs[:MAX_POINTS].tolist(), arrays.test_labels.tolist(), strict=False)
            for (at, height), label in points:
                canvas.dot(x.at(at), y.at(height), 0.2, QUIET, is_hollow=not label)
        else:
            _draw_truth(canvas, arrays, x, y)
        for line in one.before:
            canvas.line([(x.at(at), y.within(value)) for at, value in line], QUIET, 0.09, BEFORE_DASHES)
        with canvas.group(one.arm):
            place = y.at if is_plane else y.within
            for line in one.after:
                canvas.line([(x.at(at), place(value)) for at, value in line], chosen[one.arm].colour)
    return math.ceil(len(found) / columns) * high


def _reach(arrays: Arrays) -> tuple[tuple[float, float], tuple[float, float]]:
    """The corners of a plot of outputs by one input."""
    (low, high), inputs = limits([0.0, 1.0], Scale()), arrays.train_inputs[:, 0]
    return (float(inputs.min()), low), (float(inputs.max()), high)


def _draw_truth(canvas: Canvas, arrays: Arrays, x: Axis, y: Axis) -> None:
    """The label of each input, which changes in steps."""
    inputs, labels = arrays.train_inputs[:, 0], arrays.train_labels
    truth = [(float(at), float(label)) for at, label in zip(inputs, labels, strict=True)]
    steps = [0, *(index for index in range(1, len(truth)) if truth[index][1] != truth[index - 1][1])]
    corners = [place for index in steps for place in (truth[max(index - 1, 0)], truth[index])]
    canvas.line([(x.at(at), y.at(label)) for at, label in (*corners, truth[-1])], INK, 0.22, opacity=0.55)


def can_be_computed(settings: TrialSettings) -> bool:
    """Whether the weights are all that the outputs depend on: no moments of batches or images, no custom function."""
    is_plain = not custom_choices(settings) and not any(layer.batch_norm for layer in resolve_layers(settings))
    return is_plain and settings.data.scale != "standard"


def network_outputs(
    settings: TrialSettings, weights: Weights, inputs: NDArray[numpy.float64]
) -> NDArray[numpy.float64]:
    """The outputs `[images, units]` for unscaled inputs `[images, features]`, in double precision."""
    values = inputs / (settings.data.divisor() or 1.0)
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
