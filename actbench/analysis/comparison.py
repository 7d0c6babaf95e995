"""Samples against each other on one metric: paired by seed, over every trial, failed ones counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from actbench.analysis.power import detectable_difference
from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.analysis.statistics import (
    ALPHA,
    Estimate,
    estimate,
    holm,
    predicted_sd,
    probability_better,
    probability_better_interval,
    sign_flip_p,
    unpaired_difference,
    unpaired_p,
    unpaired_probability_better,
)
from actbench.analysis.verdicts import unpaired_verdict, verdict
from actbench.experiment import Experiment, Values
from actbench.metrics import Metric
from actbench.plan import Plan
from actbench.records import TrialRecord

NOT_JUDGED = "not judged"
GRID = 1e-9


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
    every_pair = [(first, second) for number, first in enumerate(samples) for second in samples[number + 1 :]]
    return Comparison(
        metric=metric,
        baseline=question.baseline,
        seeds=seeds,
        rows=rows,
        margin=margin,
        is_judged=is_judged,
        best=best_set(samples, metric) if question.seeks_best else (),
        detectable=_detectable(rows),
        pairs=tuple(contrasts(every_pair, metric, margin, is_judged=is_judged)) if question.all_pairs else (),
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
    direction = metric.larger_is_better
    if first.data != second.data:
        a, b = list(first.by_seed.values()), list(second.by_seed.values())
        better = None if direction is None else unpaired_probability_better(a, b, larger_is_better=direction)
        return Contrast(
            first, second, False, unpaired_difference(a, b), unpaired_p(_on_a_grid(a), _on_a_grid(b)),
            probability_better=better,
        )  # fmt: skip
    a, b = _common(first, second)
    grid_a, grid_b = _on_a_grid(a), _on_a_grid(b)
    better, interval = None, None
    if direction is not None:
        better = probability_better(grid_a, grid_b, larger_is_better=direction)
        interval = probability_better_interval(grid_a, grid_b, larger_is_better=direction)
    return Contrast(
        first,
        second,
        True,
        estimate([x - y for x, y in zip(a, b, strict=True)]),
        sign_flip_p(grid_a, grid_b),
        probability_better=better,
        probability_better_interval=interval,
    )


def _on_a_grid(values: Sequence[float]) -> list[float]:
    """Values as whole multiples of 1e-9, so that equal counts of correct images give exactly equal differences."""
    return [round(value / GRID) for value in values]


def _verdict(
    contrast: Contrast, metric: Metric, margin: float | None, comparisons: int, *, is_judged: bool
) -> str | None:
    if metric.larger_is_better is None:
        return None
    if not is_judged or contrast.first.doubt or contrast.second.doubt or contrast.p_holm is None:
        return NOT_JUDGED
    is_share = metric.unit == "share"
    if contrast.is_paired:
        a, b = _common(contrast.first, contrast.second)
        differences = [x - y for x, y in zip(a, b, strict=True)]
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
    """The sample with the best mean, and all that p (Holm) does not tell from it; empty where neither way is better."""
    known = [sample for sample in samples if sample.by_seed]
    if metric.larger_is_better is None or len(known) < 2:
        return ()
    sign = 1 if metric.larger_is_better else -1
    best = max(known, key=lambda sample: sign * sum(sample.by_seed.values()) / len(sample.by_seed))
    others = contrasts([(sample, best) for sample in known if sample is not best], metric, None, is_judged=False)
    return (best.label, *(one.first.label for one in others if one.p_holm is None or one.p_holm >= ALPHA))


def _detectable(rows: Sequence[Row]) -> float | None:
    """The median over the contrasts of the smallest difference that their seeds show, Bonferroni over all of them."""
    made = [row.contrast for row in rows if row.contrast and row.contrast.is_paired]
    found = [
        detectable_difference(one.difference.n, one.difference.sd, comparisons=len(made))
        for one in made
        if one.difference.sd is not None
    ]
    known = [one for one in found if one is not None]
    return median(known) or None if known else None
