"""The best arms of a run so far, with their intervals: no verdicts, which take all seeds."""

from __future__ import annotations

from collections.abc import Mapping

from actbench.analysis.samples import Sample, arm_samples
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import PRIMARY_METRIC, Plan
from actbench.report.numbers import interval, value
from actbench.statistics.inference import Estimate, estimate
from actbench.text import visible


def best_arms(plan: Plan, records: Mapping[str, TrialRecord], most: int) -> list[str]:
    """`gelu  97.92 (97.87 to 97.97), 4 of 10 seeds` for the arms with the best means of test accuracy in percent."""
    metric = parse_metric(PRIMARY_METRIC)
    found = [(sample, estimate(list(sample.by_seed.values()))) for sample in arm_samples(plan, records, metric)]
    known = [(sample, own) for sample, own in found if own.mean is not None]
    best = sorted(known, key=lambda one: -(one[1].mean or 0.0))[:most]
    width = max((len(visible(sample.label)) for sample, _ in best), default=0)
    return [f"{visible(sample.label):<{width}}  {_figures(sample, own)}" for sample, own in best]


def _figures(sample: Sample, own: Estimate) -> str:
    metric = parse_metric(PRIMARY_METRIC)
    bounds = f" ({interval(own.interval, metric)})" if own.interval else ""
    return f"{value(own.mean, metric)}{bounds}, {own.n} of {sample.trials} seeds"
