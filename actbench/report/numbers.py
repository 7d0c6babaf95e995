"""Numbers as people read them: accuracies in percent, differences in percentage points, losses as they are."""

from __future__ import annotations

from actbench.analysis.comparison import ArmComparison, Comparison

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


def is_accuracy(metric: str) -> bool:
    """Whether a metric is shown in percent."""
    return metric.endswith("accuracy")


def value(number: float | None, metric: str, *, signed: bool = False, digits: int | None = None) -> str:
    """97.95 for the accuracy 0.9795; 0.0812 for a loss."""
    if number is None:
        return ABSENT
    scaled = number * 100 if is_accuracy(metric) else number
    places = digits if digits is not None else 2 if is_accuracy(metric) else 4
    text = f"{scaled:{'+' if signed else ''}.{places}f}"
    return text.replace("-0.00", "0.00") if float(text) == 0 else text


def interval(bounds: tuple[float, float] | None, metric: str, *, signed: bool = False) -> str:
    """`97.83 to 98.07`."""
    return " to ".join(value(bound, metric, signed=signed) for bound in bounds) if bounds else ABSENT


def probability(number: float | None) -> str:
    """A p with three digits, the smallest as a bound."""
    if number is None:
        return ABSENT
    return "<0.001" if number < 0.0005 else f"{number:.3f}"


def comparison_cells(row: ArmComparison, metric: str) -> list[str]:
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
        value(row.own.sd, metric, digits=3 if is_accuracy(metric) else None),
        interval(row.own.interval, metric),
        difference,
        probability(row.p),
        probability(row.p_holm),
        ABSENT if row.probability_better is None else f"{row.probability_better:.2f}",
        row.verdict or ABSENT,
    ]


def comparison_header(metric: str) -> list[str]:
    """Column names with the unit where it is not plain."""
    unit = " %" if is_accuracy(metric) else ""
    points = " (points)" if is_accuracy(metric) else ""
    return [
        {
            "mean": f"mean{unit}",
            "sd": f"sd{points}",
            "difference [95 % interval]": f"difference{points} [95 % interval]",
        }.get(n, n)
        for n in COMPARISON_HEADER
    ]


def ranked(comparison: Comparison) -> list[ArmComparison]:
    """Arms by mean, the best first; arms without a mean last."""
    sign = -1 if is_accuracy(comparison.metric) else 1
    return sorted(comparison.arms, key=lambda row: (row.own.mean is None, sign * (row.own.mean or 0.0)))


def comparison_notes(comparison: Comparison) -> list[str]:
    """What a reader has to know beside the table."""
    metric = comparison.metric.replace("_", " ")
    seeds = len(comparison.seeds)
    notes = [
        f"{metric} at the last epoch over {seeds} seed{'s' if seeds != 1 else ''}; "
        "sd and intervals are over seeds, on this test set."
    ]
    if any(row.difference for row in comparison.arms):
        notes.append(
            "Differences are paired by seed; p is the sign-flip test (exact up to 15 seeds), "
            "Holm over all arms compared."
        )
        notes.append(
            "Not judged: all arms share their settings and no learning rate was tuned for each arm, so this ranks how "
            "well the settings suit an arm as much as the arm itself."
        )
        compared = sum(row.p is not None for row in comparison.arms)
        if seeds < 20 and compared and 2 / 2**seeds * compared > 0.05:
            notes.append(
                f"{seeds} seeds can never reach p (Holm) below {min(1.0, 2 / 2**seeds * compared):.3f} here: "
                "too few seeds to tell."
            )
    failed = sum(row.failed for row in comparison.arms)
    if failed:
        notes.append(
            f"{failed} trials diverged or failed; diverged ones stay in the sample as what the network then predicted."
        )
    return notes
