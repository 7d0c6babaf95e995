"""Samples: one metric's values by seed, for an arm or for all arms that share a factor's value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from actbench.experiment.identity import images_identity
from actbench.experiment.layers import NetworkSize, network_size
from actbench.experiment.metrics import Metric
from actbench.experiment.naming import SettingValues, label_of
from actbench.experiment.records import Ending, Trial, TrialRecord, count_endings, recorded, sum_endings
from actbench.experiment.settings import TrialSettings
from actbench.plan.looks import MAX_FAILED, values_by_seed
from actbench.plan.plan import Plan
from actbench.statistics.multiple import ALPHA
from actbench.text import counted

NEGATIVE_LOG_LIKELIHOODS = (("identity", "cross_entropy"), ("log_softmax", "nll"), ("log_softmax", "cross_entropy"))


@dataclass(frozen=True)
class Sample:
    """What is compared.

    `by_seed` holds the metric of the trials that have it; `trials` were planned, and `endings` counts how they
    ended: unusable ones `diverged`, `collapsed` (one class for every image) or `failed` (an error). `data` says
    which images were used, however scaled, so that only seeds of equal data are paired. `doubt` is why the sample is
    not judged, or empty. `losses` are those in whose units the metric is, none if it depends on no loss. `folder` is
    set when the samples of several folders are compared. `alpha` is what a test of the sample may spend of 5 %: the
    share of the look that it has come to. `may_be_equivalent` is false if a trial that looks counted is unusable.
    `size` is that of its networks, None where they are of several sizes. `arms` is how many arms it is the mean of;
    trials and endings are of all.
    """

    label: str
    values: SettingValues
    by_seed: Mapping[int, float]
    trials: int
    tuned: SettingValues = ()
    endings: Mapping[Ending, int] = field(default_factory=dict)
    test_images: int = 0
    data: tuple[tuple[str, object], ...] = ()
    doubt: str = ""
    losses: frozenset[str] = frozenset()
    folder: str = ""
    alpha: float = ALPHA
    may_be_equivalent: bool = True
    size: NetworkSize | None = None
    arms: int = 1

    @property
    def failed(self) -> int:
        """How many trials are unusable."""
        return sum(count for ending, count in self.endings.items() if ending != "done")


def loss_unit(settings: TrialSettings) -> str:
    """The loss that these settings train on, by whose name two losses can be compared: equal names, equal units.

    Parameters, such as label smoothing, make it another loss, as does the number of output units that it sums over. An
    output that the loss is not meant for belongs to the name, since it "trains on another loss than its name says".
    The pairs identity and cross_entropy, log_softmax and nll compute the same numbers.
    """
    output, loss = settings.model.output, settings.train.loss
    version = f" ({loss.recorded.checksum.removeprefix('sha256:')[:8]})" if loss.recorded else ""
    name = f"{loss}{version}"
    if (output.name, name) in NEGATIVE_LOG_LIKELIHOODS:
        name = "cross_entropy"
    elif output.entry.yields not in loss.entry.accepts:
        name = f"{name} of {output}"
    return f"{name} over {counted(settings.data.dataset.output_units, 'output unit')}"


def arm_samples(plan: Plan, records: Mapping[str, TrialRecord], metric: Metric) -> list[Sample]:
    """One sample for each arm of the plan."""
    edges = {tuning.arm.values: tuning.edges for tuning in plan.tunings}
    samples = []
    for arm, planned in plan.arms:
        trials, alpha = _looked_at(plan, planned)
        endings = count_endings(recorded(trials, records))
        failed = endings.total() - endings["done"]
        doubts = [f"{path} is at the edge of what was tried" for path in edges.get(arm.values, ())]
        if problem := metric.problem(arm.settings):
            doubts.append(problem.removeprefix(f"{metric.name}: "))
        if not plan.is_tuned():
            doubts.append("tuning has not finished")
        if failed > MAX_FAILED * len(trials):
            doubts.append(f"{failed} of {counted(len(trials), 'trial')} unusable")
        by_seed = values_by_seed(trials, records, metric)
        lost = [one for one in recorded(trials, records) if one.outcome == "diverged" and one.seed not in by_seed]
        if lost and not problem:
            doubts.append(f"{counted(len(lost), 'diverged trial')} without a finite {metric.name}")
        samples.append(
            Sample(
                label=arm.label(),
                values=arm.values,
                by_seed=by_seed,
                trials=len(trials),
                tuned=arm.tuned,
                endings=endings,
                test_images=arm.settings.data.test_count(),
                data=images_identity(arm.settings.data),
                doubt="; ".join(doubts),
                losses=frozenset({loss_unit(arm.settings)} if metric.is_loss else ()),
                alpha=alpha,
                may_be_equivalent=plan.looks is None or not failed,
                size=network_size(arm.settings),
            )
        )
    return samples


def _looked_at(plan: Plan, trials: Sequence[Trial]) -> tuple[Sequence[Trial], float]:
    """The trials up to the latest look, and its share of 5 %; all trials before the first look or without any."""
    if plan.looks is None or not plan.looks.look:
        return trials, ALPHA
    seeds = plan.looks.schedule.seeds
    passed = min(len(trials), plan.looks.passed_seeds())
    return trials[:passed], dict(zip(seeds, plan.looks.schedule.alphas, strict=True)).get(passed, ALPHA)


def marginal_samples(samples: Sequence[Sample], path: str) -> list[Sample]:
    """One sample for each value of a factor: seed by seed the mean over all arms that have it, where each has one."""
    groups: dict[object, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(dict(sample.values)[path], []).append(sample)
    return [_mean_sample(((path, value),), group) for value, group in groups.items()]


def _mean_sample(values: SettingValues, group: Sequence[Sample]) -> Sample:
    common = [seed for seed in group[0].by_seed if all(seed in sample.by_seed for sample in group)]
    return replace(
        group[0],
        label=label_of(values),
        values=values,
        by_seed={seed: sum(sample.by_seed[seed] for sample in group) / len(group) for seed in common},
        trials=sum(sample.trials for sample in group),
        endings=sum_endings(sample.endings for sample in group),
        tuned=(),
        test_images=0,
        doubt=_doubt([sample.doubt for sample in group]),
        losses=frozenset().union(*(sample.losses for sample in group)),
        size=group[0].size if len({sample.size for sample in group}) == 1 else None,
        arms=len(group),
    )


def _doubt(of_arms: Sequence[str]) -> str:
    """The doubts of several arms, each with how many arms have it; the counts in them are of one arm."""
    found = Counter(filter(None, of_arms)).items()
    return "; ".join(f"{doubt} in {count} of {len(of_arms)} arms" if of_arms[1:] else doubt for doubt, count in found)
