"""Comparisons of samples on one metric, paired by seed, with verdicts and the best set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.analysis.verdicts import (
    NO_DIFFERENCE,
    NOT_JUDGED,
    TOO_FEW_SEEDS,
    ArmVerdict,
    is_different,
    verdict,
    verdict_at_look,
)  # fmt: skip
from actbench.experiment.cells import find_references
from actbench.experiment.definition import Experiment
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues, short_label
from actbench.experiment.records import TrialRecord
from actbench.plan.looks import LookProgress, pair_differences
from actbench.plan.plan import Plan
from actbench.statistics.intervals import ROUNDING, Estimate, estimates, predicted_sd, probability_better
from actbench.statistics.looks import Decision
from actbench.statistics.multiple import ALPHA, holm, holm_levels
from actbench.statistics.power import detectable_difference
from actbench.statistics.sign_flip import sign_flip_p, smallest_p, whole_numbers
from actbench.statistics.unpaired import (
    smallest_unpaired_p,
    unpaired_difference,
    unpaired_p,
    unpaired_probability_better,
)
from actbench.text import listed

NOTHING_TUNED = "nothing was tuned for each arm"


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


@dataclass(frozen=True)
class Row:
    """One sample's estimate, the sd that the finite test set alone would cause, and its contrast with the baseline."""

    sample: Sample
    own: Estimate
    predicted_sd: float | None = None
    is_baseline: bool = False
    contrast: Contrast | None = None


@dataclass(frozen=True)
class Comparison:
    """All samples on one metric, in three families of statements.

    Each row's contrast is with its baseline (Holm over these contrasts), `pairs` are all pairs if these were asked for
    (Holm over all of them), and `best` are the labels of the best mean and of those not distinguishable from it, as
    `best_set` says. `losses` are the losses in whose units the metric is; if they are several, neither way of `metric`
    is better here, although samples of one loss may still be compared with each other.
    `detectable` is the smallest true difference to the baseline that so many seeds show with 80 % power.
    """

    metric: Metric
    baseline: SettingValues
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    margin: float | None
    is_judged: bool
    best: tuple[str, ...] = ()
    detectable: float | None = None
    pairs: tuple[Contrast, ...] = ()
    losses: tuple[str, ...] = ()
    doubt: str = ""
    looks: LookProgress | None = None

    def contrasts(self) -> list[Contrast]:
        """Every sample against its baseline, in the order of the rows."""
        return [row.contrast for row in self.rows if row.contrast]

    def baseline_label(self) -> str:
        """What the baseline is called: the name of its arm, or its values if it is several arms."""
        labels = [row.sample.label for row in self.rows if row.is_baseline]
        return labels[0] if len(labels) == 1 else short_label(self.baseline)

    def has_sizes(self) -> bool:
        """Whether the samples differ in the size of their networks."""
        return len({row.sample.size for row in self.rows}) > 1

    def size_ratio(self) -> float:
        """The parameters of the largest networks divided by those of the smallest."""
        counts = [row.sample.size.parameters for row in self.rows if row.sample.size]
        return max(counts) / min(counts) if counts else 1.0

    def only_baseline(self) -> str:
        """The label of the arm that all others are compared with; empty if there are several."""
        labels = {contrast.second.label for contrast in self.contrasts()}
        return labels.pop() if len(labels) == 1 else ""


@dataclass(frozen=True)
class Question:
    """What a comparison is to say: of which metric, against which baseline, and whether an untuned rate is accepted.

    `doubt` is why nothing may be judged, whatever the numbers are; empty if it may.
    """

    metric: Metric
    baseline: SettingValues
    margin: float | None
    by: str | None = None
    accepts_shared_rate: bool = False
    all_pairs: bool = False
    seeks_best: bool = True
    doubt: str = ""


def compare(
    plan: Plan, records: Mapping[str, TrialRecord], question: Question, samples: Sequence[Sample] | None = None
) -> Comparison:
    """Every arm of the plan, or every value of the factor `by`, against the one with the baseline's values.

    `samples` are those of its arms on this metric, where they are known.
    """
    samples = arm_samples(plan, records, question.metric) if samples is None else samples
    if question.by is not None:
        samples = marginal_samples(samples, question.by)
    references = find_references(samples, samples, question.baseline)
    longest = max((trials for _, trials in plan.arms), key=len)
    looks, is_judged = plan.looks, bool(plan.tunings) or question.accepts_shared_rate
    if looks is None:
        seeds = tuple(trial.seed for trial in longest)
        return compare_samples(samples, references, question, seeds=seeds, is_judged=is_judged)
    question = replace(question, doubt=question.doubt or _why_not(question, looks))
    seeds = tuple(trial.seed for trial in longest[: looks.passed_seeds() or None])
    compared = compare_samples(samples, references, question, seeds=seeds, is_judged=is_judged)
    if compared.doubt or not is_judged:
        return replace(compared, looks=looks)
    last = {arm.values: made[-1] for (arm, _), made in zip(plan.arms, looks.decisions, strict=True) if made}
    rows = tuple(_row_at_look(row, last.get(row.sample.values), compared, looks) for row in compared.rows)
    decided = [row.contrast for row in rows if row.contrast]
    best = best_set(samples, question.metric, decided) if question.seeks_best else ()
    return replace(compared, rows=rows, looks=looks, best=best, detectable=None)


def _why_not(question: Question, looks: LookProgress) -> str:
    """Why nothing is said before the first look, or of another question than the planned one; else empty."""
    if question.by is None and question.metric.name == looks.metric and question.baseline == looks.baseline:
        return "" if looks.look else looks.lacks()
    return f"seeds were added until {looks.metric} was settled for each arm; anything else is descriptive"


def _row_at_look(row: Row, decision: Decision | None, comparison: Comparison, looks: LookProgress) -> Row:
    """The row with what the arm's latest look decided, on the seeds up to that look."""
    contrast, metric = row.contrast, comparison.metric
    if contrast is None or contrast.reason:
        return row
    if decision is None:
        return replace(row, contrast=replace(contrast, decided=ArmVerdict(TOO_FEW_SEEDS)))
    a, b = common_values(contrast.first, contrast.second)
    wins = probability_better(
        a[: decision.difference.n], b[: decision.difference.n], larger_is_better=bool(metric.larger_is_better)
    )
    better, interval = wins or (None, None)
    decided = verdict_at_look(decision, metric, comparison.margin)
    return replace(
        row,
        contrast=replace(
            contrast,
            difference=decision.difference,
            p=decision.p,
            p_holm=decision.p_adjusted,
            comparisons=looks.schedule.comparisons,
            adjusted_interval=decision.adjusted_interval,
            adjusted_confidence=decision.adjusted_confidence,
            probability_better=better,
            probability_better_interval=interval,
            decided=decided,
            reason=f"too many unusable trials at look {decision.look}" if decided.word == NOT_JUDGED else "",
            look=decision,
        ),
    )


def question_of(experiment: Experiment, metric: Metric, doubt: str = "") -> Question:
    """The comparison that an experiment itself asks for."""
    return Question(metric, experiment.baseline, experiment.margin_of(metric), doubt=doubt)


def compare_samples(
    samples: Sequence[Sample],
    references: Sequence[Sample | None],
    question: Question,
    *,
    seeds: tuple[int, ...],
    is_judged: bool,
) -> Comparison:
    """Every sample against its reference; one that is its own reference is a baseline."""
    metric = question.metric
    why_not = question.doubt or ("" if is_judged else NOTHING_TUNED)
    pairs = [
        (sample, reference)
        for sample, reference in zip(samples, references, strict=True)
        if reference is not None and reference is not sample
    ]
    margin = question.margin
    against = {id(contrast.first): contrast for contrast in contrasts(pairs, metric, margin, why_not)}
    losses = tuple(dict.fromkeys(loss for sample in samples for loss in sorted(sample.losses)))
    is_ranked = len(losses) < 2
    estimated = estimates([list(sample.by_seed.values()) for sample in samples])
    rows = tuple(
        Row(
            sample,
            own,
            _predicted_sd(sample, own, metric),
            is_baseline=references[index] is sample,
            contrast=against.get(id(sample)),
        )
        for index, (sample, own) in enumerate(zip(samples, estimated, strict=True))
    )
    every_pair = combinations(samples, 2) if question.all_pairs else ()
    return Comparison(
        metric=metric if is_ranked else replace(metric, larger_is_better=None),
        baseline=question.baseline,
        seeds=seeds,
        rows=rows,
        margin=margin,
        is_judged=not why_not,
        doubt=question.doubt,
        best=best_set(samples, metric, against.values()) if question.seeks_best and not why_not and is_ranked else (),
        detectable=_detectable(rows),
        pairs=tuple(contrasts(every_pair, metric, margin, why_not)),
        losses=losses,
    )


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
    level = contrast.alpha() if contrast.first.is_sound and contrast.second.is_sound else None
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


def _predicted_sd(sample: Sample, own: Estimate, metric: Metric) -> float | None:
    if metric.name != "test_accuracy" or own.mean is None or not sample.test_images:
        return None
    return predicted_sd(own.mean, sample.test_images)


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


def ranked(comparison: Comparison) -> list[Row]:
    """The best mean first (the largest, where neither way is better); samples without a mean last."""
    if len(comparison.losses) > 1:
        return list(comparison.rows)
    sign = 1 if comparison.metric.larger_is_better is False else -1
    return sorted(comparison.rows, key=lambda row: (row.own.mean is None, sign * (row.own.mean or 0.0)))


def _detectable(rows: Sequence[Row]) -> float | None:
    """The median over the contrasts of the smallest difference that their seeds show, Bonferroni over all of them."""
    made = [row.contrast for row in rows if row.contrast and row.contrast.is_paired]
    detectable = [
        detectable_difference(difference.n, difference.sd, comparisons=len(made))
        for difference in (contrast.difference for contrast in made)
        if difference.sd is not None and smallest_p(difference.n, len(made)) <= ALPHA
    ]
    known = [difference for difference in detectable if difference is not None]
    return median(known) or None if known else None


def separable(comparison: Comparison) -> tuple[str, ...]:
    """The arms that may be set in bold: found better than their baseline, or alone in the best set."""
    better = [row.sample.label for row in comparison.rows if row.contrast and row.contrast.word == "better"]
    return tuple(dict.fromkeys((*better, *(comparison.best if len(comparison.best) == 1 else ()))))
