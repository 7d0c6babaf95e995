"""Which arms share a panel, with which names and strokes, so that every panel stays readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actbench.experiment.naming import Values, label_of
from actbench.report.figures.layout import grid_shape, key, legend_below, legends_below_panels, name_axes, panel_grid
from actbench.report.figures.style import Stroke, strokes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MAX_IN_A_PANEL = 10
MAX_OF_SEVERAL_FACTORS = 5
IN_EACH_OF_MANY = 8
MAX_ARMS = 40


@dataclass(frozen=True)
class Member:
    """One arm: its label and values, how good it is, and whether it is a baseline."""

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
    """All panels. `shares_legend`: a name has one stroke in all of them. `left_out` arms are not drawn."""

    panels: tuple[Panel, ...]
    strokes: Mapping[str, Stroke]
    shares_legend: bool = True
    left_out: int = 0


def best_first(members: Sequence[Member], most: int = MAX_ARMS) -> list[int]:
    """The positions of the best so many by score; a single baseline is always among them."""
    order = sorted(range(len(members)), key=lambda index: -members[index].score)
    kept, baseline = order[:most], _single_baseline(members)
    if baseline is not None and baseline not in kept:
        kept[-1] = baseline
    return kept


def _single_baseline(members: Sequence[Member]) -> int | None:
    baselines = [index for index, member in enumerate(members) if member.is_baseline]
    return baselines[0] if len(baselines) == 1 else None


def arrange(members: Sequence[Member]) -> Arrangement:
    """One panel while it is readable, else one for each value of a factor, else the best arms in groups."""
    order, baseline = best_first(members), _single_baseline(members)
    has_factors = len(members[0].values) > 1
    if len(members) <= (MAX_OF_SEVERAL_FACTORS if has_factors else MAX_IN_A_PANEL):
        labels = [member.label for member in members]
        chosen = strokes(labels, () if baseline is None else (labels[baseline],))
        return Arrangement((Panel("", tuple((index, labels[index]) for index in order)),), chosen)
    return (_by_factor(members, order) if has_factors else None) or _in_groups(members, order, baseline)


def _by_factor(members: Sequence[Member], order: Sequence[int]) -> Arrangement | None:
    """The factor that needs the fewest panels with few enough arms each; the baseline's factor only if no other can."""
    settings = [dict(member.values) for member in members]
    candidates = []
    for path in settings[0]:
        values = [arm[path] for arm in settings]
        names_baseline = len({value[path] for value, m in zip(settings, members, strict=True) if m.is_baseline}) == 1
        if max(map(values.count, values)) <= MAX_IN_A_PANEL and len(members) <= MAX_ARMS:
            candidates.append((names_baseline, len(set(values)), path))
    if not candidates:
        return None
    _, _, path = min(candidates, key=lambda candidate: candidate[:2])
    names = [label_of(tuple(pair for pair in member.values if pair[0] != path)) for member in members]
    others = {name for name, member in zip(names, members, strict=True) if not member.is_baseline}
    baselines = set(names) - others
    panels = tuple(
        Panel(
            label_of(((path, value),)),
            tuple((index, names[index]) for index in order if settings[index][path] == value),
        )
        for value in dict.fromkeys(arm[path] for arm in settings)
    )
    return Arrangement(panels, strokes(names, tuple(baselines) if len(baselines) == 1 else ()))


def _in_groups(members: Sequence[Member], order: Sequence[int], baseline: int | None) -> Arrangement:
    """The best arms by rank, with a single baseline in every panel for comparison.

    Each panel chooses its strokes anew, so that its few curves differ as much as possible.
    """
    others = [members[index].label for index in order if index != baseline]
    position = {members[index].label: index for index in order}
    fixed = [] if baseline is None else [members[baseline].label]
    panels, chosen = [], strokes(fixed, fixed)
    for first in range(0, len(others), IN_EACH_OF_MANY):
        group = others[first : first + IN_EACH_OF_MANY]
        chosen |= strokes(group)
        shown = sorted([position[label] for label in [*group, *fixed]], key=order.index)
        title = f"rank {first + 1} to {first + len(group)}{' and the baseline' * len(fixed)}"
        panels.append(Panel(title, tuple((index, members[index].label) for index in shown)))
    return Arrangement(tuple(panels), chosen, shares_legend=False, left_out=len(members) - len(order))


def draw_arrangement(
    arrangement: Arrangement,
    draw: Callable[[Axes, Panel, float], None],
    x_name: str,
    y_name: Sequence[str],
    signs: Sequence[Line2D] = (),
) -> Figure:
    """Every panel, by a function of its axes, itself and its width in inches; the legend names curves and signs."""
    panels, handles = arrangement.panels, [*signs]
    shape = width, _, columns = grid_shape(len(panels), are_small=False)
    figure, grid = panel_grid([panel.title for panel in panels], shape, 2.3 if columns < 4 else 1.5)
    for axes, panel in zip(grid, panels, strict=True):
        draw(axes, panel, width / columns)
    name_axes(figure, grid, shape, x_name, y_name)
    named = [[key(arrangement.strokes[name], name) for _, name in panel.members] for panel in panels]
    if not arrangement.shares_legend:
        legends_below_panels(figure, grid, named, shape)
    elif len(arrangement.strokes) > 1:
        handles = [*named[0], *signs]
    if handles:
        legend_below(figure, handles)
    return figure
