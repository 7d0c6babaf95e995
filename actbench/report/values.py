"""What functions give at points or for scores, and what an initialiser draws for a layer."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.catalogue import facts
from actbench.catalogue.formulas import FormulaError, evaluate
from actbench.catalogue.gains import with_gain
from actbench.catalogue.lookup import find
from actbench.catalogue.registry import call_parameters
from actbench.config.source import scalar
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice
from actbench.lazy import NDArray, numpy, torch
from actbench.render.sections import SPARKS, Section
from actbench.report.listing import entry_document
from actbench.report.numbers import ABSENT
from actbench.text import counted

SHAPE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")
MAX_VALUES, MAX_SHOWN, MAX_COLUMNS = 100_000_000, 100, 10
MIN_BINS, MAX_BINS, BAR_WIDTH, BAR = 7, 21, 40, SPARKS[-1]
GAIN_OF = "relu"
MAX_NUMBERS, MAX_INPUTS, MAX_INPUT = 1000, 100_000, 1e9
DRAWN_INPUTS, MAX_ROWS = 161, 21
DIGITS, BAR_LENGTH = 6, 20


@dataclass(frozen=True)
class Draws:
    """The weights `[inputs, units]` that an initialiser draws from a seed, and the mean and sd that it promises."""

    choice: Choice
    parameters: Mapping[str, Any]
    weights: NDArray[numpy.float64]
    mean: float | None
    sd: float | None


def parse_shape(text: str) -> tuple[int, int]:
    """`5x3`, inputs by units, as numbers; raises `ConfigurationError`."""
    found = SHAPE.fullmatch(text)
    if not found or int(found[1]) * int(found[2]) > MAX_VALUES:
        raise ConfigurationError(f"--shape: expected inputs x units of a layer, such as 5x3, found {text!r}")
    return int(found[1]), int(found[2])


def draw(choices: Sequence[Choice], shape: tuple[int, int], seed: int) -> list[Draws]:
    """What each initialiser draws for such a layer; a named gain is relu's."""
    drawn = []
    for choice in choices:
        parameters = with_gain(dict(choice.parameters), find("activation", GAIN_OF), {})
        weights = choice.entry.function(shape, *shape, torch.Generator().manual_seed(seed), **parameters)
        promised = promised_moments(choice.entry.formula, parameters, *shape) or (None, None)
        drawn.append(Draws(choice, parameters, weights.double().numpy(), *promised))
    return drawn


def promised_moments(
    formula: str, parameters: Mapping[str, Any], fan_in: int, fan_out: int
) -> tuple[float, float] | None:
    """Mean and sd by the formula: `normal(mean, sd)`, also `within [a, b]`, `uniform(low, high)` or a number."""
    fan = fan_out if parameters.get("mode") == "fan_out" else fan_in
    known = {**parameters, "fan_in": fan_in, "fan_out": fan_out, "fan": fan}

    def number(expression: ast.expr) -> float:
        return float(evaluate(ast.unparse(expression), known))

    distribution, _, limits = formula.partition(" within ")
    if formula.endswith(", Q orthogonal"):
        return 0.0, float(parameters["gain"]) / math.sqrt(max(fan_in, fan_out))
    try:
        match ast.parse(distribution, mode="eval").body:
            case ast.Call(func=ast.Name(id="uniform"), args=[low, high]):
                first, last = number(low), number(high)
                return (first + last) / 2, (last - first) / math.sqrt(12)
            case ast.Call(func=ast.Name(id="normal"), args=[mean, sd]):
                moments = number(mean), number(sd)
                ends = ast.parse(limits or "[]", mode="eval").body
                bounds = list(map(number, ends.elts)) if isinstance(ends, ast.List) else []
                return _truncated(*moments, *bounds) if limits else moments
            case expression:
                return number(expression), 0.0
    except (FormulaError, SyntaxError, TypeError, ValueError):
        return None


def _truncated(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    from scipy.stats import truncnorm

    found, variance = truncnorm.stats((low - mean) / sd, (high - mean) / sd, mean, sd)
    return float(found), math.sqrt(variance)


def draws_sections(drawn: Sequence[Draws], seed: int) -> list[Section]:
    """The moments of all, and of each the weights, if they are few, and their histogram."""
    return [_moments_section(drawn, seed), *(section for one in drawn for section in _sections_of(one))]


def _moments_section(drawn: Sequence[Draws], seed: int) -> Section:
    rows = []
    for one in drawn:
        mean, sd = _moments(one)
        numbers = (one.mean, mean, one.sd, sd, one.weights.min(), one.weights.max())
        cells = [ABSENT if number is None else _rounded(number) for number in numbers]
        rows.append([str(one.choice), one.choice.entry.formula, *cells])
    inputs, units = drawn[0].weights.shape
    weights, layer = counted(inputs * units, "weight"), f"{counted(inputs, 'input')} and {counted(units, 'unit')}"
    notes = [f"{weights} of a layer of {layer}, drawn from seed {seed}."]
    if any(isinstance(dict(one.choice.parameters).get("gain"), str) for one in drawn):
        notes.append(f"A gain that depends on the activation is that of {GAIN_OF}.")
    header = ["initialiser", "formula", "mean", "drawn", "sd", "drawn", "smallest", "largest"]
    return Section("weights", header, rows, notes, importance=(0, 4, 5, 2, 3, 6, 7, 1))


def _sections_of(one: Draws) -> list[Section]:
    inputs, units = one.weights.shape
    sections = []
    if inputs * units <= MAX_SHOWN and units <= MAX_COLUMNS:
        rows = [[str(number), *map(_rounded, row)] for number, row in enumerate(one.weights, start=1)]
        header = ["input", *(f"unit {number}" for number in range(1, units + 1))]
        sections.append(Section(f"{one.choice}: weights", header, rows, is_complete=True))
    edges, counts = _histogram(one.weights)
    bars = [
        [_rounded(low), _rounded(high), f"{count:,}", BAR * round(BAR_WIDTH * count / max(counts))]
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    header = ["from", "to", "weights", "picture"]
    return [*sections, Section(f"{one.choice}: histogram", header, bars, is_complete=True)]


def _histogram(weights: NDArray[numpy.float64]) -> tuple[list[float], list[int]]:
    bins = min(MAX_BINS, max(MIN_BINS, math.isqrt(weights.size)))
    counts, edges = numpy.histogram(weights, bins=bins if numpy.ptp(weights) else 1)
    return edges.tolist(), counts.tolist()


def _moments(one: Draws) -> tuple[float, float | None]:
    return float(one.weights.mean()), float(one.weights.std(ddof=1)) if one.weights.size > 1 else None


def draws_document(drawn: Sequence[Draws], seed: int) -> dict[str, Any]:
    """The same as plain data, with all weights."""
    documents = [
        entry_document(one.choice.entry)
        | {"parameters": dict(one.parameters), "mean": one.mean, "sd": one.sd}
        | dict(zip(("drawn_mean", "drawn_sd"), _moments(one), strict=True))
        | {"weights": one.weights.tolist()}
        | {"histogram": dict(zip(("edges", "counts"), _histogram(one.weights), strict=True))}
        for one in drawn
    ]
    return {"seed": seed, "shape": list(drawn[0].weights.shape), "initialisers": documents}


def _rounded(number: float) -> str:
    return f"{number:.4g}"


def parse_numbers(option: str, text: str) -> list[float]:
    """`0.3439,0.6682` as numbers; raises `ConfigurationError`."""
    numbers = [scalar(part.strip()) for part in text.replace(" ", ",").split(",") if part.strip()]
    are_numbers = all(type(one) in (int, float) and math.isfinite(one) for one in numbers)
    if not are_numbers or not 0 < len(numbers) <= MAX_NUMBERS:
        raise ConfigurationError(f"{option}: expected numbers such as 0.3439,0.6682, found {text!r}")
    return [float(number) for number in numbers]


@dataclass(frozen=True)
class Range:
    """Evenly spaced inputs from `low` to `high`; `count` is how many are wanted as numbers, if any are."""

    low: float
    high: float
    count: int | None = None

    def inputs(self) -> NDArray[numpy.float64]:
        """The inputs that are drawn in a figure, or as many as are wanted."""
        return numpy.linspace(self.low, self.high, self.count or DRAWN_INPUTS)

    def shown(self) -> list[float]:
        """The wanted inputs, or evenly spaced ones of them where they are too many for a table."""
        inputs = self.inputs()
        every = numpy.linspace(0, len(inputs) - 1, min(len(inputs), MAX_ROWS)).round().astype(int)
        return [float(x) for x in inputs[every]]

    def note(self) -> str:
        """How many inputs are left out of the table, if any are."""
        if (self.count or 0) <= MAX_ROWS:
            return ""
        return f"{MAX_ROWS} of {self.count:,} inputs; --format json has the curves at all of them."


def parse_range(text: str) -> Range:
    """`-20:20:1000`, or without a number of inputs `-20:20`; raises `ConfigurationError`."""
    match [scalar(part.strip()) for part in text.split(":")]:
        case [int() | float() as low, int() | float() as high, *counts] if -MAX_INPUT <= low < high <= MAX_INPUT:
            match counts:
                case []:
                    return Range(float(low), float(high))
                case [int() as count] if 2 <= count <= MAX_INPUTS:
                    return Range(float(low), float(high), count)
    raise ConfigurationError(
        f"--range: expected LOW:HIGH or LOW:HIGH:COUNT (2 to {MAX_INPUTS:,}), such as -20:20:1000, found {text!r}"
    )


def value_rows(choices: Sequence[Choice], points: Sequence[float]) -> list[dict[str, Any]]:
    """Value and derivative of every function at every point, in double precision."""
    mixing = [str(choice) for choice in choices if choice.entry.across_units]
    if mixing:
        raise ConfigurationError(f"--at: {', '.join(mixing)} mixes the output units: give their scores with --scores")
    rows = []
    for choice in choices:
        values, slopes = facts.curve(choice.entry, dict(choice.parameters), numpy.array(points, dtype=numpy.float64))
        rows += [
            {"function": str(choice), "x": x, "value": float(value), "derivative": float(slope)}
            for x, value, slope in zip(points, values, slopes, strict=True)
        ]
    return rows


def values_section(rows: Sequence[dict[str, Any]], note: str = "") -> Section:
    """One row for each function and point."""
    cells = [[row["function"], *(_with_digits(row[key]) for key in ("x", "value", "derivative"))] for row in rows]
    return Section("values", ["function", "x", "value", "derivative"], cells, [note] * bool(note), is_complete=True)


def score_rows(choices: Sequence[Choice], scores: Sequence[float]) -> list[dict[str, Any]]:
    """What every function makes of the scores in double precision; of finite outputs the largest are marked."""
    rows = []
    for choice in choices:
        given = torch.tensor([scores], dtype=torch.float64)
        outputs = choice.entry.function(given, **call_parameters(dict(choice.parameters)))[0].tolist()
        largest = max(outputs) if all(map(math.isfinite, outputs)) else None
        rows += [
            {"function": str(choice), "unit": unit, "score": score, "output": output, "is_largest": output == largest}
            for unit, (score, output) in enumerate(zip(scores, outputs, strict=True))
        ]
    return rows


def scores_section(rows: Sequence[dict[str, Any]]) -> Section:
    """A row for each function and output unit, the largest marked, and the sum of each function's outputs."""
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["function"]] = sums.get(row["function"], 0.0) + row["output"]
    outputs = [row["output"] for row in rows]
    are_drawn = any(outputs) and all(0 <= output < math.inf for output in outputs)
    longest = max(outputs) if are_drawn else math.inf
    cells = [
        [row["function"], str(row["unit"]), _with_digits(row["score"]), _with_digits(row["output"]),
         "#" * round(BAR_LENGTH * row["output"] / longest) if are_drawn else "", "largest" * row["is_largest"]]
        for row in rows
    ]  # fmt: skip
    notes = [f"Sum of {name}: {_with_digits(total)}." for name, total in sums.items()]
    section = Section("outputs", ["function", "unit", "score", "output", "bar", "mark"], cells, notes, is_complete=True)
    return section if are_drawn else section.with_columns([0, 1, 2, 3, 5])


def _with_digits(number: float) -> str:
    return f"{number:.{DIGITS}g}"
