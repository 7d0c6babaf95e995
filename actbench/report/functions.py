"""Functions as a table of facts, a plot in the terminal, and a figure of each function beside its derivative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from actbench.catalogue.facts import curve, saturation
from actbench.catalogue.gains import PUBLISHED_GAINS, backward_gain, gain, published_gain
from actbench.catalogue.lookup import names
from actbench.catalogue.registry import Kind
from actbench.checks.claims import claims_about, finding_of
from actbench.config.source import read_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice, parse_choice
from actbench.lazy import NDArray, numpy
from actbench.render.sections import Section
from actbench.report.listing import bounds_text, entry_document
from actbench.text import did_you_mean

PLOT_ROWS, PLOT_COLUMNS, PLOT_BOUNDS = 17, 65, (-8.0, 8.0)
MARKS = "*o+x#@%&"
FACTS_OF_ALL = ("name", "formula", "bounds")
FACTS_OF_CURVES = ("saturates", "and", "gain", "backward gain", "published gain", "f(0)", "f'(0)", "f(1)", "f'(1)")


def find_functions(texts: Sequence[str], kinds: Sequence[Kind] = ("activation", "output")) -> list[Choice]:
    """The entries of these kinds that are meant: a name, or as in an experiment file a name with parameters.

    Raises `ConfigurationError` with every name that means nothing.
    """
    known: dict[str, Kind] = {name: kind for kind in reversed(kinds) for name in names(kind)}
    choices = [_find_function(text, known) for text in texts]
    if mistakes := [choice for choice in choices if isinstance(choice, str)]:
        raise ConfigurationError("\n".join(mistakes))
    return [choice for choice in choices if isinstance(choice, Choice)]


def _find_function(text: str, known: Mapping[str, Kind]) -> Choice | str:
    """A function, or a sentence for each mistake in how it is called."""
    source = read_yaml(text, text) if ":" in text else None
    value = source.data if source else text
    name = next(iter(value)) if isinstance(value, dict) and len(value) == 1 else value
    if source and (source.problems or not isinstance(value, dict)):
        return f"{text}: expected a name, or a name with parameters such as 'leaky_relu: {{negative_slope: 0.2}}'"
    if name not in known:
        if name in names("initialiser"):
            return f"{name} is an initialiser: say for which layer it draws, such as --shape 5x3"
        noun = "initialiser" if "initialiser" in known.values() else "function"
        return f"no {noun} is called {name!r}{did_you_mean(str(name), known)}"
    try:
        return parse_choice(known[str(name)], value)
    except PydanticCustomError as invalid:
        problems = (invalid.context or {})["problems"]
        return "\n".join(f"{'.'.join(map(str, where)) or text}: {sentence}" for where, sentence in problems)


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
    curves = with_curves(choices)
    notes = [
        "Saturated: the derivative stays under 5 % of its largest size on [-50, 50] from there on.",
        "Gain: 1 / sqrt(E f(z)^2) for z ~ N(0, 1); backward gain: the same with f'(z).",
    ]
    published = [
        f"Published gain of {choice.name}: {PUBLISHED_GAINS[choice.name].reference}."
        for choice in curves
        if choice.name in PUBLISHED_GAINS
    ]
    return Section(
        "functions",
        [*FACTS_OF_ALL, *(FACTS_OF_CURVES if curves else ())],
        [
            [
                str(choice),
                choice.entry.formula,
                bounds_text(choice.entry, dict(choice.parameters)),
                *(_facts_of_curve(choice) if curves else ()),
            ]
            for choice in choices
        ],
        [
            *(notes if curves else ()),
            *published,
            *(f"{choice.name}: {choice.entry.summary} ({choice.entry.reference})" for choice in choices),
            *([_without_curves(choices) + "."] if len(curves) < len(choices) else ()),
        ],
        importance=(0, 2, 5, 3, 4, 8, 9, 10, 11, 6, 7, 1) if curves else (0, 2, 1),
    )


def _facts_of_curve(choice: Choice) -> list[str]:
    if choice.entry.across_units:
        return ["-"] * len(FACTS_OF_CURVES)
    entry, parameters = choice.entry, dict(choice.parameters)
    dead = saturation(entry, parameters)
    values, slopes = curve(entry, parameters, numpy.array([0.0, 1.0]))
    published = published_gain(entry, parameters)
    return [
        "-" if dead.left is None else f"below {_rounded(dead.left)}",
        "-" if dead.right is None else f"above {_rounded(dead.right)}",
        f"{gain(entry, parameters):.4f}",
        f"{backward_gain(entry, parameters):.4f}",
        "-" if published is None else f"{published:.4f}",
        *(_rounded(float(number)) for pair in zip(values, slopes, strict=True) for number in pair),
    ]


def function_claims_sections(choices: Sequence[Choice]) -> list[Section]:
    """One section with every claim that concerns these functions; none where no claim does."""
    claims = claims_about(choice.name for choice in choices)
    if not claims:
        return []
    rows = []
    for claim in claims:
        finding = finding_of(claim)
        sentence = claim.sentence if claim.is_whole else f"{claim.sentence} (function part)"
        rows.append([sentence, finding.verdict, finding.evidence])
    header = ["claim", "verdict", "evidence"]
    notes = ["Function part: the rest of that claim takes training."]
    has_parts = not all(claim.is_whole for claim in claims)
    return [Section("claims about these functions", header, rows, notes if has_parts else (), is_complete=True)]


def functions_document(choices: Sequence[Choice], x: NDArray[numpy.float64] | None = None) -> dict[str, Any]:
    """All facts as plain data, with the curve of each function that has one, and the claims about these functions."""
    x = plotted_inputs() if x is None else x
    claims = [(claim, finding_of(claim)) for claim in claims_about(choice.name for choice in choices)]
    return {
        "functions": [_function_document(choice, x) for choice in choices],
        "claims": [
            {
                "id": claim.id,
                "sentence": claim.sentence,
                "is_whole": claim.is_whole,
                "verdict": finding.verdict,
                "evidence": finding.evidence,
            }
            for claim, finding in claims
        ],
    }


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
    from actbench.report.figures.functions import functions_drawing
    from actbench.report.figures.layout import FULL, picture
    from actbench.report.figures.paint import require_format, save_scene

    require_format(path)
    drawn = with_curves(choices)
    if not drawn:
        raise ConfigurationError(f"--save {path}: nothing to draw; {_without_curves(choices)}")
    drawing = functions_drawing(drawn, plotted_inputs() if x is None else x)
    title, description = (
        f"{', '.join(map(str, drawn))}: function and derivative",
        "Each function solid, its derivative dashed.",
    )
    scene = picture("functions", title, drawing, caption=[], description=[description]).draw(FULL)
    save_scene(scene, path, title, description)
