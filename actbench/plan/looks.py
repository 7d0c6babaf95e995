"""Which arms are settled after which look, so that a plan asks for more seeds of the others only; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isclose

from actbench.experiment.cells import find_references, has_values
from actbench.experiment.definition import Arm, Claim, Experiment
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import SettingValues
from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.tuning import ArmTuning
from actbench.statistics.intervals import ROUNDING, decide, estimate
from actbench.statistics.looks import Decision, Evidence, Schedule, decide_look, make_schedule
from actbench.statistics.sign_flip import sign_flip_p, whole_numbers
from actbench.text import counted

MAX_FAILED = 0.2
MAX_WITHOUT_VALUE = 0.2

ArmTrials = tuple[Arm, tuple[Trial, ...]]


@dataclass(frozen=True)
class LookProgress:
    """How far an experiment with looks has come.

    `decisions` are those of every arm, look by look until it is settled; none for baselines and arms without one.
    `seeds` is how many seeds each arm is given so far, `look` how many looks have passed. `claims` holds for each claim
    the look that settled it, or None; `open_claims` are those without one. `waits` says that a look still lacks trials.
    All of it is about this metric, this baseline and this margin.
    """

    metric: str
    baseline: SettingValues
    margin: float | None
    schedule: Schedule
    decisions: tuple[tuple[Decision, ...], ...]
    seeds: tuple[int, ...]
    look: int
    claims: tuple[int | None, ...]
    open_claims: tuple[str, ...]
    waits: bool

    def confidence_of_claim(self, number: int) -> tuple[int, float]:
        """After how many seeds a claim is decided so far, and with which confidence."""
        settled = self.claims[number]
        look = max(0, self.look - 1) if settled is None else settled
        return self.schedule.seeds[look], 1 - self.schedule.alphas[look]

    def lacks(self) -> str:
        """Why nothing can be said before the first look."""
        return f"the first look, after {self.schedule.seeds[0]} seeds, lacks trials"

    def passed_seeds(self) -> int:
        """After how many seeds the latest look was."""
        return self.schedule.seeds[self.look - 1] if self.look else 0


def schedule_of(experiment: Experiment) -> Schedule | None:
    """The looks as they are taken, the first moved up to where it can decide; None if none are planned."""
    if experiment.looks is None:
        return None
    return make_schedule(experiment.looks.after, experiment.looks.shares, experiment.comparisons())


def seeds_at_first(experiment: Experiment) -> int:
    """How many seeds every arm gets, before any is looked at."""
    schedule = schedule_of(experiment)
    return schedule.seeds[0] if schedule else len(experiment.seeds)


def seeds_range(experiment: Experiment) -> str:
    """`10 seeds`, or `11 to 80 seeds` with looks."""
    first, last = seeds_at_first(experiment), len(experiment.seeds)
    return counted(last, "seed") if first == last else f"{first} to {last} seeds"


def follow_looks(
    experiment: Experiment,
    arms: Sequence[ArmTrials],
    tunings: Sequence[ArmTuning],
    records: Mapping[str, TrialRecord],
    metric: Metric,
) -> LookProgress | None:
    """What the records decide at each look whose trials all have ended; None if the experiment plans no looks.

    `arms` have the trials of all seeds. An arm whose tuned value is at the edge of its grid, or whose baseline's is,
    cannot be judged and gets no trials. Those of a claim get seeds until it is settled, baselines while an arm of
    theirs is open. A trial that failed counts as one that has ended.
    """
    schedule = schedule_of(experiment)
    if schedule is None:
        return None
    all_arms = [arm for arm, _ in arms]
    place = {id(arm): index for index, arm in enumerate(all_arms)}
    references = find_references(all_arms, all_arms, experiment.baseline)
    baselines = [None if one is None else place[id(one)] for one in references]  # its own place for a baseline
    at_edge = {tuning.arm.values for tuning in tunings if tuning.edges}
    margin = experiment.margin_of(metric)
    compared = [index for index, base in enumerate(baselines) if base is not None and base != index]
    edge = [arm.values in at_edge for arm, _ in arms]
    is_open = {index for index in compared if not edge[index] and not edge[baselines[index] or 0]}
    needed = {index for index in range(len(arms)) if not edge[index] and (index in is_open or index not in compared)}
    if compared and not is_open:
        needed = set()
    claims: list[int | None] = [None] * len(experiment.claims)
    decisions: list[list[Decision]] = [[] for _ in arms]
    seeds, look, waits = [0] * len(arms), 0, False
    for look, count in enumerate(schedule.seeds):
        needed |= _of_open_claims(experiment.claims, claims, arms, edge)
        for index in needed:
            seeds[index] = count
        if not needed:
            break
        if waits := any(trial.id not in records for index in needed for trial in arms[index][1][:count]):
            break
        evidence = [
            _evidence(arms[index][1][:count], arms[baselines[index] or 0][1][:count], records, metric)
            if index in is_open
            else None
            for index in range(len(arms))
        ]
        found = sum(made[-1].state == "different" for made in decisions if made)
        for index, decision in enumerate(decide_look(evidence, schedule, look, found, margin)):
            if decision is not None:
                decisions[index].append(decision)
        is_open = {index for index in is_open if decisions[index][-1].state == "open"}
        _settle_claims(claims, experiment.claims, arms, records, schedule, look)
        needed = is_open | {base for index in is_open if (base := baselines[index]) is not None}
    else:
        look = len(schedule.seeds)
    return LookProgress(
        metric.name,
        experiment.baseline,
        margin,
        schedule,
        decisions=tuple(map(tuple, decisions)),
        seeds=tuple(seeds),
        look=look,
        claims=tuple(claims),
        open_claims=tuple(one.text for one, made in zip(experiment.claims, claims, strict=True) if made is None),
        waits=waits,
    )


def _of_open_claims(
    claims: Sequence[Claim], settled: Sequence[int | None], arms: Sequence[ArmTrials], edge: Sequence[bool]
) -> set[int]:
    """The arms of all claims that are not settled."""
    sides = [
        side
        for claim, look in zip(claims, settled, strict=True)
        if look is None
        for side in (claim.arm, claim.reference)
        if side is not None
    ]
    return {
        index
        for index, (arm, _) in enumerate(arms)
        if not edge[index] and any(has_values(arm.values, side) for side in sides)
    }


def _settle_claims(
    settled: list[int | None],
    claims: Sequence[Claim],
    arms: Sequence[ArmTrials],
    records: Mapping[str, TrialRecord],
    schedule: Schedule,
    look: int,
) -> None:
    """Note the look at which the interval of its level decides a claim."""
    count, alpha = schedule.seeds[look], schedule.alphas[look]
    upto = [(arm, trials[:count]) for arm, trials in arms]
    for number, claim in enumerate(claims):
        if settled[number] is None:
            values = claim_values(claim, upto, records)
            interval = estimate(list(values.values()), 1 - alpha).interval
            is_known = count - len(values) <= MAX_WITHOUT_VALUE * count
            if is_known and decide(interval, *bounds(claim, parse_metric(claim.metric))) != "undecided":
                settled[number] = look


def claim_values(claim: Claim, arms: Sequence[ArmTrials], records: Mapping[str, TrialRecord]) -> dict[int, float]:
    """By seed, the number that a claim is about: a mean over its arms, or that of the one side minus the other."""
    metric = parse_metric(claim.metric)
    values = _mean_by_seed(claim.arm, arms, records, metric)
    if claim.reference is None:
        return values
    others = _mean_by_seed(claim.reference, arms, records, metric)
    return {
        seed: 0.0 if isclose(value, others[seed], rel_tol=ROUNDING) else value - others[seed]  # a tie is exactly 0
        for seed, value in values.items()
        if seed in others
    }


def _mean_by_seed(
    values: SettingValues, arms: Sequence[ArmTrials], records: Mapping[str, TrialRecord], metric: Metric
) -> dict[int, float]:
    """The mean of the metric over all arms with these values, for the seeds in which each of them has one."""
    by_arm = [values_by_seed(trials, records, metric) for arm, trials in arms if has_values(arm.values, values)]
    common = [seed for seed in by_arm[0] if all(seed in arm for arm in by_arm)]
    return {seed: sum(arm[seed] for arm in by_arm) / len(by_arm) for seed in common}


def bounds(claim: Claim, metric: Metric) -> tuple[float, float]:
    """Between which numbers the estimate should lie."""
    if claim.is_better:
        return (0.0, inf) if metric.larger_is_better else (-inf, 0.0)
    return claim.lower, claim.upper


def values_by_seed(trials: Sequence[Trial], records: Mapping[str, TrialRecord], metric: Metric) -> dict[int, float]:
    """The metric of an arm's trials by seed, as far as they have one."""
    values = {trial.seed: metric.value(records[trial.id]) for trial in trials if trial.id in records}
    return {seed: value for seed, value in values.items() if value is not None}


def _evidence(
    trials: Sequence[Trial], baseline: Sequence[Trial], records: Mapping[str, TrialRecord], metric: Metric
) -> Evidence:
    """An arm against its baseline on the first seeds, all of whose trials have ended."""
    first, second = values_by_seed(trials, records, metric), values_by_seed(baseline, records, metric)
    pairs = [(first[seed], second[seed]) for seed in first if seed in second]
    a, b = [one for one, _ in pairs], [other for _, other in pairs]
    is_share = metric.is_share
    unusable = [sum(records[one.id].ending() != "done" for one in arm) for arm in (trials, baseline)]
    return Evidence(
        pair_differences(a, b, is_share=is_share),
        sign_flip_p(*(whole_numbers(a, b) if is_share else (a, b))),
        all_trials_usable=not any(unusable),
        is_judged=max(unusable) <= MAX_FAILED * len(trials),
    )


def pair_differences(first: Sequence[float], second: Sequence[float], *, is_share: bool) -> list[float]:
    """Pair by pair; shares to 12 digits, so that equal counts of images give exactly equal differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return [round(difference, 12) for difference in differences] if is_share else differences
