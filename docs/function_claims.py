"""Decide the documents' claims about functions: `python docs/function_claims.py` writes what the package ships.

The limits that turn a vague word such as `close` into a verdict are the constants below, and the evidence names those
that it used. Numbers in it are rounded so far that every machine gives the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import inf
from typing import Any

from actbench.analysis.verdicts import combine
from actbench.catalogue.facts import SATURATED_SHARE, largest_slope, saturation, values_and_derivatives
from actbench.catalogue.lookup import find, names
from actbench.catalogue.registry import Entry, Kind, default_parameters
from actbench.checks.claims import FINDINGS, FUNCTION_CLAIMS, Finding, FunctionClaim
from actbench.lazy import Tensor, torch

MODERATE, WIDE, FAR = 10.0, 50.0, 1e6
REACHED = 0.001
STRAIGHT = 0.05
SAME = 0.001
WELL_APART, BARELY_APART = 0.15, 0.01
SMALL_SCORE, SMALL_GAP = 80.0, 1e-4
ROUNDING = {"float64": 1e-12, "float32": 1e-5}


def check(claim: FunctionClaim) -> Finding:
    """Decide the claim by its predicates."""
    return together(*(_find_out(**finding) for finding in claim.findings))


def _find_out(ask: str, of: Sequence[Any], **settings: bool) -> Finding:
    kind: Kind = "activation" if of[0] in names("activation") else "output"
    arguments = [find(kind, argument) if isinstance(argument, str) else argument for argument in of]
    finding: Finding = globals()[ask](*arguments, **settings)
    return finding


def together(*findings: Finding) -> Finding:
    """Supported where every finding is, with their clauses as one sentence."""
    return Finding(
        combine(finding.verdict for finding in findings), "; ".join(finding.evidence for finding in findings) + "."
    )


def _finding(holds: bool, evidence: str) -> Finding:
    return Finding("supported" if holds else "contradicted", evidence)


def is_a_step_in_slope(entry: Entry) -> Finding:
    """Whether f'(x) = 0 for x < 0 and f'(x) = 1 for x > 0, in float32 for |x| from 1e-30 to 1e30."""
    below, above, at_zero = (_curve(entry, x)[1] for x in (-_sizes(), _sizes(), torch.zeros(1)))
    return _finding(
        bool((below == 0).all() and (above == 1).all()),
        f"{entry.name} has the derivative {_span(below)} for x < 0 and {_span(above)} for x > 0, over |x| from 1e-30 "
        f"to 1e30, and by autograd {_span(at_zero)} at 0 itself",
    )


def stays_in(entry: Entry, low: float, high: float, *, has_low: bool = False) -> Finding:
    """Whether low < f(x) < high in float64 for |x| <= 10, and low <= f(x) <= high in float32 for every x, +-inf too.

    Two questions, because float32 rounds values to ends which no real number reaches; `low` may be said to be reached.
    """
    values = _curve(entry, _grid(MODERATE))[0]
    all_values = _curve(entry, torch.cat([-_sizes(), _sizes(), torch.tensor([-inf, 0.0, inf])]))[0]
    least, most = float(values.min()), float(values.max())
    is_above_low = least >= low if has_low else least > low
    is_never_outside = bool(((all_values >= low) & (all_values <= high)).all())
    plateau = _plateau(entry)
    return _finding(
        is_above_low and most < high and is_never_outside,
        f"{entry.name} gives {_beside(least, low)} to {_beside(most, high)} for |x| up to "
        f"{MODERATE:g}, and {_span(all_values)} over all x in float32, ends included"
        + ("" if plateau is None else f" (constant from about {plateau} on)"),
    )


def squashes_to(entry: Entry, low: float, high: float) -> Finding:
    """Whether f stays in (low, high) and comes within 0.001 of both its ends for |x| <= 10."""
    values = _curve(entry, _grid(MODERATE))[0]
    gap = max(abs(float(values.min()) - low), abs(float(values.max()) - high))
    staying = stays_in(entry, low, high)
    return _finding(staying.verdict == "supported" and gap < REACHED, staying.evidence)


def is_nearly_straight_at_0(entry: Entry) -> Finding:
    """Whether |f(x) - f(0) - f'(0) x| is at most 5 % of the tangent's rise 2 |f'(0)| on [-1, 1]."""
    start, slope = (float(one) for one in _curve(entry, torch.zeros(1, dtype=torch.float64)))

    def bend(reach: float) -> float:
        x = _grid(reach)
        rise = 2 * reach * abs(slope)
        return float((_curve(entry, x)[0] - start - slope * x).abs().max()) / rise if rise else inf

    return _finding(
        bend(1) <= STRAIGHT,
        f"it leaves its tangent {start:.3g} + {slope:.3g} x by {_percent(bend(1))} of the tangent's rise on [-1, 1] "
        f"(close: at most {_percent(STRAIGHT)}) and by {_percent(bend(2))} on [-2, 2]",
    )


def has_slope_that_vanishes(entry: Entry, *, left: bool, right: bool) -> Finding:
    """Whether f' -> 0 on just these sides: under 5 % of its maximum from somewhere on, and under 1e-6 of it at 1e6."""
    parameters = default_parameters(entry)
    most, edges = largest_slope(entry, parameters), saturation(entry, parameters)
    far = _curve(entry, torch.tensor([-FAR, FAR], dtype=torch.float64))[1].abs() / most
    sides = [("below", edges.left, float(far[0])), ("above", edges.right, float(far[1]))]
    vanishes = [edge is not None and slope < 1 / FAR for _, edge, slope in sides]
    where = " and ".join(f"{word} {edge:.3g}" for word, edge, _ in sides if edge is not None) or "nowhere"
    return _finding(
        vanishes == [left, right],
        f"{entry.name} has a slope under {_percent(SATURATED_SHARE)} of its maximum {where} ("
        f"{_percent(sides[0][2])} at -1e6 and {_percent(sides[1][2])} at 1e6)",
    )


def is_flat_beyond(entry: Entry, reach: float) -> Finding:
    """Whether |f'(x)| is under 5 % of its maximum wherever reach <= |x| <= 50."""
    share = float(_slopes(entry, reach, WIDE).max())
    return _finding(
        share < SATURATED_SHARE,
        f"{entry.name} has a derivative of at most {_percent(share)} of its maximum beyond -{reach:g} and {reach:g} "
        f"(near 0: under {_percent(SATURATED_SHARE)})",
    )


def hardly_tells_apart(entry: Entry, one: float, other: float) -> Finding:
    """Whether |f(one) - f(other)| is under 0.1 % of f's range on [-1000, 1000]."""
    values = _curve(entry, torch.tensor([one, other, -1000.0, 1000.0], dtype=torch.float64))[0]
    gap, extent = float((values[0] - values[1]).abs()), float((values[2] - values[3]).abs()) or inf
    plateau = _plateau(entry)
    return _finding(
        gap < SAME * extent,
        f"{entry.name}({one:g}) and {entry.name}({other:g}) differ by {gap:.2g}, {_percent(gap / extent)} of its range "
        f"(the same: under {_percent(SAME)}), and in float32 "
        + ("no two inputs" if plateau is None else f"all inputs above about {plateau}")
        + " have the very same value",
    )


def tells_inputs_apart_within(entry: Entry, well: float, at_all: float) -> Finding:
    """Whether |f'| is at least 15 % of its maximum for |x| <= well, and under 1 % of it for |x| >= at_all."""
    inside, beyond = float(_slopes(entry, 0.0, well).min()), float(_slopes(entry, at_all, WIDE).max())
    reaches = torch.tensor([well, at_all, WIDE], dtype=torch.float64)
    extents = _curve(entry, reaches)[0] - _curve(entry, -reaches)[0]
    shares = [_percent(float(extent / extents[2])) for extent in extents[:2]]
    plateau = _plateau(entry)
    end = "everywhere" if plateau is None else f"up to about {plateau}"
    return _finding(
        inside >= WELL_APART and beyond < BARELY_APART,
        f"{entry.name} has a slope of at least {_percent(inside)} of its maximum up to {well:g} (well: "
        f"{_percent(WELL_APART)}) and of at most {_percent(beyond)} beyond {at_all:g} (not: under "
        f"{_percent(BARELY_APART)}); {shares[0]} of its range lies within {well:g}, {shares[1]} within {at_all:g}; "
        f"float32 still tells inputs apart {end}",
    )


def is_the_same(one: Entry, parameters: Mapping[str, Any], other: Entry, others: Mapping[str, Any]) -> Finding:
    """Whether f = g and f' = g' exactly in float32, at 0 and for |x| from 1e-30 to 1e30."""
    x = torch.cat([-_sizes(), torch.zeros(1), _sizes()])
    pairs = zip(_curve(one, x, parameters), _curve(other, x, others), strict=True)
    values, slopes = (float((mine - its).abs().max()) for mine, its in pairs)
    return _finding(
        values == slopes == 0,
        f"{_called(one, parameters)} and {_called(other, others)} differ by {values:.2g} in value and "
        f"{slopes:.2g} in derivative",
    )


def is_a_member(entry: Entry, parameters: Mapping[str, Any], family: Entry) -> Finding:
    """Whether f is a special case of g(.; mean, std): the same within 0.001 wherever |x| <= 20, for some mean and std.

    The grid of means and stds ends at std = 0.5, because the gelu family tends to relu with std -> 0.
    """
    x = torch.linspace(-20, 20, 401, dtype=torch.float64)
    means = torch.arange(-40, 41, dtype=torch.float64) / 40
    stds = torch.arange(20, 101, dtype=torch.float64) / 40
    members = family.function(x, mean=means[:, None, None], std=stds[None, :, None])
    distances = (members - _curve(entry, x, parameters)[0]).abs().amax(dim=-1)
    best, gap = int(distances.argmin()), float(distances.min())
    chosen = {"mean": float(means[best // len(stds)]), "std": float(stds[best % len(stds)])}
    return _finding(
        gap <= SAME,
        f"{_called(entry, parameters)} differs from {_called(family, chosen)}, the nearest of that family, by up to "
        f"{gap:.3g} (a special case: at most {SAME:g})",
    )


def is_smoother(entry: Entry, other: Entry) -> Finding:
    """Whether the largest change of f' between inputs 0.01 apart on [-10, 10] is under a tenth of that of g'."""
    x = torch.linspace(-MODERATE, MODERATE, 2001, dtype=torch.float64)
    first, second = (float(_curve(one, x)[1].diff().abs().max()) for one in (entry, other))
    return _finding(
        first < second / 10,
        f"the slope of {entry.name} changes by at most {first:.2g} between inputs 0.01 apart, that of {other.name} "
        f"by up to {second:.2g} (smoother: under a tenth)",
    )


def keeps_more_below_0(entry: Entry, other: Entry) -> Finding:
    """Whether f tells inputs in [-10, -0.1] apart (f' > 0 everywhere) and g does not (g' = 0)."""
    x = torch.linspace(-MODERATE, -0.1, 991, dtype=torch.float64)
    first, second = (_curve(one, x)[1] for one in (entry, other))
    return _finding(
        bool((first > 0).all() and (second == 0).all()),
        f"from -10 to -0.1 {entry.name} has slopes of {_span(first)} and {other.name} of {_span(second)}",
    )


def has_a_slope_everywhere(entry: Entry) -> Finding:
    """Whether the slopes on both sides of 0 agree within 0.001, by (f(h) - f(0)) / h for h = -1e-6 and 1e-6."""
    step = 1e-6
    left, middle, right = (
        float(value) for value in _curve(entry, torch.tensor([-step, 0.0, step], dtype=torch.float64))[0]
    )
    before, after = (middle - left) / step, (right - middle) / step
    return _finding(
        abs(after - before) <= SAME,
        f"{entry.name} has the slope {before:.3g} just below 0 and {after:.3g} just above it",
    )


def has_a_gate_that_opens(entry: Entry) -> Finding:
    """Whether the gate f(x) / x stays in (0, 1) and rises with x on [-3, 3] without 0."""
    x = torch.cat([torch.linspace(-3, -0.01, 300, dtype=torch.float64), torch.linspace(0.01, 3, 300).double()])
    gate = _curve(entry, x)[0] / x
    return _finding(
        bool((gate.diff() > 0).all() and (gate > 0).all() and (gate < 1).all()),
        f"{entry.name}(x) / x, the probability that the gate is open, is {float(gate[0]):.2g} at -3 and "
        f"{_beside(float(gate[-1]), 1)} at 3, and between them it "
        + ("only rises" if bool((gate.diff() > 0).all()) else "does not only rise"),
    )


def passes_on_positive_values(entry: Entry) -> Finding:
    """Whether f(x) = x exactly in float32 for x from 1e-30 to 1e30."""
    gap = float((_curve(entry, _sizes())[0] - _sizes()).abs().max())
    return _finding(gap == 0, f"{entry.name} changes positive inputs from 1e-30 to 1e30 by {gap:.2g}")


def sums_to_1(entry: Entry) -> Finding:
    """Whether sum_i f(z)_i = 1 up to rounding, for 2 to 1,000 scores z of sizes from 0.01 to 10,000."""
    draws = torch.Generator().manual_seed(0)
    gaps: dict[str, list[Tensor]] = {dtype: [] for dtype in ROUNDING}
    for units in (2, 10, 1000):
        for size in (0.01, 1.0, 100.0, 10_000.0):
            scores = torch.randn(20, units, generator=draws, dtype=torch.float64) * size
            for dtype in ROUNDING:
                sums = entry.function(scores.to(getattr(torch, dtype))).double().sum(dim=-1)
                gaps[dtype].append((sums - 1).abs())
    worst = {dtype: float(torch.cat(those).max()) for dtype, those in gaps.items()}
    return _finding(
        all(worst[dtype] <= limit for dtype, limit in ROUNDING.items()),
        f"240 vectors of 2 to 1,000 outputs of {entry.name}, from scores of sizes 0.01 to 10,000, sum to 1 within "
        + " and ".join(f"{max(worst[dtype], limit):.2g} in {dtype}" for dtype, limit in ROUNDING.items()),
    )


def needs_no_shift(entry: Entry) -> Finding:
    """Whether f with and without subtracting the largest score agree to 1e-4 in float32 for scores up to 80 in size."""
    scores = torch.randn(200, 10, generator=torch.Generator().manual_seed(0)).clamp(-4, 4) * SMALL_SCORE / 4
    scores = torch.cat([scores, torch.full((1, 10), SMALL_SCORE), torch.full((1, 10), -SMALL_SCORE)])
    gap = float((entry.function(scores, shift=False) - entry.function(scores, shift=True)).abs().max())
    overflow = _last_finite(lambda size: entry.function(torch.tensor([size, 0.0]), shift=False))
    underflow = _last_finite(lambda size: entry.function(torch.tensor([-size, -size]), shift=False))
    return _finding(
        gap <= SMALL_GAP,
        f"{entry.name} in float32 changes by under {max(gap, SMALL_GAP):.2g} for scores up to {SMALL_SCORE:g} in size, "
        + (
            "and is finite for all"
            if overflow is None or underflow is None
            else f"but overflows above {overflow:.2f}, and breaks down where all are below about "
            f"{-round(underflow, -1):g}"
        ),
    )


def _last_finite(values_of: Callable[[float], Tensor]) -> float | None:
    """The largest size up to which values are finite, by bisection; None where they are at 1,000 too."""
    good, bad = 0.0, 1000.0
    if bool(values_of(bad).isfinite().all()):
        return None
    while bad - good > 0.001:
        middle = (good + bad) / 2
        good, bad = (middle, bad) if bool(values_of(middle).isfinite().all()) else (good, middle)
    return good


def _plateau(entry: Entry) -> int | None:
    """The whole number nearest to where f becomes constant in float32 up to 1,000; None where it never does."""
    x = torch.cat([torch.arange(0, 10_000) / 100, torch.tensor([1000.0])])
    values = _curve(entry, x)[0]
    changing = x[values != values[-1]].tolist()
    return None if len(changing) == len(x) - 1 else round(max(changing, default=0.0))


def _curve(entry: Entry, x: Tensor, parameters: Mapping[str, Any] | None = None) -> tuple[Tensor, Tensor]:
    return values_and_derivatives(entry, default_parameters(entry) | dict(parameters or {}), x)


def _slopes(entry: Entry, start: float, end: float) -> Tensor:
    """|f'| as shares of its maximum, for |x| from start to end."""
    x = torch.linspace(start, end, 2001, dtype=torch.float64)
    return _curve(entry, torch.cat([-x, x]))[1].abs() / largest_slope(entry, default_parameters(entry))


def _grid(reach: float) -> Tensor:
    return torch.linspace(-reach, reach, 4001, dtype=torch.float64)


def _sizes() -> Tensor:
    return 10 ** torch.linspace(-30, 30, 601)


def _called(entry: Entry, parameters: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={value:g}" for name, value in parameters.items())
    return f"{entry.name}({given})" if given else entry.name


def _span(numbers: Tensor) -> str:
    least, most = float(numbers.min()), float(numbers.max())
    return f"{least:.2g}" if least == most else f"{least:.2g} to {most:.2g}"


def _beside(number: float, end: float) -> str:
    """`1 - 4.5e-05`, because rounding would make a number near an end that end."""
    gap = abs(number - end)
    if end == 0 or not 0 < gap < 0.01:
        return f"{number:.2g}"
    return f"{end:g} {'+' if number > end else '-'} {gap:.2g}"


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.3g}'):g} %"


if __name__ == "__main__":
    TABLE = {claim.id: asdict(check(claim)) for claim in FUNCTION_CLAIMS}
    FINDINGS.write_text(json.dumps(TABLE, indent=1) + "\n", encoding="utf-8")
