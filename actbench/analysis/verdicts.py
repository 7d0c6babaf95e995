"""What may be said of a difference, in the words of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isclose
from typing import Literal

from actbench.statistics.intervals import Estimate, is_equivalent
from actbench.statistics.multiple import ALPHA
from actbench.statistics.sign_flip import smallest_p
from actbench.statistics.unpaired import smallest_unpaired_p

TOO_FEW_SEEDS, NO_EVIDENCE, EQUIVALENT = "too few seeds to tell", "no evidence of a difference", "equivalent"


def verdict(
    difference: Estimate,
    differences: Sequence[float],
    p_holm: float,
    comparisons: int,
    margin: float | None,
    larger_is_better: bool,
    *,
    is_share: bool = True,
) -> str:
    """The first that holds: better or worse, too few seeds, equivalent, and otherwise no evidence.

    `differences` are the paired differences that `difference` estimates. A difference needs both the adjusted p below
    5 % and an interval without 0, and is small where it is nearer to 0 than the margin. Seeds are too few where no
    outcome could have brought the adjusted p below 5 %; nothing is called equivalent on seeds that could not have
    shown a difference, although the t tests of equivalence might pass. Without a margin nothing is small or equivalent.
    """
    if difference.mean is None or difference.interval is None:
        return TOO_FEW_SEEDS
    low, high = difference.interval
    if p_holm < ALPHA and not low <= 0 <= high:
        word = "better" if (difference.mean > 0) == larger_is_better else "worse"
        # Ten images more in every pair are exactly 0.10 pp, on whichever side of it the floats fall.
        return f"{word} (small)" if margin is not None and round(abs(difference.mean), 12) < margin else word
    if smallest_p(len(differences), comparisons) > ALPHA:
        return TOO_FEW_SEEDS
    if margin is not None and is_equivalent(differences, margin):
        return f"{EQUIVALENT} within +-{_size(margin, is_share)}"
    return f"{NO_EVIDENCE} (could still be up to {_size(max(-low, high), is_share)})"


def verdict_word(verdict: str | None) -> str:
    """A verdict without its numbers: `better`, `worse (small)`, `equivalent`; empty where there is none."""
    return (verdict or "").split(" within ")[0].split(" (could ")[0]


def _size(number: float, is_share: bool) -> str:
    """`0.10 pp` for the share 0.001, four significant digits of anything else."""
    return f"{100 * number:.2f} pp" if is_share else f"{number:.4g}"


def unpaired_verdict(
    difference: Estimate,
    sizes: tuple[int, int],
    p_holm: float,
    comparisons: int,
    larger_is_better: bool,
    *,
    is_share: bool = True,
) -> str:
    """The same for two independent samples; regroupings reach p = 2 / C(n + m, n) at best, and none is equivalent."""
    if difference.mean is None or difference.interval is None:
        return TOO_FEW_SEEDS
    low, high = difference.interval
    if p_holm < ALPHA and not low <= 0 <= high:
        return "better" if (difference.mean > 0) == larger_is_better else "worse"
    if smallest_unpaired_p(*sizes, comparisons) > ALPHA:
        return TOO_FEW_SEEDS
    return f"{NO_EVIDENCE} (could still be up to {_size(max(-low, high), is_share)})"


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


def _is_below(one: float, other: float) -> bool:
    return one < other and not isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a claim with several parts: all must hold, and one that does not refutes it."""
    found = set(verdicts)
    if "contradicted" in found:
        return "contradicted"
    return "supported" if found == {"supported"} else "undecided"
