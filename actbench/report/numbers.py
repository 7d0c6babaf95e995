"""Numbers as people read them: accuracies in percent, differences in percentage points, losses as they are."""

from __future__ import annotations

from actbench.analysis.comparison import ArmComparison, Comparison
from actbench.metrics import CURVES, Metric

ABSENT = "-"

COMPARISON_HEADER = (
    "arm",
    "n (failed)",
    "mean",
    "sd",
    "95 % interval",
    "difference [95 % interval]",
    "p",
    "p (Holm)",
    "P(better)",
    "verdict",
)


def value(number: float | None, metric: Metric, *, signed: bool = False, digits: int | None = None) -> str:
    """97.95 for the accuracy 0.9795; 0.0812 for a loss; four significant digits of anything else."""
    if number is None:
        return ABSENT
    sign = "+" if signed else ""
    if metric.unit == "number":
        return f"{number:{sign}.4g}"
    scaled = number * 100 if metric.unit == "share" else number
    places = digits if digits is not None else 2 if metric.unit == "share" else 4
    text = f"{scaled:{sign}.{places}f}"
    return text.replace("-0.00", "0.00") if float(text) == 0 else text


def interval(bounds: tuple[float, float] | None, metric: Metric, *, signed: bool = False) -> str:
    """`97.83 to 98.07`."""
    return " to ".join(value(bound, metric, signed=signed) for bound in bounds) if bounds else ABSENT


def probability(number: float | None) -> str:
    """A p with three digits, the smallest as a bound."""
    if number is None:
        return ABSENT
    return "<0.001" if number < 0.0005 else f"{number:.3f}"


def comparison_cells(row: ArmComparison, metric: Metric) -> list[str]:
    """One arm's row of the comparison, in the order of `COMPARISON_HEADER`."""
    difference = "baseline" if row.is_baseline else ABSENT
    if row.difference is not None and row.difference.mean is not None:
        difference = value(row.difference.mean, metric, signed=True)
        if row.difference.interval:
            difference += f" [{interval(row.difference.interval, metric, signed=True)}]"
    return [
        row.arm.label(),
        f"{row.own.n} ({row.failed})",
        value(row.own.mean, metric),
        value(row.own.sd, metric, digits=3 if metric.unit == "share" else None),
        interval(row.own.interval, metric),
        difference,
        probability(row.p),
        probability(row.p_holm),
        ABSENT if row.probability_better is None else f"{row.probability_better:.2f}",
        row.verdict or ABSENT,
    ]


def comparison_header(metric: Metric) -> list[str]:
    """Column names with the unit where it is not plain."""
    unit = " %" if metric.unit == "share" else ""
    points = " (points)" if metric.unit == "share" else ""
    return [
        {
            "mean": f"mean{unit}",
            "sd": f"sd{points}",
            "difference [95 % interval]": f"difference{points} [95 % interval]",
        }.get(n, n)
        for n in COMPARISON_HEADER
    ]


def ranked(comparison: Comparison) -> list[ArmComparison]:
    """Arms by mean, the best first (the largest, where neither way is better); arms without a mean last."""
    sign = 1 if comparison.metric.larger_is_better is False else -1
    return sorted(comparison.arms, key=lambda row: (row.own.mean is None, sign * (row.own.mean or 0.0)))


def comparison_notes(comparison: Comparison) -> list[str]:
    """What a reader has to know beside the table."""
    name, seeds = comparison.metric.name, len(comparison.seeds)
    scope = ", on this test set" if name.startswith("test") else ""
    when = " at the last epoch" if name in CURVES else ""
    notes = [
        f"{name.replace('_', ' ') if name in CURVES else name}{when} over {seeds} seed{'s' if seeds != 1 else ''}; "
        f"sd and intervals are over seeds{scope}."
    ]
    if len(comparison.arms) > 1:
        notes.append(
            "Not judged: no learning rate was tuned for each arm by itself, so this ranks how well the settings suit "
            "an arm as much as the arm."
        )
    return [*notes, *_pairing_notes(comparison), *_failure_notes(comparison)]


def _pairing_notes(comparison: Comparison) -> list[str]:
    """How differences were formed, and what so few pairs can never show."""
    compared = [row.difference.n for row in comparison.arms if row.difference]
    if not compared:
        return []
    notes = [
        "Differences are paired by seed; p is the sign-flip test (exact up to 15 seeds), Holm over all arms compared."
    ]
    fewest, seeds = min(compared), len(comparison.seeds)
    if fewest < seeds:
        notes.append(
            f"Some differences rest on only {fewest} of {seeds} seeds: the others are missing or failed in an arm."
        )
    smallest_p = min(1.0, 2 / 2**fewest * len(compared))
    if smallest_p > 0.05:
        notes.append(f"{fewest} seeds can never reach p (Holm) below {smallest_p:.3f} here: too few seeds to tell.")
    return notes


def _failure_notes(comparison: Comparison) -> list[str]:
    """What became of the trials that diverged or failed."""
    failed = sum(row.failed for row in comparison.arms)
    if not failed:
        return []
    if comparison.metric.name == "test_accuracy":
        return [f"{failed} trials diverged or failed; diverged ones count with what the network then predicted."]
    lost = f"{failed} trials diverged or failed and may have no finite {comparison.metric.name.replace('_', ' ')}"
    return [f"{lost}; those are left out, so the mean flatters their arm."]
