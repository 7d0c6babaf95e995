"""What the page's script needs to compare again: every arm's values by seed, and quantiles of Student's t."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.analysis.samples import Sample, arm_samples
from actbench.experiment.metrics import Metric, parse_metric
from actbench.report.figures.looks import looks
from actbench.report.numbers import metric_in_words
from actbench.statistics.intervals import CONFIDENCE, t_quantile
from actbench.statistics.multiple import ALPHA
from actbench.store.results import Results

METRICS = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_accuracy", "train_loss")
MAX_NUMBERS, MAX_ARMS, MAX_SEEDS = 30_000, 40, 200


def explore_data(results: Results, comparison: Comparison) -> dict[str, Any] | None:
    """Plain data for the script; None where there is nothing to compare: fewer than two arms or seeds, or too many."""
    rows = [row for row in comparison.rows if row.sample.by_seed]
    seeds = sorted({seed for row in rows for seed in row.sample.by_seed})
    has_one_unit = comparison.metric.larger_is_better is not None and len({row.sample.data for row in rows}) == 1
    if not 2 <= len(rows) <= MAX_ARMS or not 2 <= len(seeds) <= MAX_SEEDS or not has_one_unit:
        return None
    numbers = {label: index for index, label in enumerate(row.sample.label for row in comparison.rows)}
    chosen = looks({row.sample.label: row.sample.values for row in comparison.rows})
    baselines = [number for number, row in enumerate(rows) if row.is_baseline]
    most = max(1, MAX_NUMBERS // (len(rows) * len(seeds)))
    metrics = list(_metrics(results, comparison, {row.sample.label: row.sample for row in rows}, seeds))[:most]
    return {
        "arms": [
            {"name": row.sample.label, "arm": numbers[row.sample.label], "colour": chosen[row.sample.label].colour}
            for row in rows
        ],
        "seeds": seeds,
        "baseline": baselines[0] if len(baselines) == 1 else 0,
        "margin": comparison.margin,
        "metrics": metrics,
        "alone": _quantiles(len(seeds), 1 - CONFIDENCE),
        "adjusted": _quantiles(len(seeds), ALPHA / (len(rows) - 1)),
    }


def _metrics(
    results: Results, comparison: Comparison, samples: Mapping[str, Sample], seeds: list[int]
) -> Iterator[dict[str, Any]]:
    """The comparison's metric, and the others that all arms have in one unit."""
    yield _metric(comparison.metric, samples, samples, seeds)
    for name in METRICS:
        metric = parse_metric(name)
        found = {sample.label: sample for sample in arm_samples(results.plan, results.records, metric)}
        losses = {loss for sample in found.values() for loss in sample.losses}
        is_known = set(samples) <= set(found) and any(found[label].by_seed for label in samples)
        if name != comparison.metric.name and is_known and len(losses) < 2:
            yield _metric(metric, samples, found, seeds)


def _metric(
    metric: Metric, labels: Mapping[str, Any], samples: Mapping[str, Sample], seeds: list[int]
) -> dict[str, Any]:
    scale = 100 if metric.unit == "share" else 1
    return {
        "name": metric_in_words(metric),
        "unit": " %" if metric.unit == "share" else "",
        "points": " points" if metric.unit == "share" else "",
        "digits": 2 if metric.unit == "share" else 4,
        "sign": 1 if metric.larger_is_better else -1,
        "values": [
            [None if (one := samples[label].by_seed.get(seed)) is None else round(one * scale, 6) for seed in seeds]
            for label in labels
        ],
    }


def _quantiles(seeds: int, alpha: float) -> list[float]:
    """Student's t for 1, 2, ... degrees of freedom, two-sided at `alpha`."""
    return [round(t_quantile(1 - alpha / 2, freedom), 3) for freedom in range(1, seeds)]
