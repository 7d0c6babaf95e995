"""Arms against their baseline on one metric: paired by seed, over every trial, failed ones counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from actbench.analysis.statistics import Estimate, estimate, holm, probability_better, sign_flip_p
from actbench.catalogue.registry import did_you_mean
from actbench.errors import ConfigurationError
from actbench.experiment import Arm, Values
from actbench.plan import Plan
from actbench.records import Trial, TrialRecord

Metric = Literal["test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_accuracy", "train_loss"]
METRICS: tuple[str, ...] = get_args(Metric)
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class ArmComparison:
    """One arm's row: its own estimate, and its paired difference to the baseline arm where there is one.

    `n` trials have the metric; `failed` counts diverged and failed trials. `p` is the exact sign-flip p, `p_holm` the
    same adjusted for all arms compared.
    """

    arm: Arm
    failed: int
    own: Estimate
    is_baseline: bool = False
    difference: Estimate | None = None
    p: float | None = None
    p_holm: float | None = None
    probability_better: float | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Comparison:
    """All arms on one metric at the last epoch."""

    metric: str
    baseline: Values
    seeds: tuple[int, ...]
    arms: tuple[ArmComparison, ...]


def metric_value(record: TrialRecord, metric: str) -> float | None:
    """A trial's value at its last epoch; accuracies as fractions; None where there is none or it was not finite."""
    part, _, quantity = metric.partition("_")
    if part == "test":
        hits, loss = record.test_correct_count, record.test_loss
    else:
        hits = _last(getattr(record.curves, f"{part}_correct_count"))
        loss = _last(getattr(record.curves, f"{part}_loss"))
    if quantity == "loss":
        return loss
    return None if hits is None else hits / getattr(record, f"{part}_count")


def _last(values: Sequence[Any]) -> Any:
    return values[-1] if values else None


def compare(plan: Plan, records: Mapping[str, TrialRecord], baseline: Values, metric: str) -> Comparison:
    """Every arm of the plan with its estimate and, where a baseline is named, its paired difference.

    An arm's baseline is the arm that has the baseline's values and otherwise its own; pairs are formed on the seeds
    that both have. No arm's learning rate has been tuned, so no verdict is given.
    """
    values = [_values_by_seed(trials, records, metric) for _, trials in plan.arms]
    index_of = {arm.values: index for index, (arm, _) in enumerate(plan.arms)}
    chosen = dict(baseline)
    rows: list[ArmComparison] = []
    for index, (arm, trials) in enumerate(plan.arms):
        failed = sum(trial.id in records and records[trial.id].outcome != "done" for trial in trials)
        row = ArmComparison(arm, failed, estimate(list(values[index].values())))
        reference = index_of[tuple((path, chosen.get(path, value)) for path, value in arm.values)]
        if baseline and reference == index:
            row = replace(row, is_baseline=True)
        elif baseline:
            row = _against(row, values[index], values[reference], larger_is_better=metric.endswith("accuracy"))
        rows.append(row)
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    for index, adjusted in zip(tested, holm([rows[index].p or 0.0 for index in tested]), strict=True):
        rows[index] = replace(rows[index], p_holm=adjusted)
    seeds = plan.arms[0][1]
    return Comparison(metric, baseline, tuple(trial.seed for trial in seeds), tuple(rows))


def _values_by_seed(trials: Sequence[Trial], records: Mapping[str, TrialRecord], metric: str) -> dict[int, float]:
    found = {trial.seed: metric_value(records[trial.id], metric) for trial in trials if trial.id in records}
    return {seed: value for seed, value in found.items() if value is not None}


def _against(
    row: ArmComparison, own: Mapping[int, float], reference: Mapping[int, float], *, larger_is_better: bool
) -> ArmComparison:
    pairs = [(own[seed], reference[seed]) for seed in own if seed in reference]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    return replace(
        row,
        difference=estimate([a - b for a, b in pairs]),
        p=sign_flip_p(*(_on_a_grid(values) for values in (first, second))),
        probability_better=probability_better(first, second, larger_is_better=larger_is_better),
        verdict=NOT_JUDGED,
    )


def _on_a_grid(values: Sequence[float]) -> list[float]:
    """Values rounded to 1e-9, so that equal counts of correct images give exactly equal differences."""
    return [round(value * 1e9) for value in values]


def check_metric(metric: str) -> None:
    """Raise `ConfigurationError` on a metric that is not recorded."""
    if metric not in METRICS:
        raise ConfigurationError(
            f"no metric is called {metric!r}{did_you_mean(metric, METRICS) or ': ' + ', '.join(METRICS)}"
        )
