"""Several result folders as pictures: mean ranks with their critical difference, differences by folder, the profile."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import quantiles

from actbench.analysis.across import Across, ArmAcross
from actbench.report.figures.differences import Shown, draw_rows
from actbench.report.figures.layout import MAX_ARMS, Canvas, End, Picture, margin_shown, number_shown, picture
from actbench.report.figures.marks import INK, text_width
from actbench.report.figures.scales import Axis, Scale
from actbench.report.figures.styles import styles
from actbench.report.numbers import metric_in_words
from actbench.report.short import short_verdict
from actbench.statistics.across import RandomEffects, performance_profile
from actbench.text import counted, visible

LINEAR = Scale()
MOST_OF_DISTANCES = 8  # of ten: an arm that is far behind in a few folders would press all others together


def across_pictures(found: Across) -> list[Picture]:
    """The diagram of critical differences, the differences of each folder, and the performance profile."""
    return [_ranks(found), _folders(found), _profile(found)]


def _ranks(found: Across) -> Picture:
    shown, critical = found.arms[:MAX_ARMS], found.critical_difference
    return picture(
        "ranks",
        "Mean ranks and their critical difference",
        lambda canvas: _draw_ranks(canvas, shown, found),
        caption=[
            f"Mean ranks over {counted(len(found.folders), 'folder')}, 1 for the best. Arms that a thick bar joins "
            f"differ by less than the critical difference, {critical:.2f} ranks: they cannot be told apart by their "
            "ranks (Nemenyi, 5 %, all pairs).",
            number_shown(len(shown), len(found.arms)),
        ],
        description=[f"{'; '.join(f'{visible(arm.label)} {arm.mean_rank:.2f}' for arm in shown)}."],
    )


def _draw_ranks(canvas: Canvas, arms: Sequence[ArmAcross], found: Across) -> float:
    """The axis of ranks above, groups as bars below it, and each arm's line to its name on the nearer side."""
    em, width, chosen = canvas.em, canvas.width, styles([arm.label for arm in found.arms])
    column = canvas.label_width([f"{arm.label} {arm.mean_rank:.2f}" for arm in arms], 0.3)
    axis = Axis(LINEAR, (1.0, float(len(found.arms))), column + em, width - column - em)
    line = 4.4 * em
    _draw_critical_bar(canvas, found.critical_difference, axis)
    canvas.line([(axis.start, line), (axis.end, line)], INK, 0.1)
    for place, text in axis.ticks(max(2, int((axis.end - axis.start) / (2.5 * em)))):
        canvas.line([(place, line - 0.4 * em), (place, line)], INK, 0.1)
        canvas.note(place, line - 0.7 * em, text)
    bars = [(start, end) for start, end in found.groups if start < end < len(arms)]
    for number, ends in enumerate(bars, 1):
        left, right = (axis.at(arms[one].mean_rank) for one in ends)
        y = line + 0.7 * em * number
        canvas.line([(left - 0.2 * em, y), (right + 0.2 * em, y)], INK, 0.28)
    below = line + 0.7 * em * len(bars)
    half = (len(arms) + 1) // 2
    for is_left, side in ((True, arms[:half]), (False, arms[: half - 1 : -1])):
        for number, arm in enumerate(side):
            place, level = axis.at(arm.mean_rank), below + (1.4 + 1.4 * number) * em
            end = column + 0.4 * em if is_left else width - column - 0.4 * em
            name = f"{canvas.fitted(arm.label, column - text_width(' 0.00', em))} {arm.mean_rank:.2f}"
            style = chosen[arm.label]
            with canvas.group(arm.label, f"{arm.label}: mean rank {arm.mean_rank:.2f}"):
                canvas.line([(place, line), (place, level), (end, level)], style.colour, 0.1)
                canvas.dot(place, line, 0.3, style.colour, style.marker)
                x = column if is_left else width - column
                canvas.text(x, level + 0.35 * em, name, "end" if is_left else "start")
    return below + (1.4 * half + 1.2) * em


def _draw_critical_bar(canvas: Canvas, critical: float, axis: Axis) -> None:
    """How long the critical difference is on the axis, as far as there is room for it."""
    em, y = canvas.em, 1.6 * canvas.em
    end = min(axis.at(1.0 + critical), axis.end)
    canvas.line([(axis.start, y), (end, y)], INK, 0.1)
    for place in [axis.start] + [end] * (end < axis.end):
        canvas.line([(place, y - 0.3 * em), (place, y + 0.3 * em)], INK, 0.1)
    canvas.note(axis.start, y - 0.6 * em, f"critical difference {critical:.2f}", "start")


def _folders(found: Across) -> Picture:
    rows = [_row(arm, arm.effect, found) for arm in found.arms if arm.effect]
    shown, chosen = rows[:MAX_ARMS], styles([arm.label for arm in found.arms])
    return picture(
        "folders",
        "The difference in each folder",
        lambda canvas: draw_rows(canvas, shown, found.metric, found.margin, chosen, found.baseline, "folder"),
        caption=[
            "Each dot is one folder. The marker is their mean, the thick bar its 95 % interval for folders like these, "
            "the thin one is adjusted for all arms.",
            margin_shown(found.margin, found.metric),
            number_shown(len(shown), len(rows)),
        ],
        description=[f"{'; '.join(f'{visible(row.label)} {row.word}' for row in shown)}."],
    )


def _row(arm: ArmAcross, effect: RandomEffects, found: Across) -> Shown:
    by_folder = tuple(zip(found.folders, arm.differences, strict=False))
    return Shown(arm.label, by_folder, effect.mean, arm.interval, arm.adjusted_interval, short_verdict(arm.verdict))


def _profile(found: Across) -> Picture:
    shown = found.arms[:MAX_ARMS]
    best = [f"{visible(arm.label)} {arm.profile[0]:.0%}" for arm in shown]
    return picture(
        "profile",
        "Performance profile",
        lambda canvas: _draw_profile(canvas, shown, found),
        caption=["In what share of the folders the mean of an arm is so near to the best mean (Dolan & More).",
                 number_shown(len(shown), len(found.arms))],
        description=[f"Best in so many of the folders: {'; '.join(best)}."],
    )  # fmt: skip


def _draw_profile(canvas: Canvas, arms: Sequence[ArmAcross], found: Across) -> float:
    em, metric, chosen = canvas.em, found.metric, styles([arm.label for arm in found.arms])
    scores = [[arm.means[folder] for arm in found.arms] for folder in range(len(found.folders))]
    larger = bool(metric.larger_is_better)
    best = [max(row) if larger else min(row) for row in scores]
    behind = sorted({0.0, *(abs(score - top) for row, top in zip(scores, best, strict=True) for score in row)})
    furthest = quantiles(behind, n=10)[MOST_OF_DISTANCES - 1] if len(behind) > 2 else behind[-1] or 1.0
    distances = [*(distance for distance in behind if distance < furthest), furthest]
    shares = performance_profile(scores, distances, larger_is_better=larger)
    top, bottom = 2.4 * em, 2.4 * em + max(14 * em, 1.2 * canvas.small * len(arms))
    names = [canvas.named(arm.label) for arm in arms]
    right = canvas.width - canvas.end_label_width(names)
    y = Axis(Scale(is_share=True), (-0.03, 1.03), bottom, top)
    left = canvas.tick_width(y)
    x = Axis(Scale(is_share=metric.unit == "share"), (0.0, furthest), left + 0.3 * em, right - 0.3 * em)
    points = " points" if metric.unit == "share" else ""
    canvas.left_axis(y, left, right, "share of the folders in %")
    canvas.bottom_axis(x, top, bottom, f"at most so many{points} behind the best {metric_in_words(metric)}")
    ends = []
    for arm, name in zip(arms, names, strict=True):
        style, own = chosen[arm.label], shares[found.arms.index(arm)]
        steps = [(x.at(0.0), y.at(own[0]))]
        for distance, share in zip(distances[1:], own[1:], strict=True):
            steps += [(x.at(distance), steps[-1][1]), (x.at(distance), y.at(share))]
        with canvas.group(arm.label, name):
            canvas.line(steps, style.colour, 0.14, style.dashes)
        ends.append(End(arm.label, steps[-1][1], name, style.colour))
    canvas.labels_at_ends(ends, right - 0.3 * em, top, bottom)
    return bottom + 3.4 * em
