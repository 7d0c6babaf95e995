"""Samples against each other on one metric: paired by seed, over every trial, failed ones counted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from statistics import median

from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.analysis.verdicts import TOO_FEW_SEEDS, unpaired_verdict, verdict
from actbench.experiment.definition import Experiment, Values
from actbench.experiment.metrics import Metric
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan
from actbench.statistics.intervals import MAX_REMEMBERED, Estimate, estimate, predicted_sd
from actbench.statistics.multiple import ALPHA, holm
from actbench.statistics.power import detectable_difference
from actbench.statistics.probability_better import probability_better, probability_better_interval
from actbench.statistics.sign_flip import sign_flip_p, smallest_p
from actbench.statistics.unpaired import unpaired_difference, unpaired_p, unpaired_probability_better

NOT_JUDGED = "not judged"
MAX_DENOMINATOR, MAX_UNIT = 1_000_000, 1_000_000_000


@dataclass(frozen=True)
class Contrast:
    """One sample against another: their difference, with what chance alone would give.

    `p` is the exact sign-flip p of the paired differences, or a permutation p where seeds cannot be paired; `p_holm`
    is the same adjusted for all contrasts made. `verdict` is None where neither way of the metric is better.
    """

    first: Sample
    second: Sample
    is_paired: bool
    difference: Estimate
    p: float | None
    p_holm: float | None = None
    probability_better: float | None = None
    probability_better_interval: tuple[float, float] | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Row:
    """One sample by itself, with the sd that the finite test set alone would cause, and against its baseline."""

    sample: Sample
    own: Estimate
    predicted_sd: float | None = None
    is_baseline: bool = False
    contrast: Contrast | None = None


@dataclass(frozen=True)
class Comparison:
    """All samples on one metric.

    `best` are the labels of the best mean and of those that cannot be told from it, empty where nothing could have
    been. `detectable` is the smallest true difference to the baseline that so many seeds show with 80 % power.
    """

    metric: Metric
    baseline: Values
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    margin: float | None
    is_judged: bool
    best: tuple[str, ...] = ()
    detectable: float | None = None
    pairs: tuple[Contrast, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a comparison is to say: of which metric, against which baseline, and whether an untuned rate is accepted."""

    metric: Metric
    baseline: Values
    margin: float
    by: str | None = None
    accepts_shared_rate: bool = False
    all_pairs: bool = False
    seeks_best: bool = True


def compare(plan: Plan, records: Mapping[str, TrialRecord], question: Question) -> Comparison:
    """Every arm of the plan, or every value of the factor `by`, against the one with the baseline's values.

    Verdicts are given where the nuisance settings were tuned for each arm, or the question accepts that they were not.
    """
    samples = arm_samples(plan, records, question.metric)
    if question.by is not None:
        samples = marginal_samples(samples, question.by)
    references = find_references(samples, samples, question.baseline)
    seeds = tuple(trial.seed for trial in plan.arms[0][1])
    is_judged = bool(plan.tunings) or question.accepts_shared_rate
    return compare_samples(samples, references, question, seeds=seeds, is_judged=is_judged)


def find_references(samples: Sequence[Sample], among: Sequence[Sample], baseline: Values) -> list[Sample | None]:
    """For each sample the one with the baseline's values and otherwise its own, or the only one with these values."""
    known = {path for sample in among for path, _ in sample.values}
    wanted_of_all = {(path, value) for path, value in baseline if path in known}
    candidates = [one for one in among if wanted_of_all and wanted_of_all <= set(one.values)]
    chosen = dict(baseline)
    found: list[Sample | None] = []
    for sample in samples:
        wanted = tuple((path, chosen.get(path, value)) for path, value in sample.values)
        same = [one for one in candidates if one.values == wanted]
        only = candidates if len(candidates) == 1 else []
        found.append(next(iter(same or only), None))
    return found


def question_of(experiment: Experiment, metric: Metric) -> Question:
    """The comparison that an experiment itself asks for."""
    return Question(metric, experiment.baseline, experiment.margin)


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
    pairs = [
        (sample, reference)
        for sample, reference in zip(samples, references, strict=True)
        if reference is not None and reference is not sample
    ]
    margin = question.margin if metric.unit == "share" else None
    against = {id(one.first): one for one in contrasts(pairs, metric, margin, is_judged=is_judged)}
    rows = tuple(
        Row(
            sample,
            own := estimate(list(sample.by_seed.values())),
            _predicted_sd(sample, own, metric),
            is_baseline=references[index] is sample,
            contrast=against.get(id(sample)),
        )
        for index, sample in enumerate(samples)
    )
    every_pair = combinations(samples, 2) if question.all_pairs else ()
    return Comparison(
        metric=metric,
        baseline=question.baseline,
        seeds=seeds,
        rows=rows,
        margin=margin,
        is_judged=is_judged,
        best=best_set(samples, metric) if question.seeks_best and is_judged else (),
        detectable=_detectable(rows),
        pairs=tuple(contrasts(every_pair, metric, margin, is_judged=is_judged)),
    )


def contrasts(
    pairs: Iterable[tuple[Sample, Sample]], metric: Metric, margin: float | None, *, is_judged: bool
) -> list[Contrast]:
    """One contrast for each pair, p adjusted over all of them by Holm's method, with its verdict."""
    found = [_contrast(first, second, metric) for first, second in pairs]
    tested = [index for index, one in enumerate(found) if one.p is not None]
    for index, adjusted in zip(tested, holm([found[index].p or 0.0 for index in tested]), strict=True):
        found[index] = replace(found[index], p_holm=adjusted)
    return [replace(one, verdict=_verdict(one, metric, margin, len(tested), is_judged=is_judged)) for one in found]


def _common(first: Sample, second: Sample) -> tuple[list[float], list[float]]:
    """The values of both for the seeds that both have."""
    seeds = [seed for seed in first.by_seed if seed in second.by_seed]
    return [first.by_seed[seed] for seed in seeds], [second.by_seed[seed] for seed in seeds]


def _contrast(first: Sample, second: Sample, metric: Metric) -> Contrast:
    direction, is_share = metric.larger_is_better, metric.unit == "share"
    if first.data != second.data:
        a, b = list(first.by_seed.values()), list(second.by_seed.values())
        whole_a, whole_b = _whole(a, b) if is_share else (a, b)
        better = (
            None if direction is None else unpaired_probability_better(whole_a, whole_b, larger_is_better=direction)
        )
        return Contrast(
            first, second, False, unpaired_difference(a, b), unpaired_p(whole_a, whole_b), probability_better=better
        )  # fmt: skip
    a, b = _common(first, second)
    whole_a, whole_b = _whole(a, b) if is_share else (a, b)
    better, interval = None, None
    if direction is not None:
        better = probability_better(whole_a, whole_b, larger_is_better=direction)
        interval = probability_better_interval(whole_a, whole_b, larger_is_better=direction)
    return Contrast(
        first,
        second,
        True,
        estimate(_differences(a, b, metric)),
        sign_flip_p(whole_a, whole_b),
        probability_better=better,
        probability_better_interval=interval,
    )


def _differences(first: Sequence[float], second: Sequence[float], metric: Metric) -> list[float]:
    """Pair by pair; shares to 12 digits, so that equal counts of images give exactly equal differences."""
    found = [a - b for a, b in zip(first, second, strict=True)]
    return [round(one, 12) for one in found] if metric.unit == "share" else found


def _whole(first: Sequence[float], second: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Shares as whole numbers of a unit that all have in common, so that equal counts of images are exactly equal.

    Shares that do not come from counts stay as they are.
    """
    found = [_ratio(value) for value in (*first, *second)]
    unit = math.lcm(*(denominator for _, denominator in found))
    if unit > MAX_UNIT:
        return first, second
    whole = [numerator * (unit // denominator) for numerator, denominator in found]
    return whole[: len(first)], whole[len(first) :]


@lru_cache(maxsize=MAX_REMEMBERED)
def _ratio(share: float) -> tuple[int, int]:
    return Fraction(share).limit_denominator(MAX_DENOMINATOR).as_integer_ratio()


def _verdict(
    contrast: Contrast, metric: Metric, margin: float | None, comparisons: int, *, is_judged: bool
) -> str | None:
    if metric.larger_is_better is None:
        return None
    if not is_judged or contrast.first.doubt or contrast.second.doubt:
        return NOT_JUDGED
    if contrast.p_holm is None:
        return TOO_FEW_SEEDS
    is_share = metric.unit == "share"
    if contrast.is_paired:
        differences = _differences(*_common(contrast.first, contrast.second), metric)
        return verdict(
            contrast.difference, differences, contrast.p_holm, comparisons, margin, metric.larger_is_better,
            is_share=is_share,
        )  # fmt: skip
    sizes = len(contrast.first.by_seed), len(contrast.second.by_seed)
    return unpaired_verdict(
        contrast.difference, sizes, contrast.p_holm, comparisons, metric.larger_is_better, is_share=is_share
    )


def _predicted_sd(sample: Sample, own: Estimate, metric: Metric) -> float | None:
    if metric.name != "test_accuracy" or own.mean is None or not sample.test_images:
        return None
    return predicted_sd(own.mean, sample.test_images)


def best_set(samples: Sequence[Sample], metric: Metric) -> tuple[str, ...]:
    """The sample with the best mean, and all that are not significantly worse, Bonferroni over the k - 1 others.

    Whichever sample is truly best, it is missing from this set in at most 5 % of experiments (Hsu 1981). Empty where
    neither way is better, or where no outcome could have left anything out; samples in doubt are passed over.
    """
    known = [sample for sample in samples if sample.by_seed and not sample.doubt]
    if metric.larger_is_better is None or len(known) < 2:
        return ()
    sign, others = (1 if metric.larger_is_better else -1), len(known) - 1
    best = max(known, key=lambda sample: sign * sum(sample.by_seed.values()) / len(sample.by_seed))
    against = [_contrast(sample, best, metric) for sample in known if sample is not best]
    if smallest_p(max(one.difference.n for one in against), others) > ALPHA:
        return ()
    return (best.label, *(one.first.label for one in against if one.p is None or others * one.p > ALPHA))


def ranked(comparison: Comparison) -> list[Row]:
    """The best mean first (the largest, where neither way is better); samples without a mean last."""
    sign = 1 if comparison.metric.larger_is_better is False else -1
    return sorted(comparison.rows, key=lambda row: (row.own.mean is None, sign * (row.own.mean or 0.0)))


def _detectable(rows: Sequence[Row]) -> float | None:
    """The median over the contrasts of the smallest difference that their seeds show, Bonferroni over all of them.

    Contrasts whose seeds are too few to show any are left out.
    """
    made = [row.contrast for row in rows if row.contrast and row.contrast.is_paired]
    found = [
        detectable_difference(one.difference.n, one.difference.sd, comparisons=len(made))
        for one in made
        if one.difference.sd is not None and smallest_p(one.difference.n, len(made)) <= ALPHA
    ]
    known = [one for one in found if one is not None]
    return median(known) or None if known else None


def separable(comparison: Comparison) -> tuple[str, ...]:
    """The arms that may be set in bold: found better than their baseline, or told from every other arm as the best."""
    if not comparison.is_judged:
        return ()
    found = [row.sample.label for row in comparison.rows if row.contrast and is_better(row.contrast.verdict)]
    doubtful = [row.sample.label for row in comparison.rows if row.sample.doubt]
    alone = [name for name in comparison.best if len(comparison.best) == 1 and name not in doubtful]
    return tuple(dict.fromkeys((*found, *alone)))


def is_better(verdict: str | None) -> bool:
    """Whether a verdict says that the arm is better than its baseline."""
    return (verdict or "").startswith("better")
