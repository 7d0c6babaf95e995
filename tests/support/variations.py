"""Catalogue entries at other parameters than their defaults."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args, get_origin

import pytest

from actbench.catalogue.registry import Entry, parameters_model


def variations(entry: Entry) -> list[dict[str, Any]]:
    """The entry's default parameters, all its numbers larger, all smaller; each with every option of its choices."""
    options, numbers = dict[str, tuple[Any, ...]](), dict[str, float]()
    for name, field in parameters_model(entry).model_fields.items():
        if name in ("learn", "per_feature"):
            continue
        if name == "gain":  # its names are numbers once it is known for which activation
            numbers[name] = 1.0
        elif get_origin(field.annotation) is Literal:
            options[name] = get_args(field.annotation)
        else:
            assert isinstance(field.default, float), f"{entry.name}: how is {name} varied?"
            numbers[name] = field.default
    changes: tuple[Callable[[float], float], ...] = (lambda x: x, lambda x: 1.5 * x + 0.25, lambda x: 0.5 * x)
    found = [
        {name: change(value) for name, value in numbers.items()} | dict(zip(options, chosen, strict=True))
        for change in changes
        for chosen in itertools.product(*options.values())
    ]
    return [one for index, one in enumerate(found) if one not in found[:index]]


def cases(those: Iterable[Entry]) -> list[Any]:
    """A test case for every entry at each of its variations."""
    return [pytest.param(entry, one, id=f"{entry.name}-{one}") for entry in those for one in variations(entry)]
