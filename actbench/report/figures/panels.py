"""Which arms share a panel, under what names and with which strokes, so that no panel holds more than can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actbench.experiment.definition import Values, label_of
from actbench.report.figures.style import COLUMN_INCHES, PAGE_INCHES, Stroke, strokes

MAX_IN_A_PANEL = 10
MAX_OF_SEVERAL_FACTORS = 5
IN_EACH_OF_MANY = 8
MAX_ARMS = 40
MAX_COLUMNS = 4


@dataclass(frozen=True)
class Member:
    """One arm: by what it is known elsewhere, how good it is, and whether it is a baseline."""

    label: str
    values: Values
    score: float
    is_baseline: bool = False


@dataclass(frozen=True)
class Panel:
    """Some of the arms, as positions in the list that was arranged, each with its name in the legend."""

    title: str
    members: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Arrangement:
    """All panels. `shares_legend` says that their names mean the same everywhere; `left_out` arms are not drawn."""

    panels: tuple[Panel, ...]
    strokes: Mapping[str, Stroke]
    shares_legend: bool = True
    left_out: int = 0


def best_first(members: Sequence[Member], most: int = MAX_ARMS) -> list[int]:
    """The positions of the best so many by score, a single baseline always among them."""
    order = sorted(range(len(members)), key=lambda index: -members[index].score)
    kept = order[:most]
    baselines = [index for index in order if members[index].is_baseline]
    if len(baselines) == 1 and baselines[0] not in kept:
        kept[-1] = baselines[0]
    return kept


def arrange(members: Sequence[Member]) -> Arrangement:
    """One panel where it is readable, else one for each value of a factor, else the best arms in groups."""
    order = best_first(members)
    has_factors = len(members[0].values) > 1
    if len(members) <= (MAX_OF_SEVERAL_FACTORS if has_factors else MAX_IN_A_PANEL):
        return Arrangement((Panel("", tuple((index, members[index].label) for index in order)),), _own_strokes(members))
    if has_factors and (split := _by_factor(members, order)) is not None:
        return split
    return _in_groups(members, order)


def _own_strokes(members: Sequence[Member]) -> dict[str, Stroke]:
    baselines = [member.label for member in members if member.is_baseline]
    return strokes([member.label for member in members], baselines if len(baselines) == 1 else ())


def _by_factor(members: Sequence[Member], order: Sequence[int]) -> Arrangement | None:
    """The factor that needs the fewest panels, where none then holds too many; one that makes the baseline is last."""
    candidates = []
    for path, _ in members[0].values:
        values = list(dict.fromkeys(dict(member.values)[path] for member in members))
        largest = max(sum(dict(member.values)[path] == value for member in members) for value in values)
        names_baseline = len({dict(member.values)[path] for member in members if member.is_baseline}) == 1
        if largest <= MAX_IN_A_PANEL and len(members) <= MAX_ARMS:
            candidates.append((names_baseline, len(values), path, values))
    if not candidates:
        return None
    _, _, path, values = min(candidates, key=lambda candidate: candidate[:2])
    names = [label_of(_without(member.values, path)) for member in members]
    are_baselines = dict.fromkeys(names, True)
    for member, name in zip(members, names, strict=True):
        are_baselines[name] &= member.is_baseline
    baselines = [name for name, is_one in are_baselines.items() if is_one]
    panels = tuple(
        Panel(
            label_of(((path, value),)),
            tuple((index, names[index]) for index in order if dict(members[index].values)[path] == value),
        )
        for value in values
    )
    return Arrangement(panels, strokes(names, baselines if len(baselines) == 1 else ()))


def _without(values: Values, path: str) -> Values:
    return tuple((name, value) for name, value in values if name != path)


def _in_groups(members: Sequence[Member], order: Sequence[int]) -> Arrangement:
    """The best arms by rank, a single baseline in every panel to compare with."""
    baselines = [index for index in order if members[index].is_baseline]
    fixed = baselines if len(baselines) == 1 else []
    others = [index for index in order if index not in fixed]
    groups = [others[start : start + IN_EACH_OF_MANY] for start in range(0, len(others), IN_EACH_OF_MANY)]
    panels, first = [], 1
    for group in groups:
        shown = sorted([*group, *fixed], key=order.index)
        title = f"rank {first} to {first + len(group) - 1}" + (" and the baseline" if fixed else "")
        panels.append(Panel(title, tuple((index, members[index].label) for index in shown)))
        first += len(group)
    # Within each panel strokes start anew, so that its few curves differ as much as they can.
    chosen: dict[str, Stroke] = {}
    for group in groups:
        chosen |= strokes([members[index].label for index in group])
    chosen |= strokes([members[index].label for index in fixed], [members[index].label for index in fixed])
    return Arrangement(tuple(panels), chosen, shares_legend=False, left_out=len(members) - len(order))


def grid_shape(count: int) -> tuple[float, int, int]:
    """The width, rows and columns for so many small panels: in a paper's column up to four, else across the page."""
    if count <= MAX_COLUMNS:
        columns = min(count, 2)
        return COLUMN_INCHES, -(-count // columns), columns
    columns = 3 if count in (5, 6, 9) else MAX_COLUMNS
    return PAGE_INCHES, -(-count // columns), columns
