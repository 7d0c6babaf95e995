"""How sensitive each arm is to its tuned settings, and which value was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import Values, label_of, value_to_text
from actbench.experiment.records import TrialRecord
from actbench.plan.tuning import ArmTuning, Candidate, is_number
from actbench.report.figures.layout import Picture, dot, number_shown, picture, shortened, text_inches, with_unit
from actbench.report.figures.panels import Arrangement, Member, Panel, arrange, best_first, draw_arrangement
from actbench.report.figures.scales import limits, scale_for, set_axis
from actbench.report.figures.style import FOREGROUND, VERMILLION, Stroke, strokes
from actbench.report.numbers import metric_in_words
from actbench.report.tuning import tuned_text
from actbench.store.results import Results
from actbench.text import counted, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

METRIC = parse_metric("validation_accuracy")
MAX_PANELS = 16
MAX_DESCRIBED = 12
BESIDE_THE_AXIS_INCHES = 0.7
HOLLOW: dict[str, Any] = {"linestyle": "", "markerfacecolor": "none", "markeredgewidth": 0.9}
CROSS: dict[str, Any] = {"linestyle": "", "marker": "x", "color": VERMILLION, "markersize": 6, "markeredgewidth": 1.1}


@dataclass(frozen=True)
class Tried:
    """A value of the setting along x with the mean over the tuning seeds, and whether trials failed there."""

    value: Any
    mean: float | None
    has_failed: bool
    is_chosen: bool
    is_at_edge: bool


@dataclass(frozen=True)
class TunedArm:
    """What was tried for an arm: a line over `path` for each combination of the other tuned settings."""

    tuning: ArmTuning
    lines: Mapping[str, Sequence[Tried]]

    def points(self) -> list[Tried]:
        """The points of all lines."""
        return [point for line in self.lines.values() for point in line]


def sensitivity_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The tuning results; None if nothing is tuned, or nothing has been tried yet."""
    if not results.plan.tunings:
        return None
    path, others = _tuned_paths(results.plan.tunings)
    arms = [TunedArm(tuning, _lines(tuning, results.records, path)) for tuning in results.plan.tunings]
    points = [point for arm in arms for point in arm.points()]
    if all(point.mean is None for point in points):
        return None
    arrangement = _arrange(arms, comparison, has_others=bool(others))
    seeds = counted(results.experiment.tuning_seeds, "tuning seed")
    return picture(
        "sensitivity",
        f"Validation accuracy by {path}",
        lambda: _draw(path, arms, arrangement),
        caption=[
            f"Mean validation accuracy after the last epoch over {seeds} that no final trial uses.",
            bool(others) and f"A line for each {' and '.join(others)}, a panel for each arm.",
            "A ring marks the value that was chosen for the arm.",
            any(point.is_at_edge for point in points)
            and "A square marks a choice at the edge of the grid: a better value may lie beyond.",
            any(point.has_failed for point in points)
            and "Crosses: at this value some trials diverged or failed, and it ranks behind all others.",
            number_shown(len(arms) - arrangement.left_out, len(arms)),
        ],
        description=_description(path, arms),
    )


def _tuned_paths(tunings: Sequence[ArmTuning]) -> tuple[str, list[str]]:
    """The setting along x, the number with the most values, and the others, which have a line for each value."""
    tried: dict[str, dict[Any, None]] = {}
    for tuning in tunings:
        for candidate in tuning.candidates:
            for path, value in candidate.values:
                tried.setdefault(path, {})[value] = None
    along = max(tried, key=lambda path: (all(map(is_number, tried[path])), len(tried[path])))
    return along, [path for path in tried if path != along]


def _lines(tuning: ArmTuning, records: Mapping[str, TrialRecord], along: str) -> dict[str, list[Tried]]:
    lines: dict[Values, list[Tried]] = {}
    for candidate in tuning.candidates:
        rest = tuple((path, value) for path, value in candidate.values if path != along)
        lines.setdefault(rest, []).append(_tried(tuning, candidate, records, along))
    return {label_of(rest) if rest else tuning.arm.label(): points for rest, points in lines.items()}


def _tried(tuning: ArmTuning, candidate: Candidate, records: Mapping[str, TrialRecord], along: str) -> Tried:
    trained = [records[trial.id] for trial in candidate.trials if trial.id in records]
    values = [value for record in trained if (value := METRIC.value(record)) is not None]
    is_chosen = candidate.values == tuning.chosen
    return Tried(
        value=dict(candidate.values)[along],
        mean=sum(values) / len(values) if values else None,
        has_failed=any(record.outcome != "done" for record in trained),
        is_chosen=is_chosen,
        is_at_edge=is_chosen and bool(tuning.edges),
    )


def _arrange(arms: Sequence[TunedArm], comparison: Comparison, *, has_others: bool) -> Arrangement:
    """Arms side by side if one setting is tuned; a panel for each arm if there are several."""
    baseline = set(comparison.baseline)
    members = [
        Member(
            arm.tuning.arm.label(),
            arm.tuning.arm.values,
            max((point.mean for point in arm.points() if point.mean is not None), default=-1.0),
            bool(baseline) and baseline <= set(arm.tuning.arm.values),
        )
        for arm in arms
    ]
    if not has_others:
        return arrange(members)
    order = best_first(members, MAX_PANELS)
    names = list(dict.fromkeys(label for arm in arms for label in arm.lines))
    panels = tuple(Panel(members[index].label, tuple((index, name) for name in names)) for index in order)
    return Arrangement(panels, strokes(names), left_out=len(members) - len(order))


def _tried_values(arms: Sequence[TunedArm]) -> list[Any]:
    """Everything that was tried along x, in ascending order if all are numbers."""
    values = list(dict.fromkeys(point.value for arm in arms for point in arm.points()))
    return sorted(values) if all(map(is_number, values)) else values


def _description(path: str, arms: Sequence[TunedArm]) -> list[str]:
    def in_words(arm: TunedArm) -> str:
        (chosen,) = [point for point in arm.points() if point.is_chosen]
        values = visible(tuned_text(arm.tuning.chosen or ()))
        edge = ", at the edge" if chosen.is_at_edge else ""
        return f"{visible(arm.tuning.arm.label())} {values} ({with_unit(chosen.mean, METRIC)}{edge})"

    values = _tried_values(arms)
    tried = f"{path} from {value_to_text(values[0])} to {value_to_text(values[-1])} was tried"
    settled = [in_words(arm) for arm in arms if arm.tuning.is_settled()]
    more = [f"and {len(settled) - MAX_DESCRIBED} more"] if len(settled) > MAX_DESCRIBED else []
    choices = "; ".join([*settled[:MAX_DESCRIBED], *more])
    return [
        f"{tried} for {counted(len(arms), 'arm')}"
        + (f". Chosen, with mean validation accuracy: {choices}." if settled else "; nothing is chosen yet.")
    ]


def _draw(path: str, arms: Sequence[TunedArm], arrangement: Arrangement) -> Figure:
    points = [point for arm in arms for point in arm.points()]
    means = [point.mean for point in points if point.mean is not None]
    scale, values = scale_for(means, METRIC), _tried_values(arms)
    by_ratio = all(is_number(value) and value > 0 for value in values)
    places = dict(zip(values, values if by_ratio else range(len(values)), strict=True))

    def draw_panel(axes: Axes, panel: Panel, inches: float) -> None:
        for index, name in reversed(panel.members):
            lines = arms[index].lines
            shown = lines.values() if len(lines) == 1 else [lines[name]] if name in lines else []
            for line in shown:
                _draw_line(axes, line, arrangement.strokes[name], places)
        set_axis(axes, "y", scale, limits(means, scale), most=6)
        _set_x(axes, places, inches - BESIDE_THE_AXIS_INCHES, by_ratio=by_ratio)

    y_name = scale.name_of(metric_in_words(METRIC))
    return draw_arrangement(arrangement, draw_panel, shortened(path), y_name, _signs(points))


def _draw_line(axes: Axes, line: Sequence[Tried], stroke: Stroke, places: Mapping[Any, float]) -> None:
    known = sorted((places[point.value], point.mean) for point in line if point.mean is not None)
    x, y = [place for place, _ in known], [mean for _, mean in known]
    axes.plot(x, y, marker=stroke.marker, markersize=3.5, **stroke.line())
    for point in line:
        place = places[point.value]
        if point.is_chosen and point.mean is not None:
            marker = "s" if point.is_at_edge else "o"
            axes.plot(place, point.mean, marker, markersize=8.5, clip_on=False, color=stroke.colour, **HOLLOW)
        if point.has_failed and point.mean is not None:
            axes.plot(place, point.mean, clip_on=False, **CROSS)
        elif point.has_failed:
            axes.plot(place, 0.0, clip_on=False, transform=axes.get_xaxis_transform(), **CROSS)


def _set_x(axes: Axes, places: Mapping[Any, float], inches: float, *, by_ratio: bool) -> None:
    """The values that were tried, on a log scale if all are above 0; only as many as have room."""
    from matplotlib.ticker import FixedLocator, NullLocator

    if by_ratio:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    labels = {place: shortened(value_to_text(value), 16) for value, place in places.items()}
    widest = max(map(text_inches, labels.values())) + 0.1
    axes.xaxis.set_major_locator(FixedLocator(list(labels), nbins=max(2, math.floor(inches / widest))))
    axes.xaxis.set_major_formatter(lambda place, _: labels.get(place, ""))
    axes.margins(x=0.06)


def _signs(points: Sequence[Tried]) -> list[Line2D]:
    signs = []
    hollow = {**HOLLOW, "color": FOREGROUND, "markersize": 7}
    if any(point.is_chosen and not point.is_at_edge for point in points):
        signs.append(dot("chosen", marker="o", **hollow))
    if any(point.is_at_edge for point in points):
        signs.append(dot("chosen, at the edge", marker="s", **hollow))
    if any(point.has_failed for point in points):
        signs.append(dot("some trials failed", **CROSS))
    return signs
