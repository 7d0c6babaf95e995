"""Verdicts of the protocol: the rule for a difference, and the words for arms and claims."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isclose
from typing import Literal

from actbench.statistics.intervals import Estimate, is_equivalent
from actbench.statistics.multiple import ALPHA

NOT_JUDGED, TOO_FEW_SEEDS = "not judged", "too few seeds to tell"
NO_EVIDENCE, EQUIVALENT = "no evidence of a difference", "equivalent"


def is_different(adjusted_interval: tuple[float, float] | None, adjusted_p: float | None) -> bool:
    """The one rule for a difference: adjusted for its family, p is below 5 % and the interval excludes 0.

    Verdicts, the best set, bold type, the gate and the plain words all use it.
    """
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
    differences: Sequence[float] = (),
    is_share: bool = True,
) -> str:
    """The first that holds: better or worse, too few seeds, equivalent, and otherwise no evidence.

    `adjusted_interval` is that of the difference at the level of its step in Holm's method. `least_p` is the
    smallest adjusted p that so many seeds can give; where it is not below 5 % they are too few. A difference is
    small where it is nearer to 0 than the margin. `differences` are the paired differences that `difference`
    estimates, which are equivalent where their 90 % interval lies within the margin; nothing is called equivalent
    on seeds that could not have shown a difference, although the t tests of equivalence might pass. Without a
    margin nothing is small or equivalent.
    """
    if difference.mean is None or adjusted_interval is None:
        return TOO_FEW_SEEDS
    if is_different(adjusted_interval, p_holm):
        word = "better" if (difference.mean > 0) == larger_is_better else "worse"
        # Ten images more in every pair are exactly 0.10 pp, on whichever side of it the floats fall.
        return f"{word} (small)" if margin is not None and round(abs(difference.mean), 12) < margin else word
    if least_p >= ALPHA:
        return TOO_FEW_SEEDS
    if margin is not None and is_equivalent(differences, margin):
        return f"{EQUIVALENT} within +-{_size(margin, is_share)}"
    low, high = adjusted_interval
    return f"{NO_EVIDENCE} (could still be up to {_size(max(-low, high), is_share)})"


def verdict_word(verdict: str | None) -> str:
    """A verdict without its numbers: `better`, `worse (small)`, `equivalent`; empty without a verdict."""
    return (verdict or "").split(" within ")[0].split(" (could ")[0]


def _size(number: float, is_share: bool) -> str:
    """`0.10 pp` for the share 0.001, four significant digits of anything else."""
    return f"{100 * number:.2f} pp" if is_share else f"{number:.4g}"


Verdict = Literal["supported", "contradicted", "undecided"]
ROUNDING = 1e-12


def decide(interval: tuple[float, float] | None, lower: float, upper: float) -> Verdict:
    """Supported if the whole interval lies between the bounds, contradicted if none of it does, else undecided.

    An end that lies on a bound, up to rounding, is on neither side of it.
    """
    if interval is None:
        return "undecided"
    low, high = interval
    if _is_below(lower, low) and _is_below(high, upper):
        return "supported"
    return "contradicted" if _is_below(high, lower) or _is_below(upper, low) else "undecided"


def _is_below(first: float, second: float) -> bool:
    return first < second and not isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a claim with several parts: all must hold, and one that does not refutes it."""
    parts = set(verdicts)
    if "contradicted" in parts:
        return "contradicted"
    return "supported" if parts == {"supported"} else "undecided"
