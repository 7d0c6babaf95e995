"""One verdict for each arm over several experiments, where n is the experiments and not their seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from statistics import fmean

from actbench.analysis.contrasts import Contrast, common_values, contrasts, paired_differences
from actbench.analysis.samples import Sample
from actbench.analysis.verdicts import TOO_FEW_FOLDERS, TOO_FEW_SEEDS, ArmVerdict
from actbench.experiment.cells import find_references
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues, short_label
from actbench.statistics.across import critical_difference, mean_ranks, performance_profile, rank_groups, sd_between
from actbench.statistics.intervals import estimate
from actbench.text import listed

DISTANCES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)


@dataclass(frozen=True)
class ArmAcross:
    """An arm over experiments: its mean in each, and its contrast with the baseline, by experiment instead of seed."""

    label: str
    values: SettingValues
    means: tuple[float, ...]
    mean_rank: float
    profile: tuple[float, ...]
    contrast: Contrast | None = None


@dataclass(frozen=True)
class Across:
    """All arms that every experiment has, the best mean rank first, with the critical difference of these ranks.

    `groups` are the first and the last of arms whose ranks differ by less than that. `pairs` are all pairs, a family of
    their own, if these were asked for. `left_out` has the other arms, each with the folders that lack a value of it;
    in those `with_shared_rate` all arms have the same learning rate. `between` has the sd of the true difference
    between experiments, by labels.
    """

    metric: Metric
    baseline: str
    folders: tuple[str, ...]
    arms: tuple[ArmAcross, ...]
    critical_difference: float
    groups: tuple[tuple[int, int], ...]
    margin: float | None
    between: Mapping[tuple[str, str], float | None]
    pairs: tuple[Contrast, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    with_shared_rate: tuple[str, ...] = ()

    def contrasts(self) -> list[Contrast]:
        """Every arm against the baseline."""
        return [arm.contrast for arm in self.arms if arm.contrast]


def compare_across(
    samples: Sequence[tuple[str, Sequence[Sample]]],
    metric: Metric,
    baseline: SettingValues,
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
    labels = [base.label, *(label for label in labels if label != base.label)]
    scores = [[fmean(arms[label].by_seed.values()) for label in labels] for arms in by_label]
    larger = bool(metric.larger_is_better)
    ranks = mean_ranks(scores, larger_is_better=larger)
    profiles = performance_profile(scores, DISTANCES, larger_is_better=larger)

    def judged(pairs: Iterable[tuple[str, str]]) -> list[Contrast]:
        family = contrasts([_over_folders(by_label, *pair) for pair in pairs], metric, margin, why_not)
        return [
            replace(one, decided=ArmVerdict(TOO_FEW_FOLDERS)) if one.word == TOO_FEW_SEEDS else one for one in family
        ]

    made = {one.first.label: one for one in judged((label, base.label) for label in labels[1:])}
    arms = [
        ArmAcross(label, by_label[0][label].values, means, rank, tuple(profile), made.get(label))
        for label, means, rank, profile in zip(labels, zip(*scores, strict=True), ranks, profiles, strict=True)
    ]
    ordered = sorted(arms, key=lambda arm: arm.mean_rank)
    critical = critical_difference(len(arms), len(samples))
    pairs = judged(combinations([arm.label for arm in ordered], 2)) if all_pairs else []
    named = [(one.first.label, one.second.label) for one in (*made.values(), *pairs)]
    return Across(
        metric,
        base.label,
        tuple(name for name, _ in samples),
        tuple(ordered),
        critical,
        rank_groups([arm.mean_rank for arm in ordered], critical),
        margin,
        {pair: _between(by_label, *pair, metric) for pair in named},
        tuple(pairs),
        _left_out(samples, labels),
    )


def _left_out(samples: Sequence[tuple[str, Sequence[Sample]]], compared: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The arms that are not compared, and in which folders they have no value."""
    known = {folder: {sample.label for sample in arms if sample.by_seed} for folder, arms in samples}
    every = dict.fromkeys(sample.label for _, arms in samples for sample in arms)
    return {
        label: tuple(folder for folder, labels in known.items() if label not in labels)
        for label in every
        if label not in compared
    }


def _over_folders(by_label: Sequence[Mapping[str, Sample]], first: str, second: str) -> tuple[Sample, Sample]:
    """Two arms as samples whose seeds are the folders: in each the mean over the seeds that both have."""
    pairs = [(arms[first], arms[second]) for arms in by_label]
    common = {folder: both for folder, pair in enumerate(pairs) if (both := common_values(*pair))[0]}
    doubts = [sample.doubt for pair in pairs for sample in pair if sample.doubt]
    if len(common) < len(pairs):
        doubts.append(f"{first} and {second} have no seed in common in one folder")
    # Rounded once, so that the exact test finds the fractions again, and equal sums of images are ties.
    one, other = ({folder: fmean(both[index]) for folder, both in common.items()} for index in (0, 1))
    doubt = doubts[0] if doubts else ""
    return Sample(first, (), one, len(pairs), doubt=doubt), Sample(second, (), other, len(pairs))


def _between(by_label: Sequence[Mapping[str, Sample]], first: str, second: str, metric: Metric) -> float | None:
    found = [estimate(paired_differences(arms[first], arms[second], metric)) for arms in by_label]
    known = [(one.mean, (one.sd or 0.0) / math.sqrt(one.n)) for one in found if one.mean is not None]
    return sd_between(*zip(*known, strict=True)) if len(known) > 1 else None
