"""One sample against another, families of such contrasts, and the best of several samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import NO_DIFFERENCE, NOT_JUDGED, TOO_FEW_SEEDS, ArmVerdict, is_different, verdict
from actbench.experiment.metrics import Metric
from actbench.plan.looks import pair_differences
from actbench.statistics.intervals import ROUNDING, Estimate, estimates, probability_better
from actbench.statistics.looks import Decision
from actbench.statistics.multiple import ALPHA, holm, holm_levels
from actbench.statistics.sign_flip import sign_flip_p, smallest_p, whole_numbers
from actbench.statistics.unpaired import (
    smallest_unpaired_p,
    unpaired_difference,
    unpaired_p,
    unpaired_probability_better,
)
from actbench.text import listed


@dataclass(frozen=True)
class Contrast:
    """One sample against another: their difference, with what chance alone would give.

    `p` is the exact sign-flip p of the paired differences, or a permutation p where seeds cannot be paired; `p_holm`
    is the same adjusted by Holm's method for its family, the `comparisons` that are made together. The interval of
    `difference` (95 %) is of this comparison alone; `adjusted_interval`, which the verdict uses, has the confidence of
    this contrast's step in Holm's method. `decided` is None where neither way of the metric is better; `reason` is why
    it is `not judged`. Samples in the units of different losses have no difference, and are not judged.
    """

    first: Sample
    second: Sample
    is_paired: bool
    difference: Estimate
    p: float | None
    p_holm: float | None = None
    comparisons: int = 0
    adjusted_interval: tuple[float, float] | None = None
    adjusted_confidence: float | None = None
    probability_better: float | None = None
    probability_better_interval: tuple[float, float] | None = None
    decided: ArmVerdict | None = None
    reason: str = ""
    look: Decision | None = None

    @property
    def verdict(self) -> str | None:
        """The verdict as people read it."""
        return self.decided and str(self.decided)

    @property
    def word(self) -> str:
        """The verdict in a word; empty without one."""
        return self.decided.word if self.decided else ""

    def excludes_zero_only_unadjusted(self) -> bool:
        """Whether the interval of this comparison alone excludes 0 although the verdict names no difference."""
        bounds = self.difference.interval
        return bounds is not None and not bounds[0] <= 0 <= bounds[1] and self.word in NO_DIFFERENCE

    def reach(self) -> float:
        """How far from 0 the interval of the difference reaches, the adjusted one if there is one."""
        low, high = self.adjusted_interval or self.difference.interval or (0.0, 0.0)
        return max(-low, high)

    def alpha(self) -> float:
        """The level of a test of this contrast: 5 %, or the share of the later of its samples' looks."""
        return max(self.first, self.second, key=lambda sample: sample.trials).alpha

    def is_tied(self) -> bool:
        """Whether every paired difference is exactly 0."""
        return self.is_paired and self.difference.mean == 0 and not self.difference.sd


def contrasts(
    pairs: Iterable[tuple[Sample, Sample]], metric: Metric, margin: float | None, why_not: str = ""
) -> list[Contrast]:
    """A family: one contrast for each pair, p adjusted over all of them by Holm's method, with its verdict."""
    family = _contrasts(pairs, metric)
    tested = [index for index, contrast in enumerate(family) if contrast.p is not None]
    p_values = [(family[index].p or 0.0) / _share_of_alpha(family[index]) for index in tested]
    for index, adjusted, level in zip(tested, holm(p_values), holm_levels(p_values), strict=True):
        family[index] = replace(
            family[index],
            p_holm=adjusted,
            comparisons=len(tested),
            adjusted_interval=_interval(family[index], 1 - level * _share_of_alpha(family[index])),
            adjusted_confidence=1 - level * _share_of_alpha(family[index]),
        )
    if metric.larger_is_better is None:
        return family
    return [_with_verdict(contrast, metric, margin, len(tested), why_not) for contrast in family]


def _share_of_alpha(contrast: Contrast) -> float:
    """The part of 5 % that a contrast may spend."""
    return contrast.alpha() / ALPHA


def common_values(first: Sample, second: Sample) -> tuple[list[float], list[float]]:
    """The values of both for the seeds that both have."""
    seeds = [seed for seed in first.by_seed if seed in second.by_seed]
    return [first.by_seed[seed] for seed in seeds], [second.by_seed[seed] for seed in seeds]


def _contrasts(pairs: Iterable[tuple[Sample, Sample]], metric: Metric) -> list[Contrast]:
    """Each first sample against its second, without anything that depends on the others."""
    made = list(pairs)
    paired = estimates(
        [paired_differences(first, second, metric) if first.data == second.data else () for first, second in made]
    )
    return [_contrast(first, second, metric, one) for (first, second), one in zip(made, paired, strict=True)]


def _contrast(first: Sample, second: Sample, metric: Metric, paired: Estimate) -> Contrast:
    direction, is_paired = metric.larger_is_better, first.data == second.data
    a, b = common_values(first, second) if is_paired else ([*first.by_seed.values()], [*second.by_seed.values()])
    if len(first.losses | second.losses) > 1:
        return Contrast(first, second, is_paired, Estimate(min(len(a), len(b)), None, None, None), None)
    whole = whole_numbers(a, b) if metric.is_share else (a, b)
    if not is_paired:
        better = None if direction is None else unpaired_probability_better(*whole, larger_is_better=direction)
        difference = unpaired_difference(a, b)
        return Contrast(first, second, False, difference, unpaired_p(*whole), probability_better=better)
    wins = None if direction is None else probability_better(*whole, larger_is_better=direction)
    better, interval = wins or (None, None)
    p = sign_flip_p(*whole)
    return Contrast(first, second, True, paired, p, probability_better=better, probability_better_interval=interval)


def _interval(contrast: Contrast, confidence: float) -> tuple[float, float] | None:
    """The interval of a contrast's difference with this confidence."""
    if contrast.is_paired:
        return contrast.difference.interval_of(confidence)
    first, second = contrast.first.by_seed.values(), contrast.second.by_seed.values()
    return unpaired_difference([*first], [*second], confidence).interval


def paired_differences(first: Sample, second: Sample, metric: Metric) -> list[float]:
    """The first minus the second, for every seed that both have, in the order of the seeds."""
    return pair_differences(*common_values(first, second), is_share=metric.is_share)


def _with_verdict(contrast: Contrast, metric: Metric, margin: float | None, comparisons: int, why_not: str) -> Contrast:
    """The contrast with its verdict, for a metric of which one way is better."""
    if reason := _reason_not_judged(contrast, why_not):
        return replace(contrast, decided=ArmVerdict(NOT_JUDGED), reason=reason)
    if contrast.p_holm is None:
        return replace(contrast, decided=ArmVerdict(TOO_FEW_SEEDS))
    least_p, margin = _least_p(contrast, comparisons, metric), margin if contrast.is_paired else None
    level = contrast.alpha() if contrast.first.may_be_equivalent and contrast.second.may_be_equivalent else None
    bounds, p = contrast.adjusted_interval, contrast.p_holm
    return replace(contrast, decided=verdict(contrast.difference, bounds, p, least_p, metric, margin, level))


def _reason_not_judged(contrast: Contrast, why_not: str) -> str:
    first, second = contrast.first, contrast.second
    if len(losses := first.losses | second.losses) > 1:
        return f"trained on different losses: {listed(sorted(losses))}"
    if why_not:
        return why_not
    return first.doubt or (f"{second.label}: {second.doubt}" if second.doubt else "")


def _least_p(contrast: Contrast, comparisons: int, metric: Metric) -> float:
    """The smallest adjusted p that these seeds can give in a family of so many, in units of what it may spend."""
    if contrast.is_paired:
        least = smallest_p(contrast.difference.n, comparisons, is_counted=metric.is_share)
    else:
        least = smallest_unpaired_p(len(contrast.first.by_seed), len(contrast.second.by_seed), comparisons)
    return min(1.0, least / _share_of_alpha(contrast))


def best_set(samples: Sequence[Sample], metric: Metric, family: Iterable[Contrast] = ()) -> tuple[str, ...]:
    """The sample with the best mean, and all that are not distinguishable from it.

    A sample is left out if it is different from the best, p adjusted by Bonferroni over the k - 1 others. For a sample
    and its baseline the decision in the `family` of contrasts with the baseline holds, so that the two agree. The
    sample that is truly best is missing in about 5 % of experiments at most: being one-sided, Bonferroni (Hsu 1981)
    leaves it out in 2.5 %, and its contrast with a baseline in 2.5 % more; of a baseline, Holm's method keeps 5 %.

    Empty if neither way is better, if no outcome could have left anything out, or if another sample is ahead of the
    best mean on the seeds that both have (which takes missing seeds); samples in doubt are passed over. The samples
    must be in the unit of one loss.
    """
    known = [sample for sample in samples if sample.by_seed and not sample.doubt]
    if metric.larger_is_better is None or len(known) < 2:
        return ()
    sign, others = (1 if metric.larger_is_better else -1), len(known) - 1
    means = [sum(sample.by_seed.values()) / len(sample.by_seed) for sample in known]
    best_mean = sign * max(sign * mean for mean in means)
    best = known[means.index(best_mean)]
    against = _contrasts([(sample, best) for sample in known if sample is not best], metric)
    if min(_least_p(contrast, others, metric) for contrast in against) >= ALPHA:
        return ()
    decided = {frozenset((id(made.first), id(made.second))): made for made in family}
    beside = []
    for contrast in against:
        if sign * (contrast.difference.mean or 0.0) > ROUNDING * abs(best_mean):
            return ()
        if made := decided.get(frozenset((id(contrast.first), id(best)))):
            is_apart = is_different(made.adjusted_interval, made.p_holm)
        else:
            share = _share_of_alpha(contrast) / others
            p = None if contrast.p is None else contrast.p / share
            is_apart = is_different(_interval(contrast, 1 - ALPHA * share), p)
        if not is_apart:
            beside.append(contrast.first.label)
    return (best.label, *beside)
