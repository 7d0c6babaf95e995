"""Several result folders as one question: verdicts over folders, mean ranks and a performance profile, also drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from statistics import quantiles
from string import ascii_lowercase
from typing import Any

from actbench.analysis.across import DISTANCES, Across, ArmAcross, compare_across
from actbench.analysis.contrasts import Contrast, paired_differences
from actbench.analysis.samples import arm_samples
from actbench.analysis.verdicts import (
    EQUIVALENT,
    NO_EVIDENCE,
    NOT_JUDGED,
    TOO_FEW_FOLDERS,
)
from actbench.errors import ConfigurationError
from actbench.experiment.definition import parse_arm
from actbench.experiment.metrics import Metric
from actbench.render.sections import Section
from actbench.report.caveats import SHARED_RATE, has_own_rate
from actbench.report.figures.differences import difference_row, draw_rows
from actbench.report.figures.layout import MAX_ARMS, Canvas, End, Picture, margin_shown, number_shown, picture
from actbench.report.figures.marks import INK, text_width
from actbench.report.figures.scales import Axis, Scale, styles
from actbench.report.numbers import ABSENT, interval, metric_in_words, probability, size, value
from actbench.report.request import Request, metric_of
from actbench.report.short import short_verdict
from actbench.report.statement import cannot_decide, listed_or_counted
from actbench.report.statements import adjusted_statements, by_verdict, why_none
from actbench.statistics.across import performance_profile
from actbench.store.results import Results
from actbench.store.tables import Table
from actbench.text import counted, listed, visible

LINEAR = Scale()
COLUMNS = (
    "arm", "against", "folders", "difference", "difference_ci_low", "difference_ci_high", "sd_between_folders", "p",
    "p_holm", "mean_rank", "verdict",
)  # fmt: skip
PROFILE = "Share of folders in which an arm's mean is within this distance of the best (Dolan & Moré)."
MOST_OF_DISTANCES = 8  # of ten: an arm that is far behind in a few folders would press all others together


def answer_across(results: Sequence[Results], request: Request) -> Across:
    """The comparison over folders; raises `ConfigurationError` if they have no question in common."""
    if len(results) < 2:
        raise ConfigurationError("--across: name at least two result folders")
    first = results[0].experiment
    if request.metric is None and len(primary := dict.fromkeys(one.experiment.primary for one in results)) > 1:
        raise ConfigurationError(f"--across: the folders decide by {listed([*primary])}; choose one with --metric")
    _require_own_trials(results)
    metric = metric_of(results, request.metric or first.primary)
    baseline = first.baseline if request.baseline is None else parse_arm(first, request.baseline)
    losses = {str(arm.settings.train.loss) for one in results for arm, _ in one.plan.arms} if metric.is_loss else set()
    if metric.larger_is_better is None or len(losses) > 1:
        raise ConfigurationError(f"--across: {metric.name} has no better direction that all folders share")
    margins = [one.experiment.margin_of(metric) for one in results]
    known = [one for one in margins if one is not None]
    margin = min(known) if len(known) == len(results) else None
    untuned = [str(one.folder) for one in results if not one.plan.tunings and not request.shared_lr]
    doubts = [f"{one.folder}: {doubt}" for one in results if (doubt := one.seeds_doubt())]
    why_not = f"nothing was tuned for each arm in {listed(untuned)}" if untuned else next(iter(doubts), "")
    samples = [(str(one.folder), arm_samples(one.plan, one.records, metric)) for one in results]
    if without := next((one for one in samples if not any(arm.by_seed for arm in one[1])), None):
        why = why_none(without[1], metric)
        raise ConfigurationError(f"--across: {without[0]}: {why[:1].lower()}{why[1:].rstrip('.')}")
    try:
        found = compare_across(samples, metric, baseline, margin, why_not, all_pairs=request.all_pairs)
        shared = [str(one.folder) for one in results if not why_not and not has_own_rate(one.experiment)]
        return replace(found, with_shared_rate=tuple(shared))
    except ValueError as problem:
        raise ConfigurationError(f"--across: {problem}") from None


def _require_own_trials(results: Sequence[Results]) -> None:
    """Raise `ConfigurationError` where two folders have final trials in common, which would count twice."""
    holders: dict[str, Results] = {}
    for one in results:
        held = [trial.id for _, trials in one.plan.arms for trial in trials if trial.id in one.records]
        if common := [trial for trial in held if trial in holders]:
            raise ConfigurationError(
                f"--across: {holders[common[0]].folder} and {one.folder} have {counted(len(common), 'final trial')} in "
                "common, which would count twice"
            )
        holders |= dict.fromkeys(held, one)


def across_sections(found: Across) -> list[Section]:
    """The answer, verdicts, all pairs if these were asked for, mean ranks, and how near to the best each arm is."""
    answer = Section(across_answer(found), [], [])
    return [answer, _verdicts(found), *([_pairs(found)] if found.pairs else []), _ranks(found), _profile(found)]


def across_answer(found: Across) -> str:
    """`Which arm gives the highest test accuracy over 8 folders? gelu (+0.14 points) is better than relu.`."""
    best, folders = "highest" if found.metric.larger_is_better else "lowest", counted(len(found.folders), "folder")
    groups = by_verdict(found.contrasts())
    sentences = [f"Which arm gives the {best} {metric_in_words(found.metric)} over {folders}?"]
    for word in ("better", "worse"):
        if group := groups.get(word):
            named = [f"{one.first.label} ({size(one.difference.mean, found.metric, signed=True)})" for one in group]
            arms = f"{listed_or_counted(named, 'arms')} {'is' if len(group) == 1 else 'are'}"
            sentences.append(f"{arms} {word} than {found.baseline}.")
    if group := groups.get(EQUIVALENT):
        margin = size(found.margin or 0.0, found.metric)
        sentences.append(f"Equivalent to {found.baseline} within {margin}: {_labels(group)}.")
    unsure = groups.get(NO_EVIDENCE, [])
    if group := [one for one in unsure if one.is_tied()]:
        sentences.append(f"Cannot tell {_labels(group)} from {found.baseline}: all differences are zero.")
    if group := [one for one in unsure if not one.is_tied()]:
        reach = size(max(map(Contrast.reach, group)), found.metric)
        cannot_tell = f"Cannot tell {_labels(group)} from {found.baseline}"
        sentences.append(f"{cannot_tell}: the mean difference can still be up to {reach}.")
    if group := groups.get(TOO_FEW_FOLDERS):
        why = cannot_decide(len(found.folders), len(found.contrasts()), "folder")
        sentences.append(f"Cannot tell {_labels(group)} from {found.baseline}: {why}.")
    if group := groups.get(NOT_JUDGED):
        reasons = listed_or_counted([*dict.fromkeys(arm.reason for arm in group)], "reasons")
        sentences.append(f"Not judged: {_labels(group)} ({reasons}).")
    return " ".join(sentences)


def _labels(group: Sequence[Contrast]) -> str:
    return listed_or_counted([one.first.label for one in group], "arms")


def _verdicts(found: Across) -> Section:
    points = " (points)" * found.metric.is_share
    names = ["arm", f"difference{points}", "95 % interval", "sd between", "p (Holm)", "verdict"]
    rows = []
    for arm in found.arms:
        difference, bounds, p, word = _cells_of(arm.contrast, found.metric)
        between = value(found.between.get((arm.label, found.baseline)), found.metric, digits=3)
        rows.append([arm.label, difference, bounds, between, p, word or "baseline"])
    title = f"{metric_in_words(found.metric)} over {counted(len(found.folders), 'folder')}, against {found.baseline}"
    return Section(title, names, rows, _notes(found), importance=(0, 1, 5, 4, 2, 3))


def _cells_of(contrast: Contrast | None, metric: Metric) -> list[str]:
    """The difference, its interval, p and the verdict."""
    if contrast is None:
        return [ABSENT, ABSENT, ABSENT, ""]
    mean, bounds = contrast.difference.mean, contrast.difference.interval
    shown = [value(mean, metric, signed=True), interval(bounds, metric, signed=True)]
    return [*shown, probability(contrast.p_holm), short_verdict(contrast.decided)]


def _notes(found: Across) -> list[str]:
    compared, n = found.contrasts(), len(found.folders)
    return [
        f"Folders are counted, not seeds (n = {n}): {listed(found.folders)}.",
        *filter(None, [_left_out(found), _shared_rate(found)]),
        *(said.text for said in adjusted_statements(compared, found.metric)),
        "The difference is the mean over folders, each counting the same, with a t interval for folders like these; sd "
        "between: DerSimonian & Laird's; p is the exact sign-flip test of the folders' differences, Holm over "
        f"{counted(len(compared), 'arm')}.",
    ]


def _left_out(found: Across) -> str:
    """Which arms are not compared, since some folder has no value of them; empty if all are."""
    named = [f"{label} (none in {listed_or_counted(folders, 'folders')})" for label, folders in found.left_out.items()]
    return f"Left out: {listed_or_counted(named, 'arms')}." if named else ""


def _shared_rate(found: Across) -> str:
    """That ranks depend on a learning rate that all arms share, and in which folders if not in all."""
    of_some = "" if found.with_shared_rate == found.folders else f"{listed(found.with_shared_rate)}: "
    return f"{of_some}{SHARED_RATE}" if found.with_shared_rate else ""


def _ranks(found: Across) -> Section:
    note = (
        f"Mean ranks, 1 for the best. Those that differ by less than {found.critical_difference:.2f} (Nemenyi, 5 %, "
        "all pairs) share a letter: they cannot be told apart by their ranks."
    )
    groups = list(zip(cycle(ascii_lowercase), found.groups, strict=False))
    rows = []
    for index, arm in enumerate(found.arms):
        letters = [letter for letter, (start, end) in groups if start <= index <= end]
        rows.append([arm.label, f"{arm.mean_rank:.2f}", "".join(letters)])
    return Section("mean ranks", ["arm", "mean rank", "group"], rows, [note])


def _pairs(found: Across) -> Section:
    """Every arm against every one with a worse mean rank."""
    rows = [[one.first.label, one.second.label, *_cells_of(one, found.metric)] for one in found.pairs]
    note = f"Holm over {counted(len(rows), 'pair')}."
    if any(pair.word == TOO_FEW_FOLDERS for pair in found.pairs):
        note = f"{cannot_decide(len(found.folders), len(rows), 'folder')}."
    points = " (points)" * found.metric.is_share
    header = ["arm", "against", f"difference{points}", "95 % interval", "p (Holm)", "verdict"]
    return Section("all pairs", header, rows, [note], importance=(0, 1, 2, 5, 4, 3), prose=(5,))


def _profile(found: Across) -> Section:
    distances = ["best", *(f"within {size(distance, found.metric)}" for distance in DISTANCES[1:])]
    rows = [[arm.label, *(f"{share:.0%}" for share in arm.profile)] for arm in found.arms]
    return Section("performance profile", ["arm", *distances], rows, [PROFILE])


def across_document(found: Across) -> dict[str, Any]:
    """The same as plain data; accuracies and differences as fractions."""
    return {
        "answer": across_answer(found),
        "metric": found.metric.name,
        "baseline": found.baseline,
        "folders": list(found.folders),
        "critical_difference": found.critical_difference,
        "groups": [[arm.label for arm in found.arms[start : end + 1]] for start, end in found.groups],
        "margin": found.margin,
        "left_out": {label: list(folders) for label, folders in found.left_out.items()},
        "with_shared_rate": list(found.with_shared_rate),
        "arms": [
            _document(arm.label, arm.contrast, found)
            | {"mean_rank": arm.mean_rank, "means": list(arm.means)}
            | {"profile": dict(zip(map(str, DISTANCES), arm.profile, strict=True))}
            for arm in found.arms
        ],
        "pairs": [{"against": pair.second.label} | _document(pair.first.label, pair, found) for pair in found.pairs],
    }


def _document(label: str, contrast: Contrast | None, found: Across) -> dict[str, Any]:
    return _row(label, contrast, found) | {
        "differences": paired_differences(contrast.first, contrast.second, found.metric) if contrast else [],
        "difference_ci": contrast and contrast.difference.interval,
        "difference_ci_adjusted": contrast and contrast.adjusted_interval,
        "reason": (contrast and contrast.reason) or None,
    }


def across_table(found: Across) -> Table:
    """One row for each arm, or where all pairs were asked for one for each of these."""
    rows = [{"against": one.second.label} | _row(one.first.label, one, found) for one in found.pairs]
    arms = [_row(one.label, one.contrast, found) | {"mean_rank": one.mean_rank} for one in found.arms]
    left_out = "mean_rank" if rows else "against"
    return Table([name for name in COLUMNS if name != left_out], rows or arms)


def _row(label: str, contrast: Contrast | None, found: Across) -> dict[str, Any]:
    low, high = (contrast and contrast.difference.interval) or (None, None)
    return {
        "arm": label,
        "folders": len(found.folders),
        "difference": contrast and contrast.difference.mean,
        "difference_ci_low": low,
        "difference_ci_high": high,
        "sd_between_folders": contrast and found.between[label, contrast.second.label],
        "p": contrast and contrast.p,
        "p_holm": contrast and contrast.p_holm,
        "verdict": contrast and contrast.verdict,
    }


def across_pictures(found: Across) -> list[Picture]:
    """The diagram of critical differences, the differences of each folder, and the performance profile."""
    return [_ranks_picture(found), _folders_picture(found), _profile_picture(found)]


def _ranks_picture(found: Across) -> Picture:
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
    em, width, chosen = canvas.em, canvas.width, styles({arm.label: arm.values for arm in found.arms})
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
    is_longer = 1.0 + critical > axis.bounds[1]
    for place in [axis.start] + [end] * (not is_longer):
        canvas.line([(place, y - 0.3 * em), (place, y + 0.3 * em)], INK, 0.1)
    if is_longer:
        canvas.dot(end, y, 0.35, INK, ">")
    longer = ", longer than the axis" * is_longer
    canvas.note(axis.start, y - 0.6 * em, f"critical difference {critical:.2f}{longer}", "start")


def _folders_picture(found: Across) -> Picture:
    rows = [row for one in found.contrasts() if (row := difference_row(one, {}, found.folders))]
    shown, chosen = rows[:MAX_ARMS], styles({arm.label: arm.values for arm in found.arms})
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
        description=[f"{'; '.join(f'{visible(row.label)} {short_verdict(row.verdict)}' for row in shown)}."],
    )


def _profile_picture(found: Across) -> Picture:
    shown = found.arms[:MAX_ARMS]
    best = [f"{visible(arm.label)} {arm.profile[0]:.0%}" for arm in shown]
    return picture(
        "profile",
        "Performance profile",
        lambda canvas: _draw_profile(canvas, shown, found),
        caption=[PROFILE, number_shown(len(shown), len(found.arms))],
        description=[f"Share of folders in which it is best: {'; '.join(best)}."],
    )


def _draw_profile(canvas: Canvas, arms: Sequence[ArmAcross], found: Across) -> float:
    em, metric, chosen = canvas.em, found.metric, styles({arm.label: arm.values for arm in found.arms})
    scores = [[arm.means[folder] for arm in found.arms] for folder in range(len(found.folders))]
    larger = bool(metric.larger_is_better)
    best = [max(row) if larger else min(row) for row in scores]
    behind = sorted({0.0, *(abs(score - top) for row, top in zip(scores, best, strict=True) for score in row)})
    furthest = quantiles(behind, n=10)[MOST_OF_DISTANCES - 1] if len(behind) > 2 else behind[-1] or 1.0
    distances = [*(distance for distance in behind if distance < furthest), furthest]
    shares = performance_profile(scores, distances, larger_is_better=larger)
    top, bottom = 2.4 * em, 2.4 * em + max(14 * em, 1.2 * canvas.small * len(arms))
    names = [canvas.named(arm.label) for arm in arms]
    y = Axis(Scale(is_share=True), (-0.03, 1.03), bottom, top)
    across = (Scale(is_share=metric.is_share), (0.0, furthest))
    x = canvas.ended_axes(y, across, "share of the folders in %", names, (0.3, 0.3))
    points = " points" * metric.is_share
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
    canvas.labels_at_ends(ends, x.end, y)
    return bottom + 3.4 * em
