"""Verdicts of the protocol: the rule for a difference, and the words for arms and claims."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from actbench.experiment.metrics import Metric
from actbench.statistics.intervals import Estimate, Verdict, is_equivalent
from actbench.statistics.looks import Decision
from actbench.statistics.multiple import ALPHA

NOT_JUDGED, TOO_FEW_SEEDS, TOO_FEW_FOLDERS = "not judged", "too few seeds to tell", "too few folders"
NO_EVIDENCE, EQUIVALENT, UNDECIDED = "no evidence of a difference", "equivalent", "undecided"
NO_DIFFERENCE = (NO_EVIDENCE, TOO_FEW_SEEDS, TOO_FEW_FOLDERS, EQUIVALENT, UNDECIDED)


class ArmVerdict(NamedTuple):
    """What is said of an arm: a word, whether its difference is smaller than the margin, and the numbers after that."""

    word: str
    is_small: bool = False
    numbers: str = ""

    def __str__(self) -> str:
        """The verdict as people read it, such as `equivalent within +-0.20 pp`."""
        return f"{self.without_numbers()}{self.numbers}"

    def without_numbers(self) -> str:
        """`better`, `worse (small)`, `equivalent`."""
        return f"{self.word}{' (small)' * self.is_small}"


def is_different(adjusted_interval: tuple[float, float] | None, adjusted_p: float | None) -> bool:
    """The one rule for a difference: adjusted for its family, p is below 5 % and the interval excludes 0."""
    if adjusted_p is None or adjusted_interval is None:
        return False
    low, high = adjusted_interval
    return adjusted_p < ALPHA and not low <= 0 <= high


def verdict(
    difference: Estimate,
    adjusted_interval: tuple[float, float] | None,
    p_holm: float,
    least_p: float,
    metric: Metric,
    margin: float | None = None,
    level: float | None = ALPHA,
) -> ArmVerdict:
    """The first that holds: better or worse, too few seeds, equivalent, and otherwise no evidence.

    `adjusted_interval` is that of the difference at the level of its step in Holm's method. `least_p` is the
    smallest adjusted p that so many seeds can give; where it is not below 5 % they are too few. A difference is
    small where it is nearer to 0 than the margin, and equivalent where its interval of 1 - 2 `level` lies within the
    margin, unless `level` is None;
    nothing is called equivalent on seeds that could not have shown a difference, although the t tests of equivalence
    might pass. Without a margin nothing is small or equivalent.
    """
    if difference.mean is None or adjusted_interval is None:
        return ArmVerdict(TOO_FEW_SEEDS)
    if is_different(adjusted_interval, p_holm):
        return _different(difference.mean, metric, margin)
    if least_p >= ALPHA:
        return ArmVerdict(TOO_FEW_SEEDS)
    if margin is not None and level is not None and is_equivalent(difference, margin, level):
        return _equivalent(margin, metric)
    return ArmVerdict(NO_EVIDENCE, numbers=_reach(adjusted_interval, metric))


def verdict_at_look(decision: Decision, metric: Metric, margin: float | None) -> ArmVerdict:
    """The words for what a look decided, which are those of `verdict` as far as they mean the same."""
    if decision.state == "not judged":
        return ArmVerdict(NOT_JUDGED)
    mean, bounds = decision.difference.mean, decision.adjusted_interval
    if mean is None or bounds is None:
        return ArmVerdict(TOO_FEW_SEEDS)
    if decision.state == "different":
        return _different(mean, metric, margin)
    if margin is not None and decision.state == "equivalent":
        return _equivalent(margin, metric)
    return ArmVerdict(UNDECIDED, numbers=f" after {decision.seeds} seeds{_reach(bounds, metric)}")


def _different(mean: float, metric: Metric, margin: float | None) -> ArmVerdict:
    # Ten images more in every pair are exactly 0.10 pp, on whichever side of it the floats fall.
    is_small = margin is not None and round(abs(mean), 12) < margin
    return ArmVerdict("better" if (mean > 0) == bool(metric.larger_is_better) else "worse", is_small)


def _equivalent(margin: float, metric: Metric) -> ArmVerdict:
    return ArmVerdict(EQUIVALENT, numbers=f" within +-{_size(margin, metric.is_share)}")


def _reach(bounds: tuple[float, float], metric: Metric) -> str:
    """How large a difference can still be; empty if it is 0."""
    reach = max(-bounds[0], bounds[1])
    return f" (could still be up to {_size(reach, metric.is_share)})" if reach else ""


def _size(number: float, is_share: bool) -> str:
    """`0.10 pp` for the share 0.001, four significant digits of anything else."""
    return f"{100 * number:.2f} pp" if is_share else f"{number:.4g}"


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a claim with several parts: all must hold, and one that does not refutes it."""
    parts = set(verdicts)
    if "contradicted" in parts:
        return "contradicted"
    return "supported" if parts == {"supported"} else "undecided"
