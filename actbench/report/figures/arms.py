"""Each arm's trials of the final phase as dots with their mean, and its mean against the training time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison, Row, ranked
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import Values
from actbench.experiment.records import TrialRecord
from actbench.lazy import LazyModule
from actbench.report.figures.layout import (
    Picture,
    dot,
    embolden,
    legend_below,
    new_figure,
    number_shown,
    picture,
    text_inches,
    with_unit,
    wrapped,
)
from actbench.report.figures.panels import MAX_ARMS
from actbench.report.figures.scales import Limits, Scale, first_word, limits, scale_for, set_axis
from actbench.report.figures.style import (
    BASELINE,
    COLUMN_INCHES,
    FOREGROUND,
    PAGE_INCHES,
    SEED,
    SEED_ALPHA,
    VERMILLION,
    strokes,
)
from actbench.report.numbers import interval, metric_in_words
from actbench.store.results import Results
from actbench.text import counted, visible

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
else:
    np = LazyModule("numpy")

# Multiples of it modulo 1 stay far apart from their neighbours, so that dots next to each other do not overlap.
GOLDEN_SECTION = 0.6180339887
JITTER = 0.56
ROW_INCHES, LINE_INCHES = 0.2, 0.11
MAX_IN_A_COLUMN_INCHES = 1.25
LEFT_EDGE = 0.015
MAX_NAMED = 16
MAX_NAMED_IN_A_COLUMN = 10
MAX_LINEAR_TIME_RATIO = 8.0
MEAN_LINE: dict[str, Any] = {"color": FOREGROUND, "linewidth": 1.6}
BASELINE_LINE: dict[str, Any] = {"color": FOREGROUND, "linewidth": 0.8, "dashes": (3, 2)}


@dataclass(frozen=True)
class ArmDots:
    """One arm's dots; `crosses` are its trials that diverged, failed or collapsed, None for one without a value."""

    row: Row
    dots: tuple[float, ...]
    crosses: tuple[float | None, ...]


def arms_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The first picture of a report; None while no trial of the final phase has a value."""
    metric, records = comparison.metric, _records_by_arm(results)
    is_ordered = len(comparison.losses) < 2
    arms = [_dots(row, records.get(row.sample.values, {}), metric) for row in ranked(comparison)]
    if not any(arm.row.sample.by_seed for arm in arms):
        return None
    baselines = [arm for arm in arms if arm.row.is_baseline]
    shown = arms[:MAX_ARMS]
    if len(baselines) == 1 and baselines[0] not in shown:
        shown[-1] = baselines[0]
    each = "trial" if all(arm.row.sample.values in records for arm in arms) else "seed"
    what = "trial of the final phase" if each == "trial" else "seed's mean over the trials that share the value"
    return picture(
        "arms",
        f"{metric_in_words(metric).capitalize()} of every {each}",
        lambda: _draw(shown, metric, each),
        caption=[
            f"Each dot is one {what} ({counted(len(comparison.seeds), 'seed')}), jittered vertically. The diamond is "
            "the arm's mean, the bar its 95 % interval.",
            bool(baselines) and "The baseline is in bold, with a square; the dashed line is its mean.",
            any(arm.crosses for arm in arms)
            and "Crosses diverged, collapsed or failed; at the left edge they have no value.",
            number_shown(len(shown), len(arms), first=first_word(metric) if is_ordered else "first"),
        ],
        description=_description(arms, baselines, metric, is_ordered=is_ordered),
    )


def _records_by_arm(results: Results) -> dict[Values, dict[int, TrialRecord]]:
    return {
        arm.values: {trial.seed: results.records[trial.id] for trial in trials if trial.id in results.records}
        for arm, trials in results.plan.arms
    }


def _dots(row: Row, records: Mapping[int, TrialRecord], metric: Metric) -> ArmDots:
    bad = {seed for seed, record in records.items() if record.ending() != "done"}
    return ArmDots(
        row,
        tuple(one for seed, one in row.sample.by_seed.items() if seed not in bad),
        tuple(metric.value(records[seed]) for seed in sorted(bad)),
    )


def _description(
    arms: Sequence[ArmDots], baselines: Sequence[ArmDots], metric: Metric, *, is_ordered: bool
) -> list[str]:
    def in_words(arm: ArmDots) -> str:
        estimate = arm.row.own
        unit = " %" if metric.unit == "share" else ""
        bounds = f", interval {interval(estimate.interval, metric)}{unit}" if estimate.interval else ""
        return f"{visible(arm.row.sample.label)} at {with_unit(estimate.mean, metric)}{bounds}"

    known = [arm for arm in arms if arm.row.own.mean is not None]
    baselines = [arm for arm in baselines if arm in known]
    failed = sum(len(arm.crosses) for arm in arms)
    return [
        f"{counted(len(arms), 'arm')} by mean {metric_in_words(metric)}, "
        f"{f'the {first_word(metric)} first' if is_ordered else 'in no order'}: {'; '.join(map(in_words, known[:3]))}.",
        f"The last is {in_words(known[-1])}." if len(known) > 3 else "",
        f"The baseline is {in_words(baselines[0])}." if len(baselines) == 1 else "",
        f"{counted(failed, 'trial')} diverged, collapsed or failed." if failed else "",
    ]


def _draw(arms: Sequence[ArmDots], metric: Metric, each: str) -> Figure:
    labels = [wrapped(arm.row.sample.label) for arm in arms]
    is_narrow = max(text_inches(line) for label in labels for line in label.split("\n")) <= MAX_IN_A_COLUMN_INCHES
    row_inches = ROW_INCHES + LINE_INCHES * max(label.count("\n") for label in labels)
    figure = new_figure(COLUMN_INCHES if is_narrow else PAGE_INCHES, 0.5 + row_inches * max(2, len(arms)))
    axes = figure.subplots()
    values = [one for arm in arms for one in (*arm.dots, *arm.crosses) if one is not None]
    scale = scale_for(values, metric)
    intervals = [end for arm in arms for end in _possible(arm.row.own.interval, scale)]
    bounds = limits([*values, *(intervals if scale.kind == "linear" else ())], scale)
    for number, arm in enumerate(arms):
        _draw_arm(axes, number, arm, scale, bounds)
    set_axis(axes, "x", scale, bounds, most=5 if is_narrow else 10)
    axes.set_axisbelow(True)
    axes.set(xlabel=" ".join(scale.name_of(metric_in_words(metric))), ylim=(len(arms) - 0.4, -0.6))
    axes.set_yticks(range(len(arms)), labels=labels)
    embolden(axes.get_yticklabels(), (arm.row.is_baseline for arm in arms))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend_below(figure, _legend(arms, each))
    return figure


def _draw_arm(axes: Axes, y: float, arm: ArmDots, scale: Scale, bounds: Limits) -> None:
    estimate, contrast = arm.row.own, arm.row.contrast
    count = len(arm.dots) + len(arm.crosses)
    heights = y - JITTER * ((0.5 + np.arange(count) * GOLDEN_SECTION) % 1 - 0.5)
    compared = list(contrast.second.by_seed.values()) if contrast else []
    baseline = estimate.mean if arm.row.is_baseline else sum(compared) / len(compared) if compared else None
    if baseline is not None:
        axes.plot([baseline] * 2, [y - 0.5, y + 0.5], **BASELINE_LINE)
    axes.scatter(arm.dots, heights[: len(arm.dots)], s=9, linewidths=0, color=SEED, alpha=SEED_ALPHA)
    if arm.crosses:
        low, high = scale.positions(bounds)
        edge = float(scale.values(low + LEFT_EDGE * (high - low)))
        places = [edge if one is None else max(edge, one) for one in arm.crosses]
        style: Any = {"marker": "x", "color": VERMILLION, "linewidths": 1.0, "clip_on": False}
        axes.scatter(places, heights[len(arm.dots) :], s=14, **style)
    if estimate.interval is not None:
        ends = np.clip(_possible(estimate.interval, scale), *bounds)
        axes.plot(ends, [y, y], **MEAN_LINE, solid_capstyle="butt")
    if estimate.mean is not None:
        marker = "s" if arm.row.is_baseline else "D"
        axes.plot(estimate.mean, y, marker=marker, color=FOREGROUND, markersize=4.2, markeredgewidth=0)


def _possible(bounds: tuple[float, float] | None, scale: Scale) -> list[float]:
    """An interval's ends; Student's t may put them beyond 0 or 100 %, where no accuracy is."""
    return [min(max(end, 0.0), 1.0) if scale.is_share else end for end in bounds or ()]


def _legend(arms: Sequence[ArmDots], each: str) -> list[Line2D]:
    handles = [dot(f"one {each}", marker="o", color=SEED, markersize=3.2, alpha=SEED_ALPHA, markeredgewidth=0)]
    if any(arm.crosses for arm in arms):
        handles.append(dot("unusable trial", marker="x", color=VERMILLION, markersize=3.8))
    line: dict[str, Any] = {"linestyle": "-", "markersize": 4.2}
    handles.append(dot("mean, 95 % interval", marker="D", **{**line, **MEAN_LINE}))
    if any(arm.row.is_baseline for arm in arms):
        handles.append(dot("baseline", marker="s", **{**line, **BASELINE_LINE}))
    return handles


@dataclass(frozen=True)
class TimedArm:
    """One arm: its mean, its median seconds per epoch, and the size of the largest stack that trained it."""

    label: str
    mean: float
    seconds: float
    stack_trials: int
    is_baseline: bool


def time_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The mean of each arm against its time per epoch; None if no two arms differ in time."""
    metric, arms = comparison.metric, _timed_arms(results, comparison)
    if len({arm.seconds for arm in arms}) < 2:
        return None
    largest = max(arm.stack_trials for arm in arms)
    return picture(
        "time",
        f"Mean {metric_in_words(metric)} by time per epoch",
        lambda: _draw_times(arms, metric),
        caption=[
            "One marker for each arm; seconds are the median over its trials of the median epoch's steps.",
            largest > 1
            and f"Up to {largest} trials were trained in one stack and share its time equally, so this is the time of "
            "the run and not the cost of an arm alone; arms of one stack have the same time.",
            number_shown(min(len(arms), MAX_NAMED), len(arms), "named", first=first_word(metric)),
        ],
        description=_times_in_words(arms, metric),
    )


def _timed_arms(results: Results, comparison: Comparison) -> list[TimedArm]:
    """The best mean first."""
    trials_of = {arm.values: trials for arm, trials in results.plan.arms}
    arms = []
    for row in ranked(comparison):
        trials = trials_of.get(row.sample.values, ())
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        records = [record for record in records if record.epoch_seconds]
        if records and row.own.mean is not None:
            seconds = median(median(record.epoch_seconds) for record in records)
            stack_trials = max(record.stack_trials for record in records)
            arms.append(TimedArm(row.sample.label, row.own.mean, seconds, stack_trials, row.is_baseline))
    return arms


def _times_in_words(arms: Sequence[TimedArm], metric: Metric) -> list[str]:
    def in_words(arm: TimedArm) -> str:
        return f"{visible(arm.label)} with {with_unit(arm.mean, metric)} at {arm.seconds:.3g} s per epoch"

    quickest, slowest = (choose(arms, key=lambda arm: arm.seconds) for choose in (min, max))
    return [
        f"{counted(len(arms), 'arm')}: the {first_word(metric)} is {in_words(arms[0])}; the quickest is "
        f"{in_words(quickest)}; the slowest {in_words(slowest)}."
    ]


def _draw_times(arms: Sequence[TimedArm], metric: Metric) -> Figure:
    named, others = arms[:MAX_NAMED], arms[MAX_NAMED:]
    baselines = [arm.label for arm in named if arm.is_baseline]
    chosen = strokes([arm.label for arm in named], baselines if len(baselines) == 1 else ())
    handles = [dot(label, marker=stroke.marker, color=stroke.colour) for label, stroke in chosen.items()]
    if others:
        handles.append(dot("all other arms", marker="o", color=FOREGROUND, markersize=2))
    figure = new_figure(COLUMN_INCHES if len(handles) <= MAX_NAMED_IN_A_COLUMN else PAGE_INCHES, 2.2)
    axes = figure.subplots()
    axes.scatter([arm.seconds for arm in others], [arm.mean for arm in others], s=4, color=FOREGROUND)
    for arm in reversed(named):
        stroke = chosen[arm.label]
        size = 6 if stroke is BASELINE else 5
        axes.plot(arm.seconds, arm.mean, stroke.marker, color=stroke.colour, markersize=size)
    means, seconds = [arm.mean for arm in arms], [arm.seconds for arm in arms]
    y_scale = scale_for(means, metric)
    is_linear = max(seconds) <= MAX_LINEAR_TIME_RATIO * min(seconds) or min(seconds) <= 0
    x_scale = Scale("linear" if is_linear else "log")
    low, high = limits([*seconds, 0.0] if is_linear else seconds, x_scale)
    set_axis(axes, "x", x_scale, (0.0 if is_linear else low, high), most=6)
    set_axis(axes, "y", y_scale, limits(means, y_scale), most=6)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(" ".join(x_scale.name_of("seconds per epoch and trial")))
    axes.set_ylabel("\n".join(y_scale.name_of(f"mean {metric_in_words(metric)}")), fontsize="small")
    legend_below(figure, handles)
    return figure
