"""How sensitive each arm is to its tuned settings, and which value was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import settings_by_path, value_to_text
from actbench.experiment.records import TrialRecord
from actbench.plan.tuning import ArmTuning, is_number
from actbench.report.figures.layout import MAX_ARMS, Canvas, End, Picture, number_shown, picture
from actbench.report.figures.marks import GRID, PAGE, QUIET, VERMILLION, text_width
from actbench.report.figures.scales import Axis, Scale, limits, scale_for
from actbench.report.figures.styles import Style, styles
from actbench.report.numbers import metric_in_words, with_unit
from actbench.report.tuning import Tried, tried, tuned_text
from actbench.store.results import Results
from actbench.text import counted, visible

MAX_DESCRIBED = 12


@dataclass(frozen=True)
class TunedArm:
    """What was tried for an arm: for each value of one setting the best over the others, or the chosen one."""

    tuning: ArmTuning
    points: Mapping[Any, Tried]

    def known(self) -> list[tuple[Any, float]]:
        """The values that have a mean."""
        return [(value, one.scores.mean) for value, one in self.points.items() if one.scores.mean is not None]


def sensitivity_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The tuning results; None if nothing is tuned, or nothing has been tried yet."""
    if not results.plan.tunings:
        return None
    path, others = _tuned_paths(results.plan.tunings)
    arms = [TunedArm(tuning, _points(tuning, results.records, path)) for tuning in results.plan.tunings]
    points = [point for arm in arms for point in arm.points.values()]
    if not any(arm.known() for arm in arms):
        return None
    shown = sorted(arms, key=lambda arm: -max((mean for _, mean in arm.known()), default=-1.0))[:MAX_ARMS]
    baselines = {row.sample.label for row in comparison.rows if row.is_baseline}
    seeds = counted(results.experiment.tuning_seeds, "tuning seed")
    return picture(
        "sensitivity",
        f"Validation accuracy by {path}",
        lambda canvas: _draw(canvas, path, shown, baselines),
        caption=[
            f"Mean validation accuracy after the last epoch over {seeds} that no final trial uses.",
            bool(others) and f"At each value, the best over {' and '.join(others)}.",
            "A ring marks the value that was chosen for the arm.",
            any(point.is_at_edge for point in points)
            and "A square marks a choice at the edge of the grid: a better value may lie beyond.",
            any(point.failed for point in points)
            and "Crosses: at this value some trials diverged or failed, and it ranks behind all others.",
            number_shown(len(shown), len(arms)),
        ],
        description=_description(path, arms),
    )


def _tuned_paths(tunings: Sequence[ArmTuning]) -> tuple[str, list[str]]:
    """The setting along x, the number with the most values, and the others."""
    values = settings_by_path(candidate.values for tuning in tunings for candidate in tuning.candidates)
    along = max(values, key=lambda path: (all(map(is_number, values[path])), len(values[path])))
    return along, [path for path in values if path != along]


def _points(tuning: ArmTuning, records: Mapping[str, TrialRecord], along: str) -> dict[Any, Tried]:
    def rank(one: Tried) -> tuple[bool, float]:
        return one.is_chosen, one.scores.mean or -1.0

    by_value: dict[Any, Tried] = {}
    for one in tried(tuning, records):
        value = dict(one.values)[along]
        by_value[value] = max(by_value.get(value, one), one, key=rank)
    return by_value


def _tried_values(arms: Sequence[TunedArm]) -> list[Any]:
    """Everything that was tried along x, in ascending order if all are numbers."""
    values = list(dict.fromkeys(value for arm in arms for value in arm.points))
    return sorted(values) if all(map(is_number, values)) else values


def _description(path: str, arms: Sequence[TunedArm]) -> list[str]:
    metric = parse_metric(arms[0].tuning.metric)

    def in_words(arm: TunedArm) -> str:
        (chosen,) = [point for point in arm.points.values() if point.is_chosen]
        values = visible(tuned_text(arm.tuning.chosen or ()))
        edge = ", at the edge" if chosen.is_at_edge else ""
        return f"{visible(arm.tuning.arm.label())} {values} ({with_unit(chosen.scores.mean, metric)}{edge})"

    values = _tried_values(arms)
    span = f"{path} from {value_to_text(values[0])} to {value_to_text(values[-1])} was tried"
    settled = [in_words(arm) for arm in arms if arm.tuning.is_settled()]
    more = [f"and {len(settled) - MAX_DESCRIBED} more"] if len(settled) > MAX_DESCRIBED else []
    choices = "; ".join([*settled[:MAX_DESCRIBED], *more])
    return [
        f"{span} for {counted(len(arms), 'arm')}"
        + (f". Chosen, with mean {metric_in_words(metric)}: {choices}." if settled else "; nothing is chosen yet.")
    ]


def _draw(canvas: Canvas, path: str, arms: Sequence[TunedArm], baselines: set[str]) -> float:
    em, values, metric = canvas.em, _tried_values(arms), parse_metric(arms[0].tuning.metric)
    means = [mean for arm in arms for _, mean in arm.known()]
    labels = [arm.tuning.arm.label() for arm in arms]
    chosen = styles({arm.tuning.arm.label(): arm.tuning.arm.values for arm in arms})
    right = canvas.width - canvas.end_label_width(map(canvas.named, labels))
    top = 2.4 * em
    bottom = top + max((17 if canvas.is_narrow else 20) * em, 1.1 * canvas.small * len(arms))
    scale = scale_for(means, metric)
    y = Axis(scale, limits(means, scale), bottom, top)
    left = canvas.tick_width(y)
    by_ratio = all(is_number(value) and value > 0 for value in values)
    places = dict(zip(values, values if by_ratio else range(len(values)), strict=True))
    only = places[values[0]]
    bounds = (min(places.values()), max(places.values())) if len(places) > 1 else (only * 0.5, only + 1)
    x = Axis(Scale("log" if by_ratio else "linear"), bounds, left + 1.2 * em, right - 0.9 * em)
    canvas.left_axis(y, left, right, scale.name_of(metric_in_words(metric)))
    _values_below(canvas, path, places, x, bottom)
    ends = []
    for arm, label in reversed(list(zip(arms, labels, strict=True))):
        with canvas.group(label):
            _draw_line(canvas, arm, label, x, y, places, chosen[label])
        if known := arm.known():
            _, last = max(known, key=lambda pair: places[pair[0]])
            ends.append(End(label, y.at(last), canvas.named(label), chosen[label].colour, label in baselines))
    canvas.labels_at_ends(ends, right - 0.6 * em, top, bottom)
    return bottom + 3.3 * canvas.small


def _values_below(canvas: Canvas, path: str, places: Mapping[Any, float], x: Axis, bottom: float) -> None:
    """The values that were tried, as many as have room, and the setting's name."""
    small, taken = canvas.small, -canvas.width
    canvas.line([(x.start - small, bottom), (x.end + small, bottom)], GRID, 0.063)
    for value, place in sorted(places.items(), key=lambda pair: pair[1]):
        text, at = value_to_text(value)[:16], x.at(place)
        half = text_width(text, small) / 2
        if at - half > taken:
            canvas.note(at, bottom + 1.35 * small, text)
            taken = at + half + 0.5 * small
        canvas.line([(at, bottom), (at, bottom + 0.3 * small)], QUIET, 0.063)
    name = f"{canvas.named(path)}{' (log scale)' * (x.scale.kind == 'log')}"
    canvas.note((x.start + x.end) / 2, bottom + 2.7 * small, name)


def _draw_line(
    canvas: Canvas, arm: TunedArm, label: str, x: Axis, y: Axis, places: Mapping[Any, float], style: Style
) -> None:
    metric, known = parse_metric(arm.tuning.metric), sorted(arm.known(), key=lambda pair: places[pair[0]])
    line = [(x.at(places[value]), y.at(mean)) for value, mean in known]
    if len(line) > 1:
        canvas.line(line, style.colour, 0.12, style.dashes)
    for (value, mean), (at, height) in zip(known, line, strict=True):
        point = arm.points[value]
        tip = f"{label}, {value_to_text(value)}: {with_unit(mean, metric)}{', chosen' * point.is_chosen}"
        if point.is_chosen:
            marker = "s" if point.is_at_edge else "o"
            canvas.dot(at, height, 0.52, PAGE, marker)
            canvas.dot(at, height, 0.52, style.colour, marker, is_hollow=True)
        canvas.dot(at, height, 0.27, style.colour, style.marker, tip=tip)
    for value, point in arm.points.items():
        if point.failed:
            height = y.start if point.scores.mean is None else y.at(point.scores.mean)
            canvas.dot(x.at(places[value]), height, 0.3, VERMILLION, "x", tip=f"{label}: trials failed")
