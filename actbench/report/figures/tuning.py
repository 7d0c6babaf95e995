"""How sensitive each arm is to what was tuned for it, and which value was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.definition import value_to_text
from actbench.plan.tuning import ArmTuning, is_number
from actbench.report.figures.axes import dot, set_y, text_inches
from actbench.report.figures.grids import Place, draw_arrangement
from actbench.report.figures.panels import Arrangement, Member, Panel, arrange, best_first
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, limits, scale_for, ticks
from actbench.report.figures.sensitivity import METRIC, Line, Sensitivity, Tried, sensitivity_of
from actbench.report.figures.style import FOREGROUND, VERMILLION, Stroke, drawing, strokes
from actbench.report.figures.words import plain, shortened
from actbench.report.numbers import metric_in_words, value
from actbench.report.tuning import tuned_text
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MAX_PANELS = 16
HOLLOW: dict[str, Any] = {"linestyle": "", "color": FOREGROUND, "markerfacecolor": "none", "markeredgewidth": 0.9}
CROSS: dict[str, Any] = {"linestyle": "", "marker": "x", "color": VERMILLION, "markersize": 6, "markeredgewidth": 1.1}


def sensitivity_picture(results: Results, comparison: Comparison) -> Picture | None:
    """What tuning tried; None where nothing is tuned, or nothing has been tried yet."""
    if not results.plan.tunings:
        return None
    found = sensitivity_of(results.plan.tunings, results.records)
    if not any(one.mean is not None for one in found.points()):
        return None
    arrangement = _arranged(found, comparison)
    return Picture(
        name="sensitivity",
        title=f"Validation accuracy by {found.path}",
        caption=_caption(found, arrangement, results),
        description=_description(found),
        draw=lambda: _draw(found, arrangement),
    )


def _arranged(found: Sensitivity, comparison: Comparison) -> Arrangement:
    """Arms side by side where one setting is tuned; a panel for each arm where there are several."""
    wanted = set(comparison.baseline)
    members = [
        Member(
            tuning.arm.label(),
            tuning.arm.values,
            max((one.mean for line in lines for one in line.points if one.mean is not None), default=-1.0),
            bool(wanted) and wanted <= set(tuning.arm.values),
        )
        for tuning, lines in found.arms
    ]
    if not found.others:
        return arrange(members)
    order = best_first(members, MAX_PANELS)
    names = list(dict.fromkeys(line.label for _, lines in found.arms for line in lines))
    panels = tuple(Panel(members[index].label, tuple((index, name) for name in names)) for index in order)
    return Arrangement(panels, strokes(names), left_out=len(members) - len(order))


def _caption(found: Sensitivity, arrangement: Arrangement, results: Results) -> str:
    seeds = counted(results.experiment.tuning_seeds, "tuning seed")
    sentences = [f"Mean validation accuracy after the last epoch over {seeds} that no final trial uses."]
    if found.others:
        sentences.append(f"A line for each {' and '.join(found.others)}, a panel for each arm.")
    sentences.append("A ring marks the value that was chosen for the arm.")
    if any(one.is_at_edge for one in found.points()):
        sentences.append("A square around it: the outermost that was tried, so that a better one may lie beyond.")
    if any(one.failed for one in found.points()):
        sentences.append("Crosses: at this value some trials diverged or failed, and it ranks behind all others.")
    if arrangement.left_out:
        sentences.append(f"The best {len(found.arms) - arrangement.left_out} of {len(found.arms)} arms are shown.")
    return " ".join(sentences)


def _description(found: Sensitivity) -> str:
    def said(tuning: ArmTuning, lines: Sequence[Line]) -> str:
        (chosen,) = [one for line in lines for one in line.points if one.is_chosen]
        edge = ", at the edge" if chosen.is_at_edge else ""
        reached = f"{value(chosen.mean, METRIC)} %"
        return f"{plain(tuning.arm.label())} {plain(tuned_text(tuning.chosen or ()))} ({reached}{edge})"

    values = found.values()
    span = f"{value_to_text(values[0])} to {value_to_text(values[-1])}"
    tried = f"{found.path} from {span} was tried for {counted(len(found.arms), 'arm')}"
    settled = [said(tuning, lines) for tuning, lines in found.arms if tuning.is_settled()]
    if not settled:
        return f"{tried}; nothing is chosen yet."
    more = f"; and {len(settled) - 12} more" if len(settled) > 12 else ""
    return f"{tried}. Chosen, with mean validation accuracy: {'; '.join(settled[:12])}{more}."


def _draw(found: Sensitivity, arrangement: Arrangement) -> Figure:
    means = [one.mean for one in found.points() if one.mean is not None]
    scale = scale_for(means, METRIC)
    bounds = limits(means, scale)
    values = found.values()

    def draw_panel(axes: Axes, panel: Panel, place: Place) -> None:
        for index, name in reversed(panel.members):
            for line in found.arms[index][1]:
                if not found.others or line.label == name:
                    _draw_line(axes, line, arrangement.strokes[name], scale, values, bounds[0])
        set_y(axes, scale, bounds, most=6)
        _set_x(axes, values, place.inches - 0.7)
        axes.set_xlabel(shortened(found.path))

    with drawing():
        return draw_arrangement(arrangement, draw_panel, scale.name_of(metric_in_words(METRIC)), _signs(found.points()))


def _draw_line(axes: Axes, line: Line, stroke: Stroke, scale: Scale, values: Sequence[Any], bottom: float) -> None:
    known = [(one, _position(one.value, values), scale.at(one.mean)) for one in line.points if one.mean is not None]
    known.sort(key=lambda point: point[1])
    axes.plot([x for _, x, _ in known], [y for _, _, y in known], marker=stroke.marker, markersize=3.5, **stroke.line())
    for one, x, y in known:
        if one.is_chosen:
            ring = "s" if one.is_at_edge else "o"
            axes.plot(x, y, marker=ring, markersize=8.5, clip_on=False, **{**HOLLOW, "color": stroke.colour})
    failed = [(x, y) for one, x, y in known if one.failed]
    failed += [(_position(one.value, values), bottom) for one in line.points if one.failed and one.mean is None]
    for x, y in failed:
        axes.plot(x, y, clip_on=False, **CROSS)


def _position(one: Any, values: Sequence[Any]) -> float:
    """By ratio where all are numbers above 0, else one step after the other."""
    return math.log10(one) if _is_by_ratio(values) else float(values.index(one))


def _is_by_ratio(values: Sequence[Any]) -> bool:
    return all(is_number(one) and one > 0 for one in values)


def _set_x(axes: Axes, values: Sequence[Any], inches: float) -> None:
    """The values that were tried, or round ones where their names need more room."""
    positions = [_position(one, values) for one in values]
    room = 0.06 * ((positions[-1] - positions[0]) or 1.0)
    axes.set_xlim(positions[0] - room, positions[-1] + room)
    labels = [shortened(value_to_text(one), 16) for one in values]
    widest = max(map(text_inches, labels)) + 0.1
    if len(labels) * widest <= inches:
        marked = list(zip(positions, labels, strict=True))
    elif _is_by_ratio(values):
        marked = ticks(Scale("log"), positions[0], positions[-1], max(2, int(inches / widest)))
    else:
        every = max(1, math.ceil(len(labels) * widest / inches))
        marked = list(zip(positions, labels, strict=True))[::every]
    axes.set_xticks([position for position, _ in marked], labels=[text for _, text in marked])


def _signs(points: Sequence[Tried]) -> list[Line2D]:
    signs = []
    if any(one.is_chosen and not one.is_at_edge for one in points):
        signs.append(dot(label="chosen", marker="o", markersize=7, **HOLLOW))
    if any(one.is_at_edge for one in points):
        signs.append(dot(label="chosen, at the edge", marker="s", markersize=7, **HOLLOW))
    if any(one.failed for one in points):
        signs.append(dot(label="some trials failed", **CROSS))
    return signs
