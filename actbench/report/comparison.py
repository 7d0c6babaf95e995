"""A comparison as tables for readers, and as rows for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actbench.analysis.comparison import Comparison, Row, ranked
from actbench.analysis.contrasts import Contrast
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import value_to_text, values_to_yaml
from actbench.experiment.records import unusable_document
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT, interval, metric_in_words, probability, seeds_text, value
from actbench.report.tuning import tuned_text
from actbench.statistics.intervals import CONFIDENCE
from actbench.store.tables import Table
from actbench.text import counted

IMPORTANCE = (
    "arm", "mean", "difference", "verdict", "n (failed)", "tuned", "interval", "sd", "p (Holm)",
    "adjusted interval", "P(better)", "parameters", "multiply-adds",
)  # fmt: skip
PAIR_IMPORTANCE = (0, 1, 3, 8, 6, 4, 7, 2, 5)


def comparison_section(comparison: Comparison, notes: Sequence[str]) -> Section:
    """All arms, the best mean first, or in the order of the experiment if they cannot be ranked."""
    cells = [_cells(row, comparison.metric) for row in ranked(comparison)]
    is_shown = {name: any(row[name] != ABSENT for row in cells) for name in ("tuned", "predicted sd")}
    is_shown |= dict.fromkeys(("parameters", "multiply-adds"), comparison.has_sizes())
    names = [name for name in cells[0] if is_shown.get(name, True)]
    level = "" if comparison.looks else "95 % "
    unit, points = (" %", " (points)") if comparison.metric.is_share else ("", "")
    units = {"mean": unit, "sd": points, "predicted sd": points, "difference": f"{points} [{level}interval]"}
    return Section(
        title=f"{metric_in_words(comparison.metric)} by arm",
        header=[f"{name if name != 'interval' else '95 % interval'}{units.get(name, '')}" for name in names],
        rows=[[row[name] for name in names] for row in cells],
        notes=notes,
        importance=tuple(dict.fromkeys(names.index(name) for name in (*IMPORTANCE, *names) if name in names)),
        prose=(names.index("verdict"),),
    )


def _cells(row: Row, metric: Metric) -> dict[str, str]:
    """A row as text, in all columns that a comparison can have."""
    sd_digits = 3 if metric.is_share else None
    of_all = f" of {row.sample.trials}" if row.sample.arms > 1 else ""
    return {
        "arm": row.sample.label,
        "tuned": tuned_text(row.sample.tuned),
        "n (failed)": f"{row.own.n} ({row.sample.failed}{of_all})",
        "mean": value(row.own.mean, metric),
        "sd": value(row.own.sd, metric, digits=sd_digits),
        "predicted sd": value(row.predicted_sd, metric, digits=sd_digits),
        "interval": interval(row.own.interval, metric),
        **contrast_cells(row.contrast, metric),
        **({"difference": "baseline"} if row.is_baseline else {}),
        **size_cells(row),
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


def own_seeds(comparison: Comparison) -> str:
    """`11 to 24 seeds` where arms have values of different numbers of seeds."""
    counts = [row.own.n for row in comparison.rows if row.own.n]
    return seeds_text(counts or [len(comparison.seeds)])


def size_cells(row: Row) -> dict[str, str]:
    """How large a row's networks are."""
    size = row.sample.size
    parameters, multiply_adds = (f"{size.parameters:,}", f"{size.multiply_adds:,}") if size else (ABSENT, ABSENT)
    return {"parameters": parameters, "multiply-adds": multiply_adds}


def pairs_sections(comparison: Comparison) -> list[Section]:
    """Every arm against every other, if that was asked for."""
    if not comparison.pairs:
        return []
    header = [
        "first", "second", "n", "difference [95 % interval]", "adjusted interval", "p", "p (Holm)", "P(first better)",
        "verdict",
    ]  # fmt: skip
    metric = comparison.metric
    rows = [
        [one.first.label, one.second.label, str(one.difference.n), *contrast_cells(one, metric).values()]
        for one in comparison.pairs
    ]
    unit = " in points" * metric.is_share
    family = counted(len(rows), "pair")
    note = f"Difference: first minus second{unit}; the verdict is on the first; p (Holm) is over {family}."
    return [
        Section(f"{metric_in_words(metric)}, all pairs", header, rows, [note], importance=PAIR_IMPORTANCE, prose=(8,))
    ]


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


def arms_table(comparison: Comparison) -> Table:
    """One row for each arm; accuracies and their differences as fractions."""
    settings = list(dict.fromkeys(path for row in comparison.rows for path, _ in row.sample.values))
    looks, sizes = LOOK_NUMBERS if comparison.looks else (), SIZES if comparison.has_sizes() else ()
    rows = (
        {"arm": row.sample.label, "tuned": tuned_text(row.sample.tuned) if row.sample.tuned else None}
        | {path: value_to_text(setting) for path, setting in row.sample.values}
        | _with_ends(_numbers(row))
        for row in comparison.rows
    )
    return Table(["arm", *settings, *NUMBERS, *looks, *sizes], rows, settings)


def pairs_table(comparison: Comparison) -> Table:
    """One row for each compared pair of arms."""
    return Table(PAIR_NUMBERS, map(_with_ends, pair_rows(comparison)))


def _with_ends(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers with the ends of each interval in two columns beside it."""
    ends = {key: number or (None, None) for key, number in numbers.items() if "ci" in key.split("_")}
    low = {f"{key}_low": bounds[0] for key, bounds in ends.items()}
    return {**numbers, **low, **{f"{key}_high": bounds[1] for key, bounds in ends.items()}}


def _numbers(row: Row) -> dict[str, Any]:
    return {
        "n": row.own.n,
        **unusable_document(row.sample.endings),
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
