"""Arms against their baseline on one metric: paired by seed, over every trial, failed ones counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actbench.analysis.statistics import Estimate, estimate, holm, probability_better, sign_flip_p
from actbench.experiment import Arm, Values
from actbench.metrics import Metric
from actbench.plan import Plan
from actbench.records import Trial, TrialRecord

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
    """All arms on one metric."""

    metric: Metric
    baseline: Values
    seeds: tuple[int, ...]
    arms: tuple[ArmComparison, ...]


def compare(plan: Plan, records: Mapping[str, TrialRecord], baseline: Values, metric: Metric) -> Comparison:
    """Every arm of the plan with its estimate and, where a baseline is named, its paired difference.

    An arm's baseline is the arm that has the baseline's values and otherwise its own; pairs are formed on the seeds
    that both have. No arm's learning rate has been tuned, so no verdict is given.
    """
    values = [values_by_seed(trials, records, metric) for _, trials in plan.arms]
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
            row = _against(row, values[index], values[reference], larger_is_better=metric.larger_is_better)
        rows.append(row)
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    for index, adjusted in zip(tested, holm([rows[index].p or 0.0 for index in tested]), strict=True):
        rows[index] = replace(rows[index], p_holm=adjusted)
    seeds = plan.arms[0][1]
    return Comparison(metric, baseline, tuple(trial.seed for trial in seeds), tuple(rows))


def values_by_seed(trials: Sequence[Trial], records: Mapping[str, TrialRecord], metric: Metric) -> dict[int, float]:
    """The metric of an arm's trials by seed, as far as they have one."""
    found = {trial.seed: metric.value(records[trial.id]) for trial in trials if trial.id in records}
    return {seed: value for seed, value in found.items() if value is not None}


def _against(
    row: ArmComparison, own: Mapping[int, float], reference: Mapping[int, float], *, larger_is_better: bool | None
) -> ArmComparison:
    pairs = [(own[seed], reference[seed]) for seed in own if seed in reference]
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    return replace(
        row,
        difference=estimate([a - b for a, b in pairs]),
        p=sign_flip_p(*(_on_a_grid(values) for values in (first, second))),
        probability_better=None
        if larger_is_better is None
        else probability_better(first, second, larger_is_better=larger_is_better),
        verdict=NOT_JUDGED,
    )


def _on_a_grid(values: Sequence[float]) -> list[float]:
    """Values rounded to 1e-9, so that equal counts of correct images give exactly equal differences."""
    return [round(value * 1e9) for value in values]
