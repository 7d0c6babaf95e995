"""A comparison as tables for readers, and as rows for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from actbench.analysis.comparison import Comparison, Contrast, Row, ranked
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import value_to_text, values_to_yaml
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, interval, probability, value
from actbench.report.tuning import tuned_text
from actbench.statistics.intervals import CONFIDENCE

IMPORTANCE = (
    "arm", "mean", "difference", "verdict", "n (failed)", "tuned", "interval", "sd", "p (Holm)",
    "adjusted interval", "P(better)", "parameters", "multiply-adds",
)  # fmt: skip
PAIR_IMPORTANCE = (0, 1, 3, 8, 6, 4, 7, 2, 5)


def comparison_section(comparison: Comparison, notes: Sequence[str]) -> Section:
    """All arms, the best mean first, or in the order of the experiment if they cannot be ranked."""
    is_tuned = any(row.sample.tuned for row in comparison.rows)
    is_predicted = any(row.predicted_sd is not None for row in comparison.rows)
    has_sizes = comparison.has_sizes()
    cells = [
        _cells(row, comparison, is_tuned=is_tuned, is_predicted=is_predicted, has_sizes=has_sizes)
        for row in ranked(comparison)
    ]
    names = list(cells[0])
    level = "" if comparison.looks else "95 % "
    unit, points = (" %", " (points)") if comparison.metric.unit == "share" else ("", "")
    units = {"mean": unit, "sd": points, "predicted sd": points, "difference": f"{points} [{level}interval]"}
    header = [f"{name if name != 'interval' else '95 % interval'}{units.get(name, '')}" for name in names]
    order = [names.index(name) for name in (*IMPORTANCE, *names) if name in names]
    return Section(
        title=f"{comparison.metric.name} by arm",
        header=header,
        rows=[list(row.values()) for row in cells],
        notes=notes,
        importance=tuple(dict.fromkeys(order)),
        prose=(names.index("verdict"),),
    )


def _cells(row: Row, comparison: Comparison, *, is_tuned: bool, is_predicted: bool, has_sizes: bool) -> dict[str, str]:
    """A row as text, in the columns that any row of the comparison fills."""
    metric = comparison.metric
    sd_digits = 3 if metric.unit == "share" else None
    cells = {"arm": row.sample.label}
    if is_tuned:
        cells["tuned"] = tuned_text(row.sample.tuned) if row.sample.tuned else ABSENT
    cells |= {
        "n (failed)": f"{row.own.n} ({row.sample.failed})",
        "mean": value(row.own.mean, metric),
        "sd": value(row.own.sd, metric, digits=sd_digits),
    }
    if is_predicted:
        cells["predicted sd"] = value(row.predicted_sd, metric, digits=sd_digits)
    return cells | {
        "interval": interval(row.own.interval, metric),
        **contrast_cells(row.contrast, metric),
        **({"difference": "baseline"} if row.is_baseline else {}),
        **(size_cells(row) if has_sizes else {}),
    }


def contrast_cells(contrast: Contrast | None, metric: Metric) -> dict[str, str]:
    """A difference with its intervals, what chance alone would give, and the verdict."""
    if contrast is None:
        return dict.fromkeys(("difference", "adjusted interval", "p", "p (Holm)", "P(better)", "verdict"), ABSENT)
    bounds, share = contrast.difference.interval, contrast.probability_better
    range_of_share = contrast.probability_better_interval
    return {
        "difference": value(contrast.difference.mean, metric, signed=True)
        + (f" [{interval(bounds, metric, signed=True)}]" if bounds else ""),
        "adjusted interval": interval(contrast.adjusted_interval, metric, signed=True),
        "p": probability(contrast.p),
        "p (Holm)": probability(contrast.p_holm),
        "P(better)": (ABSENT if share is None else f"{share:.2f}")
        + (f" [{range_of_share[0]:.2f} to {range_of_share[1]:.2f}]" if range_of_share else ""),
        "verdict": contrast.verdict or ABSENT,
    }


def size_cells(row: Row) -> dict[str, str]:
    """How large a row's networks are."""
    size = row.sample.size
    parameters, multiply_adds = (f"{size.parameters:,}", f"{size.multiply_adds:,}") if size else (ABSENT, ABSENT)
    return {"parameters": parameters, "multiply-adds": multiply_adds}


def pairs_section(comparison: Comparison) -> Section:
    """Every arm against every other."""
    header = [
        "first", "second", "n", "difference [95 % interval]", "adjusted interval", "p", "p (Holm)", "P(first better)",
        "verdict",
    ]  # fmt: skip
    rows = [
        [
            contrast.first.label,
            contrast.second.label,
            str(contrast.difference.n),
            *contrast_cells(contrast, comparison.metric).values(),
        ]
        for contrast in comparison.pairs
    ]
    unit = " in points" if comparison.metric.unit == "share" else ""
    note = f"Difference: first minus second{unit}; the verdict is on the first; p (Holm) is over all {len(rows)} pairs."
    return Section(f"{comparison.metric.name}, all pairs", header, rows, [note], importance=PAIR_IMPORTANCE, prose=(8,))


def comparison_columns(comparison: Comparison) -> list[str]:
    """The columns of `table.csv`: the arm, its factors, and the numbers."""
    paths = dict.fromkeys(path for row in comparison.rows for path, _ in row.sample.values)
    looks, sizes = LOOK_NUMBERS if comparison.looks else (), SIZES if comparison.has_sizes() else ()
    return ["arm", *paths, *NUMBERS, *looks, *sizes]


NUMBERS = (
    "tuned", "n", "failed", "collapsed", "mean", "sd", "predicted_sd", "ci_low", "ci_high", "difference",
    "difference_ci_low", "difference_ci_high", "difference_ci_adjusted_low", "difference_ci_adjusted_high", "p",
    "p_holm", "probability_better", "probability_better_ci_low", "probability_better_ci_high", "verdict",
)  # fmt: skip

LOOK_NUMBERS = ("look", "settled", "confidence", "confidence_adjusted")
SIZES = ("parameters", "multiply_adds")


PAIR_NUMBERS = (
    "first", "second", "n", "difference", "difference_ci_low", "difference_ci_high", "difference_ci_adjusted_low",
    "difference_ci_adjusted_high", "p", "p_holm", "probability_better", "verdict",
)  # fmt: skip


def flat_pair_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """One row for every compared pair, with the ends of its interval in two columns."""
    for row in pair_rows(comparison):
        ends = (_ends(key, row[key]) for key in ("difference_ci", "difference_ci_adjusted"))
        yield row | next(ends) | next(ends)


def comparison_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """One row per arm; accuracies and their differences as fractions."""
    for row in comparison.rows:
        numbers = _numbers(row)
        flat = {key: numbers[key] for key in (*NUMBERS, *LOOK_NUMBERS, *SIZES) if key in numbers}
        for key in ("ci", "difference_ci", "difference_ci_adjusted", "probability_better_ci"):
            flat |= _ends(key, numbers[key])
        factors = {path: value_to_text(setting) for path, setting in row.sample.values}
        tuned = tuned_text(row.sample.tuned) if row.sample.tuned else None
        yield {"arm": row.sample.label, **factors, **flat, "tuned": tuned}


def _numbers(row: Row) -> dict[str, Any]:
    return {
        "n": row.own.n,
        "failed": row.sample.failed,
        "diverged": row.sample.diverged,
        "collapsed": row.sample.collapsed,
        "crashed": row.sample.crashed,
        "mean": row.own.mean,
        "sd": row.own.sd,
        "predicted_sd": row.predicted_sd,
        "ci": row.own.interval,
        **contrast_numbers(row.contrast),
        "parameters": row.sample.size and row.sample.size.parameters,
        "multiply_adds": row.sample.size and row.sample.size.multiply_adds,
    }


def contrast_numbers(contrast: Contrast | None) -> dict[str, Any]:
    """A difference with its intervals, what chance alone would give, and the verdict, as plain data."""
    look = contrast and contrast.look
    return {
        "difference": contrast and contrast.difference.mean,
        "difference_ci": contrast and contrast.difference.interval,
        "confidence": contrast and (look.confidence if look else CONFIDENCE),
        "difference_ci_adjusted": contrast and contrast.adjusted_interval,
        "confidence_adjusted": contrast and contrast.adjusted_confidence,
        "look": look and look.look,
        "settled": look and look.state != "open",
        "p": contrast and contrast.p,
        "p_holm": contrast and contrast.p_holm,
        "probability_better": contrast and contrast.probability_better,
        "probability_better_ci": contrast and contrast.probability_better_interval,
        "verdict": contrast and contrast.verdict,
    }


def _ends(key: str, bounds: Sequence[float] | None) -> dict[str, float | None]:
    low, high = bounds or (None, None)
    return {f"{key}_low": low, f"{key}_high": high}


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON document; accuracies as fractions, absent numbers null."""
    document = {
        "metric": comparison.metric.name,
        "baseline": values_to_yaml(comparison.baseline) or None,
        "seeds": list(comparison.seeds),
        "arms": [
            {"arm": values_to_yaml(row.sample.values), "label": row.sample.label, "folder": row.sample.folder or None}
            | {"tuned": values_to_yaml(row.sample.tuned) or None}
            | _numbers(row)
            for row in comparison.rows
        ],
        "margin": comparison.margin,
        "best_set": list(comparison.best),
        "detectable_difference": comparison.detectable,
    }
    if comparison.pairs:
        document["pairs"] = list(pair_rows(comparison))
    return document


def pair_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """One row for every compared pair."""
    left_out = {"confidence", "look", "settled", "probability_better_ci"}
    for contrast in comparison.pairs:
        named = {"first": contrast.first.label, "second": contrast.second.label, "n": contrast.difference.n}
        yield named | {key: number for key, number in contrast_numbers(contrast).items() if key not in left_out}
