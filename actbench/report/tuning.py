"""Tuning: the values tried for each arm, their scores, the chosen ones, and how sensitive each arm is to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues, label_of, settings_by_path, value_to_text
from actbench.experiment.records import TrialRecord, recorded
from actbench.plan.plan import Plan
from actbench.plan.tuning import ArmTuning, is_number, rank
from actbench.render.sections import Section
from actbench.report.figures.layout import MAX_ARMS, Canvas, End, Picture, number_shown, picture
from actbench.report.figures.marks import GRID, PAGE, QUIET, VERMILLION, text_width
from actbench.report.figures.scales import Axis, Scale, Style, limits, scale_for, styles
from actbench.report.numbers import ABSENT, metric_in_words, value, with_unit
from actbench.statistics.intervals import Estimate, chosen_shares, estimate
from actbench.store.results import Results
from actbench.store.tables import Table, varied_settings
from actbench.text import capitalised, counted, first_few, listed, visible

MAX_DESCRIBED = 12


def tuned_text(values: SettingValues) -> str:
    """`0.003` for one tuned setting, `lr=0.003, dropout=0.1` for several, `-` for none."""
    return ABSENT if not values else value_to_text(values[0][1]) if len(values) == 1 else label_of(values)


def chosen_lines(plan: Plan) -> list[str]:
    """One line for each arm that has been tuned."""
    return [
        f"tuned {tuning.arm.label()}: "
        + ", ".join(f"{path} {value_to_text(setting)}" for path, setting in tuning.chosen or ())
        + (f" (at the edge of what was tried: {', '.join(tuning.edges)})" if tuning.edges else "")
        for tuning in plan.tunings
    ]


def extended_lines(before: Plan, plan: Plan) -> list[str]:
    """One line for each setting of an arm of which the plan tries values that the one before did not."""
    known = {tuning.arm.values: _grids(tuning) for tuning in before.tunings}
    return [
        f"{tuning.arm.label()}: best {path} at the edge of what was tried, trying {listed(added)} too"
        for tuning in plan.tunings
        for path, grid in _grids(tuning).items()
        if (added := [value_to_text(one) for one in grid if one not in known[tuning.arm.values][path]])
    ]


def _grids(tuning: ArmTuning) -> dict[str, list[Any]]:
    return settings_by_path(candidate.values for candidate in tuning.candidates)


@dataclass(frozen=True)
class CandidateScores:
    """Values that were tried for an arm: their scores, and how many trials diverged or failed."""

    values: SettingValues
    scores: Estimate
    failed: int
    is_chosen: bool
    is_at_edge: bool


def tried(tuning: ArmTuning, records: Mapping[str, TrialRecord]) -> list[CandidateScores]:
    """Every candidate of an arm, with what is known so far."""
    metric, found = parse_metric(tuning.metric), []
    for candidate in tuning.candidates:
        finished = recorded(candidate.trials, records)
        scores = estimate([score for record in finished if (score := metric.value(record)) is not None])
        failed, is_chosen = sum(record.outcome != "done" for record in finished), candidate.values == tuning.chosen
        found.append(CandidateScores(candidate.values, scores, failed, is_chosen, is_chosen and bool(tuning.edges)))
    return found


@dataclass(frozen=True)
class Stability:
    """How sure a tuned choice is: in which share of bootstrap samples of the tuning seeds it would be made again.

    `shares` are by values; `lost` is how much of the validation metric the other choices cost on average.
    """

    shares: Mapping[SettingValues, float]
    chosen: float
    lost: float


def stability(tuning: ArmTuning, records: Mapping[str, TrialRecord]) -> Stability | None:
    """Of the values that were tried with all tuning seeds; None before the choice, and of fewer than two seeds."""
    seeds = max((len(one.trials) for one in tuning.candidates), default=0)
    candidates = [one for one in tuning.candidates if len(one.trials) == seeds]
    values = [one.values for one in candidates]
    if tuning.chosen is None or seeds < 2 or tuning.chosen not in values:
        return None
    metric = parse_metric(tuning.metric)
    ranks = [[rank(replace(one, trials=(trial,)), records, metric) for trial in one.trials] for one in candidates]
    worst = 2 * seeds * (1 + max(abs(total) for row in ranks for _, total in row))
    chosen = chosen_shares([[bad * worst + total for bad, total in row] for row in ranks])
    shares = dict(zip(values, chosen, strict=True))
    direction = -1 if metric.larger_is_better else 1
    means = {one: direction * sum(total for _, total in row) / seeds for one, row in zip(values, ranks, strict=True)}
    lost = sum(share * direction * (means[one] - means[tuning.chosen]) for one, share in shares.items())
    return Stability(shares, shares[tuning.chosen], lost)


def tuning_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section:
    """How sensitive each arm is to its tuned settings: the mean of its metric for all values tried."""
    columns = list(dict.fromkeys(candidate.values for tuning in plan.tunings for candidate in tuning.candidates))
    columns.sort(key=lambda values: [setting if isinstance(setting, int | float) else 0 for _, setting in values])
    rows, metric = [], parse_metric(plan.tunings[0].metric)
    for tuning in plan.tunings:
        cells = {
            one.values: value(one.scores.mean, metric) + "*" * one.is_chosen + (f" !{one.failed}" if one.failed else "")
            for one in tried(tuning, records)
        }
        edge = f"{tuned_text(tuning.chosen or ())}{' (edge)' * bool(tuning.edges)}"
        found = stability(tuning, records)
        again = [f"{found.chosen:.0%}", value(found.lost, metric)] if found else [ABSENT, ABSENT]
        rows.append([tuning.arm.label(), edge, *again, *(cells.get(values, "") for values in columns)])
    paths = ", ".join(path for path, _ in columns[0])
    seeds = max(len(candidate.trials) for candidate in plan.tunings[0].candidates)
    name = metric_in_words(metric) + " in %" * metric.is_share
    notes = [
        f"Mean {name} after the last epoch, over {counted(seeds, 'tuning seed')} that no final trial uses; "
        "* is chosen (ties: the smaller value), ! counts trials that diverged or failed.",
        "Chosen in: the share of bootstrap samples of the tuning seeds that would choose the same value; lost: how "
        f"much worse the {metric_in_words(metric)} of other choices is on average. Comparisons use those chosen.",
    ]
    return Section(f"tuning of {paths}", ["arm", "chosen", "chosen in", "lost", *map(tuned_text, columns)], rows, notes)


def tuning_table(results: Results) -> Table:
    """One row for each arm and each value that tuning tried."""
    settings, tunings = varied_settings(results), results.plan.tunings
    mean = f"mean_{tunings[0].metric if tunings else 'validation_accuracy'}"
    columns = ["arm", *settings, "n", "failed", mean, "sd", "chosen", "at_edge"]
    return Table(columns, tuning_rows(results.plan, results.records, value_to_text), settings)


def tuning_rows(
    plan: Plan, records: Mapping[str, TrialRecord], spelt: Callable[[Any], Any]
) -> Iterator[dict[str, Any]]:
    """One row of `tuning.csv` for every arm and candidate, with the values of settings as they are `spelt`."""
    for tuning in plan.tunings:
        found = stability(tuning, records)
        for one in tried(tuning, records):
            yield {
                "arm": tuning.arm.label(),
                **{path: spelt(setting) for path, setting in (*tuning.arm.values, *one.values)},
                "n": one.scores.n,
                "failed": one.failed,
                f"mean_{tuning.metric}": one.scores.mean,
                "sd": one.scores.sd,
                "chosen": one.is_chosen,
                "at_edge": one.is_at_edge,
                "chosen_in": found.shares.get(one.values) if found else None,
                "lost": found.lost if found and one.is_chosen else None,
            }


@dataclass(frozen=True)
class TunedArm:
    """What was tried for an arm: for each value of one setting the best over the others, or the chosen one."""

    tuning: ArmTuning
    points: Mapping[Any, CandidateScores]

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
    metric = parse_metric(results.plan.tunings[0].metric)
    name, sign = metric_in_words(metric), 1 if metric.larger_is_better else -1
    shown = sorted(arms, key=lambda arm: -max((sign * mean for _, mean in arm.known()), default=-inf))[:MAX_ARMS]
    baselines = {row.sample.label for row in comparison.rows if row.is_baseline}
    seeds = counted(results.experiment.tuning_seeds, "tuning seed")
    return picture(
        "sensitivity",
        f"{capitalised(name)} by {path}",
        lambda canvas: _draw(canvas, path, shown, baselines),
        caption=[
            f"Mean {name} after the last epoch over {seeds} that no final trial uses.",
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


def _points(tuning: ArmTuning, records: Mapping[str, TrialRecord], along: str) -> dict[Any, CandidateScores]:
    sign = 1 if parse_metric(tuning.metric).larger_is_better else -1

    def rank(one: CandidateScores) -> tuple[bool, float]:
        return one.is_chosen, -inf if one.scores.mean is None else sign * one.scores.mean

    by_value: dict[Any, CandidateScores] = {}
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
    choices = "; ".join(first_few(settled, MAX_DESCRIBED))
    return [
        f"{span} for {counted(len(arms), 'arm')}"
        + (f". Chosen, with mean {metric_in_words(metric)}: {choices}." if settled else "; nothing is chosen yet.")
    ]


def _draw(canvas: Canvas, path: str, arms: Sequence[TunedArm], baselines: set[str]) -> float:
    em, values, metric = canvas.em, _tried_values(arms), parse_metric(arms[0].tuning.metric)
    means = [mean for arm in arms for _, mean in arm.known()]
    labels = [arm.tuning.arm.label() for arm in arms]
    chosen = styles({arm.tuning.arm.label(): arm.tuning.arm.values for arm in arms})
    top = 2.4 * em
    bottom = top + max((17 if canvas.is_narrow else 20) * em, 1.1 * canvas.small * len(arms))
    scale = scale_for(means, metric)
    y = Axis(scale, limits(means, scale), bottom, top)
    by_ratio = all(is_number(value) and value > 0 for value in values)
    places = dict(zip(values, values if by_ratio else range(len(values)), strict=True))
    only = places[values[0]]
    bounds = (min(places.values()), max(places.values())) if len(places) > 1 else (only * 0.5, only + 1)
    name, across = scale.name_of(metric_in_words(metric)), (Scale("log" if by_ratio else "linear"), bounds)
    x = canvas.ended_axes(y, across, name, map(canvas.named, labels), (1.2, 0.9))
    _values_below(canvas, path, places, x, bottom)
    ends = []
    for arm, label in reversed(list(zip(arms, labels, strict=True))):
        with canvas.group(label):
            _draw_line(canvas, arm, label, x, y, places, chosen[label])
        if known := arm.known():
            _, last = max(known, key=lambda pair: places[pair[0]])
            ends.append(End(label, y.at(last), canvas.named(label), chosen[label].colour, label in baselines))
    canvas.labels_at_ends(ends, x.end + 0.3 * em, y)
    return bottom + 3.3 * canvas.small


def _values_below(canvas: Canvas, path: str, places: Mapping[Any, float], x: Axis, bottom: float) -> None:
    """The values that were tried, as many as have room, and the setting's name."""
    small, taken = canvas.small, -canvas.width
    canvas.line([(x.start - small, bottom), (x.end + small, bottom)], GRID, 0.063)
    for setting, place in sorted(places.items(), key=lambda pair: pair[1]):
        text, at = value_to_text(setting)[:16], x.at(place)
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
    line = [(x.at(places[setting]), y.at(mean)) for setting, mean in known]
    if len(line) > 1:
        canvas.line(line, style.colour, 0.12, style.dashes)
    for (setting, mean), (at, height) in zip(known, line, strict=True):
        point = arm.points[setting]
        tip = f"{label}, {value_to_text(setting)}: {with_unit(mean, metric)}{', chosen' * point.is_chosen}"
        if point.is_chosen:
            marker = "s" if point.is_at_edge else "o"
            canvas.dot(at, height, 0.52, PAGE, marker)
            canvas.dot(at, height, 0.52, style.colour, marker, is_hollow=True)
        canvas.dot(at, height, 0.27, style.colour, style.marker, tip=tip)
    for setting, point in arm.points.items():
        if point.failed:
            height = y.start if point.scores.mean is None else y.at(point.scores.mean)
            canvas.dot(x.at(places[setting]), height, 0.3, VERMILLION, "x", tip=f"{label}: trials failed")
