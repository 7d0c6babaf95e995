"""Every trial of the final phase as a dot, with the mean and its interval, arm by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison, Row, ranked
from actbench.analysis.samples import is_collapsed
from actbench.experiment.definition import Values
from actbench.experiment.metrics import Metric
from actbench.experiment.records import TrialRecord
from actbench.report.figures.axes import dot, legend_below, new_figure, set_x, text_inches
from actbench.report.figures.panels import MAX_ARMS
from actbench.report.figures.picture import Picture
from actbench.report.figures.scales import Scale, first_word, limits, scale_for
from actbench.report.figures.style import (
    ALPHA_OF_MANY,
    COLUMN_INCHES,
    FOREGROUND,
    ONE_OF_MANY,
    PAGE_INCHES,
    VERMILLION,
    drawing,
)
from actbench.report.figures.words import plain, wrapped
from actbench.report.numbers import interval, metric_in_words, value
from actbench.store.results import Results
from actbench.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

# Steps of this part of a whole never come near each other again soon, so that neighbouring dots stand apart.
GOLDEN_SECTION = 0.6180339887
JITTER = 0.56
ROW_INCHES, LINE_INCHES = 0.2, 0.11
MAX_IN_A_COLUMN_LENGTH = 1.25
TRIAL: dict[str, Any] = {"color": ONE_OF_MANY, "alpha": ALPHA_OF_MANY}


@dataclass(frozen=True)
class ArmDots:
    """One arm's dots; `crosses` are those of its trials that diverged, failed or collapsed, None without a value."""

    row: Row
    dots: tuple[float, ...]
    crosses: tuple[float | None, ...]

    @property
    def label(self) -> str:
        """The arm's name."""
        return self.row.sample.label


def arms_picture(results: Results, comparison: Comparison) -> Picture | None:
    """The first picture of a report; None while no trial of the final phase has a value."""
    records = _records_by_arm(results)
    arms = [_dots(row, records.get(row.sample.values, {}), comparison.metric) for row in ranked(comparison)]
    if not any(arm.row.sample.by_seed for arm in arms):
        return None
    shown = _shown(arms)
    each = "trial" if all(arm.row.sample.values in records for arm in arms) else "seed"
    return Picture(
        name="arms",
        title=f"{metric_in_words(comparison.metric).capitalize()} of every {each}",
        caption=_caption(arms, shown, comparison, each),
        description=_description(arms, comparison.metric),
        draw=lambda: _draw(shown, comparison.metric, each),
    )


def _records_by_arm(results: Results) -> dict[Values, dict[int, TrialRecord]]:
    return {
        arm.values: {trial.seed: results.records[trial.id] for trial in trials if trial.id in results.records}
        for arm, trials in results.plan.arms
    }


def _dots(row: Row, records: Mapping[int, TrialRecord], metric: Metric) -> ArmDots:
    bad = {seed for seed, record in records.items() if record.outcome != "done" or is_collapsed(record)}
    return ArmDots(
        row,
        tuple(one for seed, one in row.sample.by_seed.items() if seed not in bad),
        tuple(metric.value(records[seed]) for seed in sorted(bad)),
    )


def _shown(ranked: Sequence[ArmDots]) -> list[ArmDots]:
    """The best so many, and every baseline's place kept where there is one baseline."""
    kept = list(ranked[:MAX_ARMS])
    baselines = [arm for arm in ranked if arm.row.is_baseline]
    if len(baselines) == 1 and baselines[0] not in kept:
        kept[-1] = baselines[0]
    return kept


def _caption(ranked: Sequence[ArmDots], shown: Sequence[ArmDots], comparison: Comparison, each: str) -> str:
    what = "trial of the final phase" if each == "trial" else "seed's mean over the trials that share the value"
    sentences = [
        f"Each dot is one {what} ({counted(len(comparison.seeds), 'seed')}); dots are moved up and "
        "down to be seen. The diamond is the arm's mean, the bar its 95 % interval.",
    ]
    if any(arm.row.is_baseline for arm in ranked):
        sentences.append("The baseline is in bold, with a square; the dashed line is its mean.")
    if any(arm.crosses for arm in ranked):
        sentences.append("Crosses diverged, failed or predict a single class; at the left edge they have no value.")
    if len(shown) < len(ranked):
        sentences.append(f"The best {len(shown)} of {len(ranked)} arms are shown.")
    return " ".join(sentences)


def _description(ranked: Sequence[ArmDots], metric: Metric) -> str:
    def said(arm: ArmDots) -> str:
        unit = " %" if metric.unit == "share" else ""
        own = arm.row.own
        bounds = f", interval {interval(own.interval, metric)}{unit}" if own.interval else ""
        return f"{plain(arm.label)} at {value(own.mean, metric)}{unit}{bounds}"

    known = [arm for arm in ranked if arm.row.own.mean is not None]
    sentences = [
        f"{counted(len(ranked), 'arm')} by mean {metric_in_words(metric)}, the {first_word(metric)} first: "
        f"{said(known[0])}"
    ]
    sentences[0] += "".join(f"; {said(arm)}" for arm in known[1:3]) + "."
    if len(known) > 3:
        sentences.append(f"The last is {said(known[-1])}.")
    baselines = [arm for arm in known if arm.row.is_baseline]
    if len(baselines) == 1:
        sentences.append(f"The baseline is {said(baselines[0])}.")
    if failed := sum(len(arm.crosses) for arm in ranked):
        sentences.append(f"{counted(failed, 'trial')} diverged, failed or predict a single class.")
    return " ".join(sentences)


def _draw(arms: Sequence[ArmDots], metric: Metric, each: str) -> Figure:
    with drawing():
        labels = [wrapped(arm.label) for arm in arms]
        is_narrow = max(text_inches(line) for lines in labels for line in lines) <= MAX_IN_A_COLUMN_LENGTH
        row = ROW_INCHES + LINE_INCHES * (max(map(len, labels)) - 1)
        height = 0.75 + row * max(2, len(arms)) + (0.2 if is_narrow else 0)
        figure = new_figure(COLUMN_INCHES if is_narrow else PAGE_INCHES, height)
        axes = figure.subplots()
        values = [one for arm in arms for one in (*arm.dots, *arm.crosses) if one is not None]
        scale = scale_for(values, metric)
        bounds = limits([*values, *_ends(arms, scale)], scale)
        for number, arm in enumerate(arms):
            _draw_arm(axes, -number, arm, scale, bounds)
        set_x(axes, scale, bounds, most=5 if is_narrow else 10)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel(" ".join(scale.name_of(metric_in_words(metric))))
        axes.set_ylim(-len(arms) + 0.4, 0.6)
        axes.set_yticks([-number for number in range(len(arms))], labels=["\n".join(lines) for lines in labels])
        for text, arm in zip(axes.get_yticklabels(), arms, strict=True):
            text.set_fontweight("bold" if arm.row.is_baseline else "normal")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        legend_below(figure, _legend(arms, each))
    return figure


def _draw_arm(axes: Axes, y: float, arm: ArmDots, scale: Scale, bounds: tuple[float, float]) -> None:
    own, contrast = arm.row.own, arm.row.contrast
    count = len(arm.dots) + len(arm.crosses)
    heights = [y + JITTER * ((0.5 + number * GOLDEN_SECTION) % 1 - 0.5) for number in range(count)]
    baseline = own.mean if arm.row.is_baseline else _mean_of(contrast.second.by_seed) if contrast else None
    if baseline is not None:
        axes.plot([scale.at(baseline)] * 2, [y - 0.5, y + 0.5], color=FOREGROUND, linewidth=0.8, dashes=(3, 2))
    places = [scale.at(one) for one in arm.dots]
    axes.scatter(places, heights[: len(places)], s=9, linewidths=0, **TRIAL)
    if arm.crosses:
        edge = bounds[0] + 0.015 * (bounds[1] - bounds[0])
        places = [edge if one is None else max(edge, scale.at(one)) for one in arm.crosses]
        crosses_at = heights[len(arm.dots) :]
        axes.scatter(places, crosses_at, s=14, marker="x", color=VERMILLION, linewidths=1.0, clip_on=False)
    if own.interval is not None:
        ends = [min(max(scale.at(one), bounds[0]), bounds[1]) for one in _possible(own.interval, scale)]
        axes.plot(ends, [y, y], color=FOREGROUND, linewidth=1.6, solid_capstyle="butt")
    if own.mean is not None:
        marker = "s" if arm.row.is_baseline else "D"
        axes.plot(scale.at(own.mean), y, marker=marker, color=FOREGROUND, markersize=4.2, markeredgewidth=0)


def _ends(arms: Sequence[ArmDots], scale: Scale) -> list[float]:
    """The ends of the intervals, as far as they have a place on the axis."""
    found = [one for arm in arms for one in _possible(arm.row.own.interval or (), scale)]
    return found if scale.kind == "linear" else []


def _possible(bounds: Sequence[float], scale: Scale) -> list[float]:
    """An interval's ends; an accuracy is none above 100 %, whatever Student's t says."""
    return [min(max(one, 0.0), 1.0) if scale.is_share else one for one in bounds]


def _mean_of(by_seed: Mapping[int, float]) -> float | None:
    """The mean of what an arm is compared with."""
    return sum(by_seed.values()) / len(by_seed) if by_seed else None


def _legend(arms: Sequence[ArmDots], each: str) -> list[Line2D]:
    from matplotlib.lines import Line2D

    handles = [
        dot(f"one {each}", marker="o", color=ONE_OF_MANY, markersize=3.2, alpha=ALPHA_OF_MANY, markeredgewidth=0)
    ]
    if any(arm.crosses for arm in arms):
        handles.append(dot("failed trial", marker="x", color=VERMILLION, markersize=3.8))
    handles.append(
        Line2D([], [], color=FOREGROUND, linewidth=1.6, marker="D", markersize=4.2, label="mean, 95 % interval")
    )
    if any(arm.row.is_baseline for arm in arms):
        handles.append(
            Line2D([], [], color=FOREGROUND, linewidth=0.8, dashes=(3, 2), marker="s", markersize=4.2, label="baseline")
        )
    return handles
