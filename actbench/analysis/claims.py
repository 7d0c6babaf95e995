"""Verdicts on the claims of an experiment, from intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actbench.analysis.samples import loss_unit
from actbench.experiment.cells import has_values
from actbench.experiment.definition import Claim
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.records import TrialRecord
from actbench.plan.looks import MAX_WITHOUT_VALUE, bounds, claim_values
from actbench.plan.plan import Plan
from actbench.statistics.intervals import CONFIDENCE, MIN_SEEDS, Estimate, Verdict, decide, estimate
from actbench.text import listed


@dataclass(frozen=True)
class JudgedClaim:
    """A claim's verdict with the numbers behind it.

    `estimate` is over the seeds: the metric itself, or its paired difference to the reference. It is empty for a loss
    of arms that train on different losses. `without_value` seeds lack it, in any of the arms. `reason` says why nothing
    was decided, if it is not the interval. A claim that was added after final trials had begun is exploratory; None if
    the folder does not record that.
    """

    stated: Claim
    metric: Metric
    verdict: Verdict
    estimate: Estimate
    without_value: int
    reason: str = ""
    is_exploratory: bool | None = None
    confidence: float = CONFIDENCE


def judge_claims(claims: Iterable[Claim], plan: Plan, records: Mapping[str, TrialRecord]) -> list[JudgedClaim]:
    """Every claim with its verdict, in the order of the file."""
    return [_judge(claim, plan, records, number) for number, claim in enumerate(claims)]


def _judge(claim: Claim, plan: Plan, records: Mapping[str, TrialRecord], number: int) -> JudgedClaim:
    """The claim on all seeds, or with looks on those before the look that settled it, with the level of that look."""
    metric, upto, confidence = parse_metric(claim.metric), None, CONFIDENCE
    if plan.looks and plan.looks.look and number < len(plan.looks.claims):
        upto, confidence = plan.looks.confidence_of_claim(number)
    arms = [(arm, trials[:upto]) for arm, trials in plan.arms]
    values = claim_values(claim, arms, records)
    losses = _losses(claim, plan) if metric.is_loss else []
    seeds = max(len(trials) for _, trials in arms)
    over_seeds = estimate(list(values.values()), confidence)
    without_value = seeds - over_seeds.n
    reason = ""
    if seeds == 0:
        reason = "there are no final trials yet"
    elif plan.looks and not plan.looks.look:
        reason = plan.looks.lacks()
    elif without_value > MAX_WITHOUT_VALUE * seeds:
        reason = f"{without_value} of {seeds} seeds have no value"
        if metric.is_timed:
            reason += ": only a trial that had its stack to itself can be timed; run with --fresh"
    elif len(losses) > 1:
        reason = f"the arms train on different losses: {listed(losses)}"
        over_seeds = Estimate(over_seeds.n, None, None, None)
    elif over_seeds.n < MIN_SEEDS:
        reason = f"fewer than {MIN_SEEDS} seeds"
    verdict = "undecided" if reason else decide(over_seeds.interval, *bounds(claim, metric))
    return JudgedClaim(claim, metric, verdict, over_seeds, without_value, reason, confidence=confidence)


def _losses(claim: Claim, plan: Plan) -> list[str]:
    """The losses of all arms that the claim compares or averages over."""
    sides = [values for values in (claim.arm, claim.reference) if values is not None]
    arms = [arm for arm, _ in plan.arms if any(has_values(arm.values, side) for side in sides)]
    return sorted({loss_unit(arm.settings) for arm in arms})
