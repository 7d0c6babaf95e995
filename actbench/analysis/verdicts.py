"""Verdicts of the protocol: the rule for a difference, and the words for arms and claims."""

from __future__ import annotations

from collections.abc import Iterable

from actbench.statistics.intervals import Estimate, Verdict, is_equivalent
from actbench.statistics.looks import Decision
from actbench.statistics.multiple import ALPHA

NOT_JUDGED, TOO_FEW_SEEDS, TOO_FEW_FOLDERS = "not judged", "too few seeds to tell", "too few folders"
NO_EVIDENCE, EQUIVALENT, UNDECIDED = "no evidence of a difference", "equivalent", "undecided"


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
    larger_is_better: bool,
    *,
    margin: float | None = None,
    is_share: bool = True,
) -> str:
    """The first that holds: better or worse, too few seeds, equivalent, and otherwise no evidence.

    `adjusted_interval` is that of the difference at the level of its step in Holm's method. `least_p` is the
    smallest adjusted p that so many seeds can give; where it is not below 5 % they are too few. A difference is
    small where it is nearer to 0 than the margin, and equivalent where its 90 % interval lies within the margin;
    nothing is called equivalent on seeds that could not have shown a difference, although the t tests of equivalence
    might pass. Without a margin nothing is small or equivalent.
    """
    if difference.mean is None or adjusted_interval is None:
        return TOO_FEW_SEEDS
    if is_different(adjusted_interval, p_holm):
        return _different(difference.mean, larger_is_better, margin)
    if least_p >= ALPHA:
        return TOO_FEW_SEEDS
    is_alike = margin is not None and is_equivalent(difference, margin)
    return _not_different(NO_EVIDENCE, adjusted_interval, margin if is_alike else None, is_share)


def verdict_at_look(decision: Decision, larger_is_better: bool, margin: float | None, *, is_share: bool) -> str:
    """The words for what a look decided, which are those of `verdict` as far as they mean the same."""
    if decision.state == "not judged":
        return NOT_JUDGED
    mean, bounds = decision.difference.mean, decision.adjusted_interval
    if mean is None or bounds is None:
        return TOO_FEW_SEEDS
    if decision.state == "different":
        return _different(mean, larger_is_better, margin)
    word, is_alike = f"{UNDECIDED} after {decision.seeds} seeds", decision.state == "equivalent"
    return _not_different(word, bounds, margin if is_alike else None, is_share)


def _not_different(word: str, bounds: tuple[float, float], margin: float | None, is_share: bool) -> str:
    """Equivalent within a margin, or else the word for what is open and how large a difference can still be."""
    if margin is not None:
        return f"{EQUIVALENT} within +-{_size(margin, is_share)}"
    reach = max(-bounds[0], bounds[1])
    return f"{word} (could still be up to {_size(reach, is_share)})" if reach else word


def _different(mean: float, larger_is_better: bool, margin: float | None) -> str:
    word = "better" if (mean > 0) == larger_is_better else "worse"
    # Ten images more in every pair are exactly 0.10 pp, on whichever side of it the floats fall.
    return f"{word} (small)" if margin is not None and round(abs(mean), 12) < margin else word


def verdict_word(verdict: str | None) -> str:
    """A verdict without its numbers: `better`, `worse (small)`, `equivalent`; empty without a verdict."""
    return (verdict or "").split(" within ")[0].split(" (could ")[0].split(" after ")[0]


def is_surprising(interval: tuple[float, float] | None, verdict: str | None) -> bool:
    """Whether the interval of one comparison alone excludes 0 although the verdict names no difference."""
    none_named = verdict_word(verdict) in (NO_EVIDENCE, TOO_FEW_SEEDS, TOO_FEW_FOLDERS, EQUIVALENT)
    return interval is not None and not interval[0] <= 0 <= interval[1] and none_named


def _size(number: float, is_share: bool) -> str:
    """`0.10 pp` for the share 0.001, four significant digits of anything else."""
    return f"{100 * number:.2f} pp" if is_share else f"{number:.4g}"


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a claim with several parts: all must hold, and one that does not refutes it."""
    parts = set(verdicts)
    if "contradicted" in parts:
        return "contradicted"
    return "supported" if parts == {"supported"} else "undecided"
