"""Comparisons of an experiment's arms on one metric, each with its baseline, as planned or at a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

from actbench.analysis.contrasts import Contrast, best_set, common_values, contrasts
from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.analysis.verdicts import NOT_JUDGED, TOO_FEW_SEEDS, ArmVerdict, verdict_at_look
from actbench.experiment.cells import find_references
from actbench.experiment.definition import Experiment
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues, short_label
from actbench.experiment.records import TrialRecord
from actbench.plan.looks import LookProgress
from actbench.plan.plan import Plan
from actbench.statistics.intervals import Estimate, estimates, predicted_sd, probability_better
from actbench.statistics.looks import Decision
from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import detectable_difference
from actbench.statistics.sign_flip import smallest_p

NOTHING_TUNED = "nothing was tuned for each arm"


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


def _predicted_sd(sample: Sample, own: Estimate, metric: Metric) -> float | None:
    if metric.name != "test_accuracy" or own.mean is None or not sample.test_images:
        return None
    return predicted_sd(own.mean, sample.test_images)


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
