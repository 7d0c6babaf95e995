"""How sensitive each arm is to its tuned settings, and which value was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import value_to_text
from actbench.experiment.records import TrialRecord
from actbench.plan.tuning import ArmTuning, is_number
from actbench.report.figures.layout import (
    MAX_ARMS,
    End,
    Paper,
    Picture,
    end_label_width,
    labels_at_ends,
    left_axis,
    number_shown,
    picture,
    tick_width,
    with_unit,
)
from actbench.report.figures.looks import Look, looks
from actbench.report.figures.marks import GRID, PAGE, QUIET, VERMILLION, Dot, Group, Line, Mark, Scene, Text, text_width
from actbench.report.figures.scales import Axis, Scale, limits, scale_for
from actbench.report.numbers import metric_in_words
from actbench.report.tuning import tuned_text
from actbench.store.results import Results
from actbench.text import counted, visible

MAX_DESCRIBED = 12


@dataclass(frozen=True)
class Tried:
    """A value of the setting along x with the best mean over the other settings, and whether trials failed there."""

    value: Any
    mean: float | None
    has_failed: bool
    is_chosen: bool
    is_at_edge: bool


@dataclass(frozen=True)
class TunedArm:
    """What was tried for an arm, along one setting."""

    tuning: ArmTuning
    points: tuple[Tried, ...]

    def best(self) -> float:
        """The best mean of all."""
        return max((point.mean for point in self.points if point.mean is not None), default=-1.0)


def sensitivity_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The tuning results; None if nothing is tuned, or nothing has been tried yet."""
    if not results.plan.tunings:
        return None
    path, others = _tuned_paths(results.plan.tunings)
    arms = [TunedArm(tuning, _points(tuning, results.records, path)) for tuning in results.plan.tunings]
    points = [point for arm in arms for point in arm.points]
    if all(point.mean is None for point in points):
        return None
    shown = sorted(arms, key=lambda arm: -arm.best())[:MAX_ARMS]
    baselines = {row.sample.label for row in comparison.rows if row.is_baseline}
    seeds = counted(results.experiment.tuning_seeds, "tuning seed")
    return picture(
        "sensitivity",
        f"Validation accuracy by {path}",
        lambda paper: _draw(path, shown, baselines, paper),
        caption=[
            f"Mean validation accuracy after the last epoch over {seeds} that no final trial uses.",
            bool(others) and f"At each value, the best over {' and '.join(others)}.",
            "A ring marks the value that was chosen for the arm.",
            any(point.is_at_edge for point in points)
            and "A square marks a choice at the edge of the grid: a better value may lie beyond.",
            any(point.has_failed for point in points)
            and "Crosses: at this value some trials diverged or failed, and it ranks behind all others.",
            number_shown(len(shown), len(arms)),
        ],
        description=_description(path, arms),
    )


def _tuned_paths(tunings: Sequence[ArmTuning]) -> tuple[str, list[str]]:
    """The setting along x, the number with the most values, and the others."""
    tried: dict[str, dict[Any, None]] = {}
    for tuning in tunings:
        for candidate in tuning.candidates:
            for path, value in candidate.values:
                tried.setdefault(path, {})[value] = None
    along = max(tried, key=lambda path: (all(map(is_number, tried[path])), len(tried[path])))
    return along, [path for path in tried if path != along]


def _points(tuning: ArmTuning, records: Mapping[str, TrialRecord], along: str) -> tuple[Tried, ...]:
    by_value: dict[Any, Tried] = {}
    metric = parse_metric(tuning.metric)
    for candidate in tuning.candidates:
        trained = [records[trial.id] for trial in candidate.trials if trial.id in records]
        values = [value for record in trained if (value := metric.value(record)) is not None]
        is_chosen = candidate.values == tuning.chosen
        at = dict(candidate.values)[along]
        point = Tried(
            at,
            sum(values) / len(values) if values else None,
            any(record.outcome != "done" for record in trained),
            is_chosen,
            is_chosen and bool(tuning.edges),
        )
        known = by_value.get(at)
        is_better = known is None or (not known.is_chosen and (point.mean or -1.0) > (known.mean or -1.0))
        if is_better or is_chosen:
            by_value[at] = point
    return tuple(by_value.values())


def _tried_values(arms: Sequence[TunedArm]) -> list[Any]:
    """Everything that was tried along x, in ascending order if all are numbers."""
    values = list(dict.fromkeys(point.value for arm in arms for point in arm.points))
    return sorted(values) if all(map(is_number, values)) else values


def _description(path: str, arms: Sequence[TunedArm]) -> list[str]:
    metric = parse_metric(arms[0].tuning.metric)

    def in_words(arm: TunedArm) -> str:
        (chosen,) = [point for point in arm.points if point.is_chosen]
        values = visible(tuned_text(arm.tuning.chosen or ()))
        edge = ", at the edge" if chosen.is_at_edge else ""
        return f"{visible(arm.tuning.arm.label())} {values} ({with_unit(chosen.mean, metric)}{edge})"

    values = _tried_values(arms)
    tried = f"{path} from {value_to_text(values[0])} to {value_to_text(values[-1])} was tried"
    settled = [in_words(arm) for arm in arms if arm.tuning.is_settled()]
    more = [f"and {len(settled) - MAX_DESCRIBED} more"] if len(settled) > MAX_DESCRIBED else []
    choices = "; ".join([*settled[:MAX_DESCRIBED], *more])
    return [
        f"{tried} for {counted(len(arms), 'arm')}"
        + (f". Chosen, with mean {metric_in_words(metric)}: {choices}." if settled else "; nothing is chosen yet.")
    ]


def _draw(path: str, arms: Sequence[TunedArm], baselines: set[str], paper: Paper) -> Scene:
    em, values, metric = paper.size, _tried_values(arms), parse_metric(arms[0].tuning.metric)
    means = [point.mean for arm in arms for point in arm.points if point.mean is not None]
    labels = [arm.tuning.arm.label() for arm in arms]
    chosen = looks({arm.tuning.arm.label(): arm.tuning.arm.values for arm in arms})
    right = paper.width - end_label_width([paper.named(label) for label in labels], paper)
    top = 2.4 * em
    bottom = top + max((17 if paper.is_narrow else 20) * em, 1.1 * paper.small * len(arms))
    scale = scale_for(means, metric)
    y = Axis(scale, limits(means, scale), bottom, top)
    left = tick_width(y, paper)
    by_ratio = all(is_number(value) and value > 0 for value in values)
    places = dict(zip(values, values if by_ratio else range(len(values)), strict=True))
    bounds = (
        (min(places.values()), max(places.values()))
        if len(places) > 1
        else (places[values[0]] * 0.5, places[values[0]] + 1)
    )
    x = Axis(Scale("log" if by_ratio else "linear"), bounds, left + 1.2 * em, right - 0.9 * em)
    marks = left_axis(y, left, right, scale.name_of(metric_in_words(metric)), paper)
    marks += _values_below(path, places, x, bottom, paper)
    ends = []
    for arm, label in reversed(list(zip(arms, labels, strict=True))):
        known = [point for point in arm.points if point.mean is not None]
        marks.append(Group(_line(arm, label, x, y, places, chosen[label], paper), label))
        if known:
            last = max(known, key=lambda point: places[point.value])
            ends.append(
                End(label, y.at(last.mean or 0.0), paper.named(label), chosen[label].colour, label in baselines)
            )
    marks += labels_at_ends(ends, right - 0.6 * em, top, bottom, paper)
    return Scene(paper.width, bottom + 3.3 * paper.small, marks)


def _values_below(path: str, places: Mapping[Any, float], x: Axis, bottom: float, paper: Paper) -> list[Mark]:
    """The values that were tried, as many as have room, and the setting's name."""
    em = paper.small
    marks: list[Mark] = [Line([(x.start - em, bottom), (x.end + em, bottom)], GRID, 0.07 * em)]
    taken = -paper.width
    for value, place in sorted(places.items(), key=lambda pair: pair[1]):
        text, at = value_to_text(value)[:16], x.at(place)
        if at - text_width(text, em) / 2 > taken:
            marks.append(Text(at, bottom + 1.35 * em, text, em, "middle", QUIET))
            taken = at + text_width(text, em) / 2 + 0.5 * em
        marks.append(Line([(at, bottom), (at, bottom + 0.3 * em)], QUIET, 0.07 * em))
    name = f"{paper.named(path)}{' (log scale)' * (x.scale.kind == 'log')}"
    return [*marks, Text((x.start + x.end) / 2, bottom + 2.7 * em, name, em, "middle", QUIET)]


def _line(
    arm: TunedArm, label: str, x: Axis, y: Axis, places: Mapping[Any, float], look: Look, paper: Paper
) -> list[Mark]:
    em, metric = paper.size, parse_metric(arm.tuning.metric)
    known = sorted((point for point in arm.points if point.mean is not None), key=lambda point: places[point.value])
    line = [(x.at(places[point.value]), y.at(point.mean or 0.0)) for point in known]
    marks: list[Mark] = []
    if len(line) > 1:
        marks.append(Line(line, look.colour, 0.12 * em, [length * em / 14 for length in look.dashes]))
    for point, (at, height) in zip(known, line, strict=True):
        tip = f"{label}, {value_to_text(point.value)}: {with_unit(point.mean, metric)}{', chosen' * point.is_chosen}"
        if point.is_chosen:
            marker = "s" if point.is_at_edge else "o"
            marks.append(Dot(at, height, 0.52 * em, PAGE, marker))
            marks.append(Dot(at, height, 0.52 * em, look.colour, marker, is_hollow=True))
        marks.append(Dot(at, height, 0.27 * em, look.colour, look.marker, tip=tip))
    for point in arm.points:
        if point.has_failed:
            height = y.start if point.mean is None else y.at(point.mean)
            marks.append(
                Dot(x.at(places[point.value]), height, 0.3 * em, VERMILLION, "x", tip=f"{label}: trials failed")
            )
    return marks
