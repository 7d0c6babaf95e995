"""What functions give: values at points, and an output function's outputs for some scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actbench.catalogue import facts
from actbench.catalogue.registry import call_parameters
from actbench.config.source import scalar
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice
from actbench.lazy import NDArray, numpy, torch
from actbench.render.sections import Section

MAX_NUMBERS, MAX_INPUTS, MAX_INPUT = 1000, 100_000, 1e9
DRAWN_INPUTS, MAX_ROWS = 161, 21
DIGITS = 6


def parse_numbers(option: str, text: str) -> list[float]:
    """`0.3439,0.6682` as numbers; raises `ConfigurationError`."""
    numbers = [scalar(part.strip()) for part in text.replace(" ", ",").split(",") if part.strip()]
    if not numbers or not all(_is_number(number) for number in numbers) or len(numbers) > MAX_NUMBERS:
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


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


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
    cells = [[row["function"], *(_rounded(row[key]) for key in ("x", "value", "derivative"))] for row in rows]
    return Section("values", ["function", "x", "value", "derivative"], cells, [note] * bool(note), is_complete=True)


def score_rows(choices: Sequence[Choice], scores: Sequence[float]) -> list[dict[str, Any]]:
    """What every function makes of the scores in double precision; of finite outputs the largest is marked."""
    rows = []
    for choice in choices:
        given = torch.tensor([scores], dtype=torch.float64)
        outputs = choice.entry.function(given, **call_parameters(dict(choice.parameters)))[0].tolist()
        is_finite = all(map(math.isfinite, outputs))
        largest = max(range(len(outputs)), key=outputs.__getitem__) if is_finite else None
        rows += [
            {"function": str(choice), "unit": unit, "score": score, "output": output, "is_largest": unit == largest}
            for unit, (score, output) in enumerate(zip(scores, outputs, strict=True))
        ]
    return rows


def scores_section(rows: Sequence[dict[str, Any]]) -> Section:
    """A row for each function and output unit, the largest marked, and the sum of each function's outputs."""
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["function"]] = sums.get(row["function"], 0.0) + row["output"]
    cells = [
        [row["function"], str(row["unit"]), _rounded(row["score"]), _rounded(row["output"]),
         "largest" if row["is_largest"] else ""]
        for row in rows
    ]  # fmt: skip
    notes = [f"Sum of {name}: {_rounded(total)}." for name, total in sums.items()]
    return Section("outputs", ["function", "unit", "score", "output", "mark"], cells, notes, is_complete=True)


def _rounded(number: float) -> str:
    return f"{number:.{DIGITS}g}"
