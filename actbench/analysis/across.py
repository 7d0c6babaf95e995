"""One verdict for each arm over several experiments, where n is the experiments and not their seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from actbench.analysis.comparison import paired_differences
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import NOT_JUDGED, verdict_across
from actbench.experiment.cells import find_references
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import Values
from actbench.statistics.across import (
    RandomEffects,
    critical_difference,
    mean_ranks,
    performance_profile,
    random_effects,
)
from actbench.statistics.intervals import CONFIDENCE, estimate
from actbench.statistics.multiple import ALPHA, holm, holm_levels
from actbench.statistics.sign_flip import sign_flip_p, smallest_p

DISTANCES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)


@dataclass(frozen=True)
class ArmAcross:
    """An arm against the baseline over experiments: the difference in each, and what they say together.

    `p` is the sign-flip p of the differences of the experiments, `p_holm` over all arms. `effect` has the interval over
    experiments like these, `adjusted_interval` that of the step in Holm's method.
    """

    label: str
    means: tuple[float, ...]
    differences: tuple[float, ...] = ()
    effect: RandomEffects | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    p_holm: float | None = None
    adjusted_interval: tuple[float, float] | None = None
    verdict: str = ""
    reason: str = ""
    mean_rank: float = 0.0
    profile: tuple[float, ...] = ()


@dataclass(frozen=True)
class Across:
    """All arms that every experiment has, with the critical difference of their mean ranks."""

    metric: Metric
    baseline: str
    folders: tuple[str, ...]
    arms: tuple[ArmAcross, ...]
    critical_difference: float | None
    margin: float | None


def compare_across(
    samples: Sequence[tuple[str, Sequence[Sample]]],
    metric: Metric,
    baseline: Values,
    margin: float | None,
    why_not: str = "",
) -> Across:
    """The arms that all experiments have, each against the baseline; nothing is judged if there is a reason `why_not`.

    Raises `ValueError` where no arm but the baseline is in all experiments, or the baseline is not.
    """
    by_label = [{sample.label: sample for sample in arms if sample.by_seed} for _, arms in samples]
    labels = [label for label in by_label[0] if all(label in arms for arms in by_label)]
    shared = [by_label[0][label] for label in labels]
    base = next((one for one, found in zip(shared, find_references(shared, shared, baseline), strict=True)
                 if found is one), None)  # fmt: skip
    if base is None or len(labels) < 2:
        raise ValueError("no baseline and another arm that all folders have")
    means = {label: tuple(_mean(arms[label]) for arms in by_label) for label in labels}
    arms = [
        _arm(label, means[label], [(arms[label], arms[base.label]) for arms in by_label], metric, why_not)
        for label in labels
        if label != base.label
    ]
    arms = _judged(arms, metric, margin)
    everything = [ArmAcross(base.label, means[base.label]), *arms]
    scores = [[arm.means[folder] for arm in everything] for folder in range(len(samples))]
    larger = bool(metric.larger_is_better)
    ranks = mean_ranks(scores, larger_is_better=larger)
    profiles = performance_profile(scores, DISTANCES, larger_is_better=larger)
    placed = tuple(
        replace(arm, mean_rank=rank, profile=tuple(profile))
        for arm, rank, profile in zip(everything, ranks, profiles, strict=True)
    )
    return Across(
        metric,
        base.label,
        tuple(name for name, _ in samples),
        tuple(sorted(placed, key=lambda arm: arm.mean_rank)),
        critical_difference(len(placed), len(samples)),
        margin,
    )


def _mean(sample: Sample) -> float:
    return sum(sample.by_seed.values()) / len(sample.by_seed)


def _arm(
    label: str, means: tuple[float, ...], pairs: Sequence[tuple[Sample, Sample]], metric: Metric, why_not: str
) -> ArmAcross:
    """The differences of one arm in all experiments, each the mean over its seeds."""
    by_folder = [estimate(paired_differences(arm, base, metric)) for arm, base in pairs]
    differences = tuple(one.mean for one in by_folder if one.mean is not None)
    doubts = [sample.doubt for pair in pairs for sample in pair if sample.doubt]
    if len(differences) < len(pairs):
        doubts.append("a folder has no seed in common with the baseline")
    reason = why_not or (doubts[0] if doubts else "")
    if len(differences) < 2:
        return ArmAcross(label, means, differences, reason=reason)
    errors = [(one.sd or 0.0) / math.sqrt(one.n) for one in by_folder if one.mean is not None]
    effect = random_effects(differences, errors)
    p = sign_flip_p(differences, [0.0] * len(differences))
    return ArmAcross(label, means, differences, effect, effect.interval(CONFIDENCE), p, reason=reason)


def _judged(arms: Sequence[ArmAcross], metric: Metric, margin: float | None) -> list[ArmAcross]:
    """The arms as one family."""
    p_values = [1.0 if arm.p is None else arm.p for arm in arms]
    judged = []
    for arm, p_holm, level in zip(arms, holm(p_values), holm_levels(p_values), strict=True):
        mean = arm.effect.mean if arm.effect else None
        bounds = arm.effect.interval(1 - level) if arm.effect else None
        narrow = arm.effect.interval(1 - 2 * ALPHA) if arm.effect else None
        least_p, larger = smallest_p(len(arm.differences), len(arms)), bool(metric.larger_is_better)
        is_share = metric.unit == "share"
        word = verdict_across(mean, bounds, narrow, p_holm, least_p, larger, margin, is_share=is_share)
        judged.append(replace(arm, p_holm=p_holm, adjusted_interval=bounds, verdict=NOT_JUDGED if arm.reason else word))
    return judged
