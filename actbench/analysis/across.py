"""One verdict for each arm over several experiments, where n is the experiments and not their seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from actbench.analysis.comparison import common_values, paired_differences
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import NOT_JUDGED, TOO_FEW_FOLDERS, TOO_FEW_SEEDS, verdict
from actbench.experiment.cells import find_references
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import Values, short_label
from actbench.statistics.across import (
    RandomEffects,
    critical_difference,
    mean_ranks,
    performance_profile,
    random_effects,
    rank_groups,
)
from actbench.statistics.intervals import CONFIDENCE, estimate
from actbench.statistics.multiple import holm, holm_levels
from actbench.statistics.sign_flip import mean_of_shares, sign_flip_p, smallest_p
from actbench.text import listed

DISTANCES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)


@dataclass(frozen=True)
class ArmAcross:
    """An arm against the baseline over experiments: the difference in each, and what they say together.

    `p` is the sign-flip p of the differences of the experiments, `p_holm` over all arms. `effect` has the interval over
    experiments like these, `adjusted_interval` that of the step in Holm's method. `against` is the arm that it is
    compared with: the baseline, or another one of a pair; empty for the baseline itself.
    """

    label: str
    means: tuple[float, ...]
    against: str = ""
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
    values: Values = ()


@dataclass(frozen=True)
class Across:
    """All arms that every experiment has, the best mean rank first, with the critical difference of these ranks.

    `groups` are the first and the last of arms whose ranks differ by less than that. `pairs` are all pairs, a family of
    their own, if these were asked for.
    """

    metric: Metric
    baseline: str
    folders: tuple[str, ...]
    arms: tuple[ArmAcross, ...]
    critical_difference: float
    groups: tuple[tuple[int, int], ...]
    margin: float | None
    pairs: tuple[ArmAcross, ...] = ()


def compare_across(
    samples: Sequence[tuple[str, Sequence[Sample]]],
    metric: Metric,
    baseline: Values,
    margin: float | None,
    why_not: str = "",
    *,
    all_pairs: bool = False,
) -> Across:
    """The arms that all experiments have, each against the baseline; nothing is judged if there is a `why_not`.

    Raises `ValueError` where no arm but the baseline is in all experiments, or the baseline is not.
    """
    by_label = [{sample.label: sample for sample in arms if sample.by_seed} for _, arms in samples]
    labels = [label for label in by_label[0] if all(label in arms for arms in by_label)]
    shared = [by_label[0][label] for label in labels]
    base = next((one for one, found in zip(shared, find_references(shared, shared, baseline), strict=True)
                 if found is one), None)  # fmt: skip
    if base is None or len(labels) < 2:
        lacking = f"the baseline {short_label(baseline)}" if baseline else "a baseline (--baseline ARM)"
        missing = "an arm besides the baseline" if base else lacking
        raise ValueError(f"all folders have {listed(labels) or 'no arm'} in common; {missing} is missing")
    means = {label: tuple(_mean(arms[label]) for arms in by_label) for label in labels}

    def judged(pairs: Iterable[tuple[str, str]]) -> list[ArmAcross]:
        family = [
            _arm(one, other, means[one], [(arms[one], arms[other]) for arms in by_label], metric, why_not)
            for one, other in pairs
        ]
        return _judged(family, metric, margin)

    arms = judged((label, base.label) for label in labels if label != base.label)
    everything = [ArmAcross(base.label, means[base.label]), *arms]
    scores = [[arm.means[folder] for arm in everything] for folder in range(len(samples))]
    larger = bool(metric.larger_is_better)
    ranks = mean_ranks(scores, larger_is_better=larger)
    profiles = performance_profile(scores, DISTANCES, larger_is_better=larger)
    placed = tuple(
        replace(arm, mean_rank=rank, profile=tuple(profile), values=by_label[0][arm.label].values)
        for arm, rank, profile in zip(everything, ranks, profiles, strict=True)
    )
    ordered = sorted(placed, key=lambda arm: arm.mean_rank)
    critical = critical_difference(len(placed), len(samples))
    return Across(
        metric,
        base.label,
        tuple(name for name, _ in samples),
        tuple(ordered),
        critical,
        rank_groups([arm.mean_rank for arm in ordered], critical),
        margin,
        tuple(judged(combinations([arm.label for arm in ordered], 2))) if all_pairs else (),
    )


def _mean(sample: Sample) -> float:
    return sum(sample.by_seed.values()) / len(sample.by_seed)


def _arm(
    label: str,
    against: str,
    means: tuple[float, ...],
    pairs: Sequence[tuple[Sample, Sample]],
    metric: Metric,
    why_not: str,
) -> ArmAcross:
    """The differences of one arm in all experiments, each the mean over its seeds."""
    by_folder = [estimate(paired_differences(arm, base, metric)) for arm, base in pairs]
    differences = tuple(one.mean for one in by_folder if one.mean is not None)
    doubts = [sample.doubt for pair in pairs for sample in pair if sample.doubt]
    if len(differences) < len(pairs):
        doubts.append(f"{label} and {against} have no seed in common in one folder")
    reason = why_not or (doubts[0] if doubts else "")
    if len(differences) < 2:
        return ArmAcross(label, means, against, differences, reason=reason)
    errors = [(one.sd or 0.0) / math.sqrt(one.n) for one in by_folder if one.mean is not None]
    effect = random_effects(differences, errors)
    common = [values for pair in pairs if (values := common_values(*pair))[0]]
    exact = [mean_of_shares(*values) for values in common] if metric.is_share else differences
    p = sign_flip_p(exact, [0.0] * len(exact))
    return ArmAcross(label, means, against, differences, effect, effect.interval(CONFIDENCE), p, reason=reason)


def _judged(arms: Sequence[ArmAcross], metric: Metric, margin: float | None) -> list[ArmAcross]:
    """The arms as one family."""
    p_values = [1.0 if arm.p is None else arm.p for arm in arms]
    larger, is_share, judged = bool(metric.larger_is_better), metric.is_share, []
    for arm, p_holm, level in zip(arms, holm(p_values), holm_levels(p_values), strict=True):
        over, bounds = estimate(arm.differences), arm.effect.interval(1 - level) if arm.effect else None
        least_p = smallest_p(len(arm.differences), len(arms))
        word = verdict(over, bounds, p_holm, least_p, larger, margin=margin, is_share=is_share)
        word = NOT_JUDGED if arm.reason else TOO_FEW_FOLDERS if word == TOO_FEW_SEEDS else word
        judged.append(replace(arm, p_holm=p_holm, adjusted_interval=bounds, verdict=word))
    return judged
