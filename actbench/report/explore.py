"""What the script of a page compares again with other seeds, baselines and metrics, as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.analysis.samples import Sample, loss_unit
from actbench.experiment.metrics import CURVES, MEASURES, PARTS, Metric, parse_metric
from actbench.plan.looks import values_by_seed
from actbench.report.figures.styles import styles_of
from actbench.report.numbers import metric_in_words
from actbench.statistics.intervals import CONFIDENCE, t_quantile
from actbench.statistics.multiple import ALPHA
from actbench.store.results import Results

EXPLORED = sorted((*CURVES, *MEASURES), key=lambda name: PARTS.index(name.partition("_")[0]))
MAX_NUMBERS, MAX_ARMS, MAX_SEEDS = 30_000, 40, 200


def explore_json(results: Results, comparison: Comparison) -> str:
    """The data as JSON in which nothing can end its element, or begin another; empty where there is nothing to compare.

    That takes at least two arms and seeds, and not too many.
    """
    rows = [row for row in comparison.rows if row.sample.by_seed]
    seeds = sorted({seed for row in rows for seed in row.sample.by_seed})
    has_one_unit = len({row.sample.data for row in rows}) == 1 and len(comparison.losses) < 2
    has_one_unit = has_one_unit and comparison.metric.larger_is_better is not None
    if not 2 <= len(rows) <= MAX_ARMS or not 2 <= len(seeds) <= MAX_SEEDS or not has_one_unit:
        return ""
    numbers = {label: index for index, label in enumerate(row.sample.label for row in comparison.rows)}
    chosen = styles_of(comparison)
    baselines = [number for number, row in enumerate(rows) if row.is_baseline]
    most = max(1, MAX_NUMBERS // (len(rows) * len(seeds)))
    metrics = list(_metrics(results, comparison, [row.sample for row in rows], seeds))[:most]
    data = {
        "arms": [
            {"name": label, "arm": numbers[label], "colour": chosen[label].colour}
            for label in (row.sample.label for row in rows)
        ],
        "seeds": seeds,
        "baseline": next(iter(baselines), 0),
        "has_several_baselines": len(baselines) > 1,
        "margin": comparison.margin,
        "metrics": metrics,
        "alone": _quantiles(len(seeds), 1 - CONFIDENCE),
        "adjusted": _quantiles(len(seeds), ALPHA / (len(rows) - 1)),
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _metrics(
    results: Results, comparison: Comparison, samples: Sequence[Sample], seeds: list[int]
) -> Iterator[dict[str, Any]]:
    """The comparison's metric, and the others that all arms have in one unit."""
    yield _metric(comparison.metric, [sample.by_seed for sample in samples], seeds)
    arms = {arm.values: (arm.settings, trials) for arm, trials in results.plan.arms}
    planned = [(*arms[sample.values], sample.trials) for sample in samples]
    has_one_loss = len({loss_unit(settings) for settings, _, _ in planned}) < 2
    for name in EXPLORED:
        metric = parse_metric(name)
        if name == comparison.metric.name or (metric.is_loss and not has_one_loss):
            continue
        found = [values_by_seed(trials[:count], results.records, metric) for _, trials, count in planned]
        if any(found):
            yield _metric(metric, found, seeds)


def _metric(metric: Metric, by_arm: Sequence[Mapping[int, float]], seeds: list[int]) -> dict[str, Any]:
    scale = 100 if metric.unit == "share" else 1
    return {
        "name": metric_in_words(metric),
        "unit": " %" if metric.unit == "share" else "",
        "points": " points" if metric.unit == "share" else "",
        "digits": 2 if metric.unit == "share" else 4,
        "sign": 1 if metric.larger_is_better else -1,
        "values": [
            [None if (one := by_seed.get(seed)) is None else round(one * scale, 6) for seed in seeds]
            for by_seed in by_arm
        ],
    }


def _quantiles(seeds: int, alpha: float) -> list[float]:
    """Student's t for 1, 2, ... degrees of freedom, two-sided at `alpha`."""
    return [round(t_quantile(1 - alpha / 2, freedom), 3) for freedom in range(1, seeds)]
