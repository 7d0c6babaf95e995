"""What an arm reaches against how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from actbench.analysis.comparison import Comparison
from actbench.experiment.metrics import Metric
from actbench.report.figures.axes import dot, legend_below, legend_inches, new_figure, set_x, set_y
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, first_word, limits, scale_for
from actbench.report.figures.style import BASELINE, COLUMN_INCHES, FOREGROUND, PAGE_INCHES, Stroke, drawing, strokes
from actbench.report.figures.words import plain
from actbench.report.numbers import metric_in_words, value
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MAX_NAMED = 16
MAX_IN_A_COLUMN = 10
MAX_LINEAR_RATIO = 8.0
OTHERS = "all other arms"
OTHER = FOREGROUND


@dataclass(frozen=True)
class Timed:
    """One arm: its mean, its median seconds per epoch, and the most trials that shared a stack with one of its own."""

    label: str
    mean: float
    seconds: float
    stack_trials: int
    is_baseline: bool


def time_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The mean of each arm against its time per epoch; None where no two arms differ in theirs."""
    timed = _timed(results, comparison)
    if len({one.seconds for one in timed}) < 2:
        return None
    return Picture(
        name="time",
        title=f"Mean {metric_in_words(comparison.metric)} by time per epoch",
        caption=_caption(timed),
        description=_description(timed, comparison.metric),
        draw=lambda: _draw(timed, comparison.metric),
    )


def _timed(results: Results, comparison: Comparison) -> list[Timed]:
    """The best mean first."""
    rows = {row.sample.values: row for row in comparison.rows if row.own.mean is not None}
    found = []
    for arm, trials in results.plan.arms:
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        records = [record for record in records if record.epoch_seconds]
        row = rows.get(arm.values)
        if records and row is not None and row.own.mean is not None:
            seconds = median(median(record.epoch_seconds) for record in records)
            stack = max(record.stack_trials for record in records)
            found.append(Timed(arm.label(), row.own.mean, seconds, stack, row.is_baseline))
    sign = 1 if comparison.metric.larger_is_better is False else -1
    return sorted(found, key=lambda one: sign * one.mean)


def _caption(timed: Sequence[Timed]) -> str:
    sentences = ["One marker for each arm; seconds are the median over its trials of the median epoch's steps."]
    if (largest := max(one.stack_trials for one in timed)) > 1:
        sentences.append(
            f"Up to {largest} trials were trained in one stack and share its time equally, so this is what the run "
            "took and not what an arm costs by itself; arms of one stack have the same time."
        )
    if len(timed) > MAX_NAMED:
        sentences.append(f"The best {MAX_NAMED} of {len(timed)} arms are named.")
    return " ".join(sentences)


def _description(timed: Sequence[Timed], metric: Metric) -> str:
    unit = " %" if metric.unit == "share" else ""

    def said(one: Timed) -> str:
        return f"{plain(one.label)} with {value(one.mean, metric)}{unit} at {one.seconds:.3g} s per epoch"

    quickest = min(timed, key=lambda one: one.seconds)
    slowest = max(timed, key=lambda one: one.seconds)
    ends = f"the quickest is {said(quickest)}; the slowest {said(slowest)}"
    return f"{counted(len(timed), 'arm')}: the {first_word(metric)} is {said(timed[0])}; {ends}."


def _draw(timed: Sequence[Timed], metric: Metric) -> Figure:
    named = timed[:MAX_NAMED]
    baselines = [one.label for one in named if one.is_baseline]
    chosen = strokes([one.label for one in named], baselines if len(baselines) == 1 else ())
    means, seconds = [one.mean for one in timed], [one.seconds for one in timed]
    y_scale = scale_for(means, metric)
    x_scale = Scale("log" if max(seconds) > MAX_LINEAR_RATIO * min(seconds) > 0 else "linear")
    with drawing():
        handles = _handles(named, chosen)
        if len(timed) > len(named):
            handles.append(dot(OTHERS, marker="o", color=OTHER, markersize=2))
        width = COLUMN_INCHES if len(handles) <= MAX_IN_A_COLUMN else PAGE_INCHES
        height = 2.3 + legend_inches(handles, width)
        figure = new_figure(width, height)
        axes = figure.subplots()
        others = timed[MAX_NAMED:]
        axes.scatter(
            [x_scale.at(one.seconds) for one in others], [y_scale.at(one.mean) for one in others], s=4, color=OTHER
        )
        for one in reversed(named):
            stroke = chosen[one.label]
            size = 6 if stroke is BASELINE else 5
            axes.plot(
                x_scale.at(one.seconds), y_scale.at(one.mean), stroke.marker, color=stroke.colour, markersize=size
            )
        is_linear = x_scale.kind == "linear"
        low, high = limits([*seconds, 0.0] if is_linear else seconds, x_scale)
        set_x(axes, x_scale, (0.0 if is_linear else low, high), most=6)
        set_y(axes, y_scale, limits(means, y_scale), most=6)
        axes.set_xlabel(" ".join(x_scale.name_of("seconds per epoch and trial")))
        axes.set_ylabel("\n".join(y_scale.name_of(f"mean {metric_in_words(metric)}")), fontsize="small")
        legend_below(figure, handles)
    return figure


def _handles(named: Sequence[Timed], chosen: dict[str, Stroke]) -> list[Line2D]:
    return [dot(one.label, marker=chosen[one.label].marker, color=chosen[one.label].colour) for one in named]
