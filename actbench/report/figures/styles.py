"""One colour, marker and dash for each arm, the same in every picture of every experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actbench.analysis.comparison import Comparison
from actbench.experiment.choices import Choice
from actbench.experiment.naming import Values
from actbench.report.figures.marks import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

VIOLET = "#8a6fd1"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, GREY, VIOLET)
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2.5), (1.5, 2), (7, 2, 1.5, 2))
MARKERS = ("o", "^", "s", "D", "v", "P", "<", ">")
# An activation's place gives its colour (modulo 8) and marker, so that it looks the same wherever it occurs.
PLACES = (
    "relu", "gelu", "tanh", "sigmoid", "elu", "swish", "leaky_relu", "mish",
    "prelu", "selu", "softplus", "softsign", "celu", "hardswish", "relu6", "hardtanh",
    "identity", "relu_squared", "arctan", "hardsigmoid", "sine", "snake", "squareplus", "tanhshrink",
    "softshrink", "logsigmoid",
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How an arm's lines and markers look: colour, marker and dashes, of which any two tell arms apart."""

    colour: str
    marker: str
    dashes: tuple[float, ...]


def styles(arms: Mapping[str, Values] | Sequence[str]) -> dict[str, Style]:
    """The style of each arm by its label; arms of one activation share its colour and differ in their marker."""
    values = arms if isinstance(arms, Mapping) else dict.fromkeys(arms, ())
    names = {label: _activation(of, label) for label, of in values.items()}
    places = {name: place for place, name in enumerate(PLACES) if name in names.values()}
    for name in dict.fromkeys(names.values()):
        places.setdefault(
            name, next(place for place in range(len(values) + len(PLACES)) if place not in places.values())
        )
    taken, seen, chosen = set(places.values()), set[str](), {}
    for label, name in names.items():
        place = places[name]
        while name in seen and place in taken:
            place += len(COLOURS)
        seen.add(name)
        taken.add(place)
        row, column = divmod(place, len(COLOURS))
        chosen[label] = Style(COLOURS[column], MARKERS[(column + row) % len(MARKERS)], DASHES[row % len(DASHES)])
    return chosen


def styles_of(comparison: Comparison) -> dict[str, Style]:
    """The style of each arm of a comparison."""
    return styles({row.sample.label: row.sample.values for row in comparison.rows})


def _activation(values: Values, label: str) -> str:
    """The name of the activation that an arm varies, else its label."""
    named = [one.name for path, one in values if path == "model.activation" and isinstance(one, Choice)]
    return named[0] if named else label
