"""Cells: combinations of values where settings change together, with cells left out and others added."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from actbench.experiment.naming import SettingValues


@dataclass(frozen=True)
class Group:
    """Settings that change together: each row has a value for each path."""

    paths: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def cells(self) -> list[SettingValues]:
        """Each row as values."""
        return [tuple(zip(self.paths, row, strict=True)) for row in self.rows]

    def fitting(self, chosen: Mapping[str, Any]) -> list[SettingValues]:
        """The rows that have the chosen values."""
        return [cell for cell in self.cells() if all(chosen.get(path, value) == value for path, value in cell)]

    def remaining(self, chosen: Mapping[str, Any]) -> Group:
        """The settings that are not chosen, with the rows that have the chosen values."""
        paths = tuple(path for path in self.paths if path not in chosen)
        if paths == self.paths:
            return self
        return Group(paths, tuple(tuple(dict(cell)[path] for path in paths) for cell in self.fitting(chosen)))


def product(parts: Iterable[Iterable[SettingValues]]) -> Iterator[SettingValues]:
    """Every combination of one cell of each part as one cell, the last part changing fastest."""
    return (tuple(itertools.chain.from_iterable(cells)) for cells in itertools.product(*parts))


@dataclass(frozen=True)
class Cells:
    """The product of groups, without the cells of `exclude` (and impossible ones), and with those of `include`.

    `exclude` and `names` are partial cells: a cell has them if it has all of their values.
    """

    groups: tuple[Group, ...]
    exclude: tuple[SettingValues, ...] = ()
    excludes_impossible: bool = False
    include: tuple[SettingValues, ...] = ()
    names: tuple[tuple[str, SettingValues], ...] = ()

    def is_full_grid(self) -> bool:
        """Whether every combination of the values of single settings is a cell."""
        is_zipped = any(len(group.paths) > 1 for group in self.groups)
        return not (is_zipped or self.exclude or self.excludes_impossible or self.include)

    def are_named(self) -> bool:
        """Whether arms are called by their names or by the settings that tell them apart, not by all values."""
        return bool(self.names) or not self.is_full_grid()

    def largest_count(self) -> int:
        """How many cells there are before any is left out."""
        return math.prod(len(group.rows) for group in self.groups) + len(self.include)

    def values(self) -> Iterator[SettingValues]:
        """The values of every cell, the last group changing fastest; those of `include` come last."""
        for cell in product(group.cells() for group in self.groups):
            if not any(has_values(cell, partial) for partial in self.exclude):
                yield cell
        yield from self.include

    def completed(self, partial: SettingValues) -> list[SettingValues]:
        """The partial cell with the settings that change together with its own: one for each row that fits."""
        chosen = dict(partial)
        rows = (group.fitting(chosen) if chosen.keys() & set(group.paths) else [()] for group in self.groups)
        return list(product(rows))


def has_values(cell: SettingValues, partial: SettingValues) -> bool:
    """Whether a cell has all values of a partial one."""
    return all(value in cell for value in partial)


def distinguishing_paths(cells: Sequence[SettingValues]) -> list[str]:
    """The first settings that are enough to tell all cells apart, in their order."""
    paths = [path for path, _ in cells[0]] if cells else []
    for path in reversed(paths):
        fewer = [kept for kept in paths if kept != path]
        if fewer and len({restricted(cell, fewer) for cell in cells}) == len(cells):
            paths = fewer
    return paths


def restricted(cell: SettingValues, paths: Iterable[str]) -> SettingValues:
    """The values of some settings of a cell."""
    kept = set(paths)
    return tuple(value for value in cell if value[0] in kept)


class _WithValues(Protocol):
    @property
    def values(self) -> SettingValues: ...


Valued = TypeVar("Valued", bound=_WithValues)


def find_references(samples: Sequence[Valued], among: Sequence[Valued], baseline: SettingValues) -> list[Valued | None]:
    """For each sample the one that differs from it in the baseline's values only, or the only one with these values."""
    known = {path for sample in among for path, _ in sample.values}
    required = tuple((path, value) for path, value in baseline if path in known)
    candidates = [sample for sample in among if required and has_values(sample.values, required)]
    by_values = {candidate.values: candidate for candidate in reversed(candidates)}
    only = candidates[0] if len(candidates) == 1 else None
    chosen = dict(baseline)
    return [
        by_values.get(tuple((path, chosen.get(path, value)) for path, value in sample.values), only)
        for sample in samples
    ]
