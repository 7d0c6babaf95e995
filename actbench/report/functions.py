"""Functions as a table of facts, a plot in the terminal, and a figure of each function beside its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from pydantic_core import PydanticCustomError

from actbench.catalogue.facts import curve, saturation
from actbench.catalogue.gains import PUBLISHED_GAINS, backward_gain, gain, published_gain
from actbench.catalogue.lookup import names
from actbench.catalogue.registry import Kind
from actbench.checks.claims import claims_about, finding_of
from actbench.config.source import read_yaml
from actbench.errors import ConfigurationError, all_found
from actbench.experiment.choices import Choice, parse_choice
from actbench.experiment.layers import resolve_layers
from actbench.lazy import NDArray, numpy
from actbench.render.sections import Section
from actbench.report.figures.layout import FULL, Canvas, Picture, picture
from actbench.report.figures.marks import GRID, lines_of, minus, text_width
from actbench.report.figures.paint import require_format, save_scene
from actbench.report.figures.scales import Axis, Scale, styles
from actbench.report.listing import bounds_text, entry_document
from actbench.store.results import Results
from actbench.text import counted, did_you_mean

PLOT_ROWS, PLOT_COLUMNS, PLOT_BOUNDS = 17, 65, (-8.0, 8.0)
MARKS = "*o+x#@%&"
FACTS_OF_ALL = ("name", "formula", "bounds")
FACTS_OF_CURVES = ("saturates", "and", "gain", "backward gain", "published gain", "f(0)", "f'(0)", "f(1)", "f'(1)")
MAX_PANELS = 40
MAX_INPUT, LOWEST, HIGHEST = 5.0, -0.6, 0.8  # of a value, relative to the largest input
MAX_POINTS = 200
DERIVATIVE_DASHES = (4.0, 2.0)


def find_functions(texts: Sequence[str], kinds: Sequence[Kind] = ("activation", "output")) -> list[Choice]:
    """The entries of these kinds that are meant: a name, or as in an experiment file a name with parameters.

    Raises `ConfigurationError` with every name that means nothing.
    """
    known: dict[str, Kind] = {name: kind for kind in reversed(kinds) for name in names(kind)}
    return all_found(partial(_find_function, text, known) for text in texts)


def _find_function(text: str, known: Mapping[str, Kind]) -> Choice:
    source = read_yaml(text, text) if ":" in text else None
    value = source.data if source else text
    name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
    if source and (source.problems or not isinstance(value, dict)):
        expected = "a name, or a name with parameters such as 'leaky_relu: {negative_slope: 0.2}'"
        raise ConfigurationError(f"{text}: expected {expected}")
    if name not in known:
        if name in names("initialiser"):
            raise ConfigurationError(f"{name} is an initialiser: say for which layer it draws, such as --shape 5x3")
        noun = "initialiser" if "initialiser" in known.values() else "function"
        other = next((kind for kind in get_args(Kind) if name in names(kind)), "")
        where = f"; it is in `actbench list {other}`" if other else did_you_mean(str(name), known)
        raise ConfigurationError(f"no {noun} is called {name!r}{where}")
    try:
        return parse_choice(known[str(name)], value)
    except PydanticCustomError as invalid:
        problems = (invalid.context or {})["problems"]
        raise ConfigurationError(
            "\n".join(f"{'.'.join(map(str, where)) or text}: {sentence}" for where, sentence in problems)
        ) from None


def with_curves(choices: Sequence[Choice]) -> list[Choice]:
    """Those that map one number to one number; the others, such as softmax, mix the output units."""
    return [choice for choice in choices if not choice.entry.across_units]


def _without_curves(choices: Sequence[Choice]) -> str:
    names_of_them = ", ".join(str(choice) for choice in choices if choice.entry.across_units)
    return f"{names_of_them}: no curve, because the output units are mixed"


def plotted_inputs() -> NDArray[numpy.float64]:
    """Every tenth from -8.0 to 7.9."""
    return numpy.arange(-80, 80) / 10


def function_section(choices: Sequence[Choice]) -> Section:
    """Formula and bounds, and of functions with a curve where it saturates, its gain, and the values at 0 and 1."""
    described = [f"{one.name}: {one.entry.summary} ({one.entry.reference})" for one in choices]
    rows = [[str(one), one.entry.formula, bounds_text(one.entry, dict(one.parameters))] for one in choices]
    curves = with_curves(choices)
    if not curves:
        notes = [*described, f"{_without_curves(choices)}."]
        return Section("functions", FACTS_OF_ALL, rows, notes, importance=(0, 2, 1))
    published = [(one.name, PUBLISHED_GAINS[one.name]) for one in curves if one.name in PUBLISHED_GAINS]
    notes = [
        "Saturated: the derivative stays under 5 % of its largest size on [-50, 50] from there on.",
        "Gain: 1 / sqrt(E f(z)^2) for z ~ N(0, 1); backward gain: the same with f'(z).",
        *(f"Published gain of {name}: {known.reference}." for name, known in published),
        *described,
        *([f"{_without_curves(choices)}."] if len(curves) < len(choices) else ()),
    ]
    rows = [[*facts, *_facts_of_curve(one)] for facts, one in zip(rows, choices, strict=True)]
    importance = (0, 2, 5, 3, 4, 8, 9, 10, 11, 6, 7, 1)
    return Section("functions", [*FACTS_OF_ALL, *FACTS_OF_CURVES], rows, notes, importance=importance)


def _facts_of_curve(choice: Choice) -> list[str]:
    facts = _function_document(choice, numpy.array([0.0, 1.0]))
    below, above, drawn = facts.get("saturates_below"), facts.get("saturates_above"), facts["curve"]
    if drawn is None:
        return ["-"] * len(FACTS_OF_CURVES)
    gains = [facts[key] for key in ("gain", "backward_gain", "published_gain")]
    return [
        "-" if below is None else f"below {_rounded(below)}",
        "-" if above is None else f"above {_rounded(above)}",
        *("-" if one is None else f"{one:.4f}" for one in gains),
        *(_rounded(number) for pair in zip(drawn["value"], drawn["derivative"], strict=True) for number in pair),
    ]


def function_claims_sections(choices: Sequence[Choice]) -> list[Section]:
    """One section with the claims about these functions alone, those about others too counted; none without a claim."""
    chosen = {choice.name for choice in choices}
    about = claims_about(chosen)
    alone = [claim for claim in about if chosen.issuperset(claim.functions)]
    rows = []
    for claim in alone:
        finding, part = finding_of(claim), "" if claim.is_whole else " (function part)"
        rows.append([claim.sentence + part, finding.verdict, finding.evidence])
    notes = ["Claims are statements of five teaching articles, checked here."]
    if not all(claim.is_whole for claim in alone):
        notes.append("Function part: the rest of that claim takes training.")
    if others := len(about) - len(alone):
        notes.append(f"{counted(others, 'claim')} about other functions too: --format json.")
    header = ["claim", "verdict", "evidence"] if rows else []
    return [Section("claims about these functions", header, rows, notes, is_complete=True)] if about else []


def _claims(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    return [
        {"id": claim.id, "sentence": claim.sentence, "is_whole": claim.is_whole}
        | {"verdict": finding.verdict, "evidence": finding.evidence}
        for claim in claims_about(choice.name for choice in choices)
        for finding in [finding_of(claim)]
    ]


def functions_document(choices: Sequence[Choice], x: NDArray[numpy.float64] | None = None) -> dict[str, Any]:
    """All facts as plain data, with the curve of each function that has one, and the claims about these functions."""
    x = plotted_inputs() if x is None else x
    return {"functions": [_function_document(choice, x) for choice in choices], "claims": _claims(choices)}


def _function_document(choice: Choice, x: NDArray[numpy.float64]) -> dict[str, Any]:
    parameters = dict(choice.parameters)
    document = entry_document(choice.entry) | {"parameters": parameters, "bounds": choice.entry.bounds_at(parameters)}
    if choice.entry.across_units:
        return document | {"curve": None}
    entry = choice.entry
    dead = saturation(entry, parameters)
    values, slopes = curve(entry, parameters, x)
    return document | {
        "saturates_below": dead.left,
        "saturates_above": dead.right,
        "gain": gain(entry, parameters),
        "backward_gain": backward_gain(entry, parameters),
        "published_gain": published_gain(entry, parameters),
        "curve": {"x": x.tolist(), "value": values.tolist(), "derivative": slopes.tolist()},
    }


def _rounded(number: float) -> str:
    return "0" if round(number, 3) == 0 else f"{number:.3g}"


def plot_lines(choices: Sequence[Choice], *, derivative: bool, bounds: tuple[float, float] = PLOT_BOUNDS) -> list[str]:
    """The functions, or their derivatives, between two inputs in characters, one mark for each; none without curves."""
    choices = with_curves(choices)
    if not choices:
        return []
    choices, left_out = choices[: len(MARKS)], [str(choice) for choice in choices[len(MARKS) :]]
    x, reach = numpy.linspace(*bounds, PLOT_COLUMNS), max(map(abs, bounds))
    curves = [curve(choice.entry, dict(choice.parameters), x)[int(derivative)] for choice in choices]
    low = max(min(float(values.min()) for values in curves), -reach / 2)
    high = min(max(float(values.max()) for values in curves), reach)
    low, high = min(low, 0.0), max(high, low + 1e-9, 0.0)
    grid = [[" "] * PLOT_COLUMNS for _ in range(PLOT_ROWS)]

    def row_of(y: float) -> int:
        return round((high - y) / (high - low) * (PLOT_ROWS - 1))

    grid[row_of(0.0)] = ["-"] * PLOT_COLUMNS
    if bounds[0] <= 0 <= bounds[1]:
        for row in grid:
            row[round(-bounds[0] / (bounds[1] - bounds[0]) * (PLOT_COLUMNS - 1))] = "|"
    for mark, choice, values in zip(MARKS, choices, curves, strict=False):
        inside = [(column, y) for column, y in enumerate(values.tolist()) if low <= y <= high]
        for column, y in inside:
            grid[row_of(y)][column] = mark
        left_out += [] if inside else [str(choice)]
    labels = {0: f"{high:.3g}", PLOT_ROWS - 1: f"{low:.3g}", row_of(0.0): "0"}
    legend = ", ".join(f"{mark} {choice}" for mark, choice in zip(MARKS, choices, strict=False))
    title = f"{'derivative' if derivative else 'function'} on {bounds[0]:g} ... {bounds[1]:g}: {legend}"
    lines = [f"{labels.get(number, ''):>6} {''.join(row)}".rstrip() for number, row in enumerate(grid)]
    note = (
        f"Left out: {', '.join(left_out)}. At most {len(MARKS)} curves are drawn, between {-reach / 2:g} and {reach:g}."
    )
    return [title, *lines, *([note] if left_out else ())]


def save_figure(choices: Sequence[Choice], path: Path, x: NDArray[numpy.float64] | None = None) -> None:
    """Draw every curve with its derivative; the file's ending says whether as SVG, PNG or PDF."""
    require_format(path)
    drawn = with_curves(choices)
    if not drawn:
        raise ConfigurationError(f"--save {path}: nothing to draw; {_without_curves(choices)}")
    drawing = functions_drawing(drawn, plotted_inputs() if x is None else x)
    title = f"{', '.join(map(str, drawn))}: function and derivative"
    made = picture("functions", title, drawing, caption=[], description=["Each function solid, its derivative dashed."])
    save_scene(made.draw(FULL), path, title, made.description)


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
    flat = "; ".join(
        f"{choice} is flat {saturation(choice.entry, dict(choice.parameters)).in_words()}" for choice in choices
    )
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


def functions_drawing(choices: Sequence[Choice], inputs: NDArray[numpy.float64]) -> Callable[[Canvas], float]:
    """Draws a panel for each function, with its derivative dashed."""
    curves = [(choice, *curve(choice.entry, dict(choice.parameters), inputs)) for choice in choices]
    return lambda canvas: _draw(
        canvas, inputs.tolist(), [(one, y.tolist(), slope.tolist()) for one, y, slope in curves]
    )


def _draw(
    canvas: Canvas, inputs: Sequence[float], curves: Sequence[tuple[Choice, Sequence[float], Sequence[float]]]
) -> float:
    em = canvas.em
    chosen = styles({str(choice): (("model.activation", choice),) for choice, _, _ in curves})
    columns = min(len(curves), 2 if canvas.is_narrow else 4)
    wide = canvas.width / columns
    names = []
    for choice, _, _ in curves:
        whole = canvas.named(str(choice))
        fits = text_width(whole, em) <= wide - em  # else its parameters go to a second line
        names.append(lines_of(whole if fits else whole.replace("(", " ("), em, wide - em, most=2))
    head = 0.7 * em + 1.2 * em * max(map(len, names))
    high, ends = 8.6 * em + head, (inputs[0], inputs[-1])
    low, top_value = (share * max(map(abs, ends)) for share in (LOWEST, HIGHEST))
    shown = [one for _, values, slopes in curves for one in (*values, *slopes) if low <= one <= top_value]
    bounds = min([*shown, -0.5]), max([*shown, 1.0])
    for number, ((choice, values, slopes), name) in enumerate(zip(curves, names, strict=True)):
        row, column = divmod(number, columns)
        top, left = row * high + head, column * wide
        x = Axis(Scale(), ends, left + 0.4 * em, left + wide - 0.8 * em)
        y = Axis(Scale(), bounds, top + 7.2 * em, top)
        canvas.line([(x.start, y.at(0)), (x.end, y.at(0))], GRID, 0.07)
        if ends[0] <= 0 <= ends[1]:
            canvas.line([(x.at(0), y.start), (x.at(0), y.end)], GRID, 0.07)
        for place, text in _ticks(canvas, x):
            canvas.note(place, y.start + 1.2 * em, text)
        colour = chosen[str(choice)].colour
        with canvas.group(str(choice)):
            for line, text in enumerate(name, start=1 - len(name)):
                canvas.text(x.start, top + (1.2 * line - 0.6) * em, text)
            for part in _inside(inputs, slopes, x, y):
                canvas.line(part, colour, 0.09, DERIVATIVE_DASHES)
            for part in _inside(inputs, values, x, y):
                canvas.line(part, colour, 0.15)
    return math.ceil(len(curves) / columns) * high


def _ticks(canvas: Canvas, x: Axis) -> list[tuple[float, str]]:
    """A few round inputs whose texts do not reach into the next panel."""
    if x.bounds == (-MAX_INPUT, MAX_INPUT):
        return [(x.at(tick), minus(f"{tick:g}")) for tick in (-4, 0, 4)]
    halves = [(place, text, text_width(text, canvas.small) / 2) for place, text in x.ticks(5)]
    return [(place, text) for place, text, half in halves if x.start <= place - half and place + half <= x.end]


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
