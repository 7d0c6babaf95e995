"""Several result folders as one question: verdicts over folders, mean ranks in a diagram, and a performance profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actbench.analysis.across import DISTANCES, Across, ArmAcross, compare_across
from actbench.analysis.samples import arm_samples
from actbench.errors import ConfigurationError
from actbench.experiment.definition import parse_arm
from actbench.experiment.metrics import parse_metric
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, interval, metric_in_words, probability, size, value
from actbench.report.request import Request
from actbench.store.results import Results
from actbench.store.tables import Table
from actbench.text import counted, listed

DIAGRAM_WIDTH = 25
COLUMNS = (
    "arm", "folders", "difference", "difference_ci_low", "difference_ci_high", "sd_between_folders", "p", "p_holm",
    "mean_rank", "verdict",
)  # fmt: skip


def answer_across(results: Sequence[Results], request: Request) -> Across:
    """The comparison over folders; raises `ConfigurationError` if they have no question in common."""
    if len(results) < 2:
        raise ConfigurationError("--across: name at least two result folders")
    first = results[0].experiment
    try:
        metric = parse_metric(request.metric or first.primary)
    except ValueError as unknown:
        raise ConfigurationError(str(unknown)) from None
    baseline = first.baseline if request.baseline is None else parse_arm(first, request.baseline)
    losses = {str(arm.settings.train.loss) for one in results for arm, _ in one.plan.arms} if metric.is_loss else set()
    if metric.larger_is_better is None or len(losses) > 1:
        raise ConfigurationError(f"--across: {metric.name} has no better direction that all folders share")
    untuned = [str(one.folder) for one in results if not one.plan.tunings and not request.shared_lr]
    doubts = [f"{one.folder}: {doubt}" for one in results if (doubt := one.seeds_doubt())]
    why_not = f"nothing was tuned for each arm in {listed(untuned)}" if untuned else next(iter(doubts), "")
    samples = [(str(one.folder), arm_samples(one.plan, one.records, metric)) for one in results]
    try:
        return compare_across(samples, metric, baseline, first.margin_of(metric), why_not)
    except ValueError as problem:
        raise ConfigurationError(f"--across: {problem}") from None


def across_sections(found: Across) -> list[Section]:
    """The verdicts, and how often each arm is how near to the best."""
    return [_verdicts(found), _profile(found)]


def _verdicts(found: Across) -> Section:
    metric, unit = found.metric, " (points)" if found.metric.unit == "share" else ""
    letters = _groups([arm.mean_rank for arm in found.arms], found.critical_difference or 0.0)
    header = ["arm", f"difference{unit}", "95 % interval", "sd between", "p (Holm)", "mean rank", "group",
              f"ranks 1 to {len(found.arms)}", "verdict"]  # fmt: skip
    rows = [
        [
            arm.label,
            value(arm.effect.mean, metric, signed=True) if arm.effect else ABSENT,
            interval(arm.interval, metric, signed=True),
            value(arm.effect.between, metric, digits=3) if arm.effect else ABSENT,
            probability(arm.p_holm) if arm.effect else ABSENT,
            f"{arm.mean_rank:.2f}",
            letter,
            _place(arm.mean_rank, len(found.arms)),
            arm.verdict or "baseline",
        ]
        for arm, letter in zip(found.arms, letters, strict=True)
    ]
    return Section(
        f"{metric_in_words(metric)} over {counted(len(found.folders), 'folder')}, against {found.baseline}",
        header,
        rows,
        _notes(found),
        importance=(0, 1, 8, 5, 4, 2, 6, 7, 3),
        prose=(8,),
    )


def _notes(found: Across) -> list[str]:
    n = len(found.folders)
    notes = [
        f"n is {counted(n, 'folder')}, not seeds: {listed(found.folders)}.",
        "The difference is the mean over folders, each counting the same, with a t interval for folders like these; sd "
        "between: DerSimonian & Laird's; p is the exact sign-flip test of the folders' differences, Holm over "
        f"{counted(len(found.arms) - 1, 'arm')}.",
        f"Mean ranks that differ by less than {found.critical_difference or 0:.2f} (Nemenyi, 5 %, all pairs) share a "
        "letter of `group`.",
    ]
    reasons = dict.fromkeys(arm.reason for arm in found.arms if arm.reason)
    return [*notes, *(f"Not judged: {reason}." for reason in reasons)]


def _place(rank: float, arms: int) -> str:
    """A dot on a line from rank 1 to the last."""
    cells = ["─"] * DIAGRAM_WIDTH
    cells[round((rank - 1) / max(1, arms - 1) * (DIAGRAM_WIDTH - 1))] = "●"
    return "".join(cells)


def _groups(ranks: Sequence[float], critical: float) -> list[str]:
    """Letters for the largest groups of arms, in the order of their ranks, whose ranks differ by less than critical."""
    spans: list[tuple[int, int]] = []
    for start, rank in enumerate(ranks):
        end = max(index for index, other in enumerate(ranks) if other - rank < critical or index == start)
        if not spans or end > spans[-1][1]:
            spans.append((start, end))
    return [
        "".join(chr(ord("a") + number % 26) for number, (start, end) in enumerate(spans) if start <= index <= end)
        for index in range(len(ranks))
    ]


def _profile(found: Across) -> Section:
    distances = ["best", *(f"within {size(distance, found.metric)}" for distance in DISTANCES[1:])]
    rows = [[arm.label, *(f"{share:.0%}" for share in arm.profile)] for arm in found.arms]
    note = "In what share of the folders the mean of an arm is so near to the best mean (Dolan & More)."
    return Section("performance profile", ["arm", *distances], rows, [note])


def across_document(found: Across) -> dict[str, Any]:
    """The same as plain data; accuracies and differences as fractions."""
    return {
        "metric": found.metric.name,
        "baseline": found.baseline,
        "folders": list(found.folders),
        "critical_difference": found.critical_difference,
        "margin": found.margin,
        "arms": [
            {
                **_row(arm),
                "means": list(arm.means),
                "differences": list(arm.differences),
                "difference_ci": arm.interval,
                "difference_ci_adjusted": arm.adjusted_interval,
                "profile": dict(zip(map(str, DISTANCES), arm.profile, strict=True)),
                "reason": arm.reason or None,
            }
            for arm in found.arms
        ],
    }


def across_table(found: Across) -> Table:
    """One row for each arm."""
    return Table(COLUMNS, map(_row, found.arms))


def _row(arm: ArmAcross) -> dict[str, Any]:
    low, high = arm.interval or (None, None)
    return {
        "arm": arm.label,
        "folders": len(arm.means),
        "difference": arm.effect and arm.effect.mean,
        "difference_ci_low": low,
        "difference_ci_high": high,
        "sd_between_folders": arm.effect and arm.effect.between,
        "p": arm.p,
        "p_holm": arm.p_holm,
        "mean_rank": arm.mean_rank,
        "verdict": arm.verdict or None,
    }
