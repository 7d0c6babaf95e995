"""The plan: an experiment's arms and their trials, as far as the tuning so far determines them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from actbench.experiment.choices import custom_choices
from actbench.experiment.compatibility import conflicts
from actbench.experiment.definition import PRIMARY_METRIC, Arm, Experiment, with_values
from actbench.experiment.identity import equal_arms
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import SettingValues, values_to_yaml
from actbench.experiment.records import Phase, Trial, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.looks import LookProgress, follow_looks, seeds_at_first
from actbench.plan.trials import Shard, make_trials
from actbench.plan.tuning import ArmTuning, tune_arm

NOT_FROZEN = ("warnings", "earlier", "checksum")
PLAN_SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """The final trials of every arm, in the order of the seeds, and the tuning before them.

    While any arm is being tuned, no arm has final trials: the whole plan is frozen before the first of them. A `shard`
    has its share of the final trials, and the tuning of its share of the arms (all tuning once every arm is settled),
    since an arm's grid grows by all of its trials. With `looks` an arm has the trials up to the look that settled it,
    and a shard its share of those between any two looks. `primary` is the metric that decides.
    """

    arms: tuple[tuple[Arm, tuple[Trial, ...]], ...]
    tunings: tuple[ArmTuning, ...] = ()
    is_timed: bool = False
    shard: Shard | None = None
    looks: LookProgress | None = None
    primary: str = PRIMARY_METRIC

    def is_tuned(self) -> bool:
        """Whether tuning is complete, so that the final trials are known."""
        return all(tuning.is_settled() for tuning in self.tunings)

    def trials(self) -> dict[str, Trial]:
        """Distinct known trials by id, tuning first."""
        tunings = self.shard.share(self.tunings) if self.shard and not self.is_tuned() else self.tunings
        tuned = (trial for tuning in tunings for trial in tuning.trials())
        final = (trial for part in self._parts() for trial in (self.shard.share(part) if self.shard else part))
        return {trial.id: trial for trial in (*tuned, *final)}

    def _parts(self) -> Iterator[list[Trial]]:
        """The distinct final trials, those before the first look, then those before the second, and so on."""
        ends = self.looks.schedule.seeds if self.looks else (None,)
        for start, end in zip((0, *ends), ends, strict=False):
            yield list({trial.id: trial for _, trials in self.arms for trial in trials[start:end]}.values())

    def waits(self) -> bool:
        """Whether trials of other shards have to come first: of the tuning, or before a look that is not the last."""
        looks = self.looks
        return not self.is_tuned() or (looks is not None and looks.waits and not looks.schedule.is_last(looks.look))

    def trials_by_arm(self) -> Iterator[tuple[Arm, SettingValues, Trial]]:
        """Every trial with its arm and tuned values, tuning first."""
        for tuning in self.tunings:
            for candidate in tuning.candidates:
                yield from ((tuning.arm, candidate.values, trial) for trial in candidate.trials)
        for arm, trials in self.arms:
            yield from ((arm, arm.tuned, trial) for trial in trials)

    def missing(self, known: Container[str]) -> list[Trial]:
        """The trials that are not trained yet, given the ids of those that are."""
        return [trial for key, trial in self.trials().items() if key not in known]


def make_plan(
    experiment: Experiment,
    records: Mapping[str, TrialRecord] | None = None,
    shard: Shard | None = None,
    training_code: int | None = None,
) -> Plan:
    """The plan of an experiment, given the records of its finished trials; `training_code` as for `make_trial`."""
    arms = tuple(experiment.arms())
    is_timed = any(parse_metric(claim.metric).is_timed for claim in experiment.claims)
    tunings = tuple(tune_arm(experiment, arm, records or {}, training_code) for arm in arms) if experiment.tune else ()
    if not all(tuning.is_settled() for tuning in tunings):
        return Plan(tuple((arm, ()) for arm in arms), tunings, is_timed, shard, primary=experiment.primary)
    if tunings:
        arms = tuple(
            replace(arm, settings=with_values(arm.settings, tuning.chosen or ()), tuned=tuning.chosen or ())
            for arm, tuning in zip(arms, tunings, strict=True)
        )
    final = tuple((arm, make_trials(arm.settings, experiment.seeds, "final", training_code)) for arm in arms)
    looks = follow_looks(experiment, final, tunings, records or {}, parse_metric(experiment.primary))
    if looks:
        final = tuple((arm, trials[:count]) for (arm, trials), count in zip(final, looks.seeds, strict=True))
    return Plan(final, tunings, is_timed, shard, looks, experiment.primary)


def finished_in_looks(
    experiment: Experiment, records: Mapping[str, TrialRecord], training_code: int | None = None
) -> dict[str, TrialRecord]:
    """The trials that need no training; failed ones are retried, except before a look that has passed."""
    done = finished(records)
    if experiment.looks is None:
        return done
    ended = done | {key: record for key, record in records.items() if record.phase == "final"}
    plan = make_plan(experiment, ended, training_code=training_code)
    passed = plan.looks.passed_seeds() if plan.looks else 0
    return done | {trial.id: ended[trial.id] for _, trials in plan.arms for trial in trials[:passed]}


def finished(records: Mapping[str, TrialRecord]) -> dict[str, TrialRecord]:
    """The trials that need no training; failed ones are retried."""
    return {key: record for key, record in records.items() if record.outcome != "failed"}


def finished_for_shard(
    own: Mapping[str, TrialRecord], merged: Mapping[str, TrialRecord], *, with_looks: bool = False
) -> dict[str, TrialRecord]:
    """The trials that a shard need not train; failed ones count once merged, else shards would wait for each other."""
    tried = {key: record for key, record in merged.items() if record.phase == "tune" or with_looks}
    return tried | finished(merged) | finished(own)


def count_trials(experiment: Experiment, plan: Plan, known: Container[str]) -> tuple[int, int]:
    """How many distinct trials are planned, final ones after unfinished tuning included, and how many are known.

    A shard's plan counts none after its tuning.
    """
    trials = plan.trials()
    planned = len(trials) + experiment.arm_count() * seeds_after_tuning(experiment, plan)
    return planned, sum(trial in known for trial in trials)


def seeds_after_tuning(experiment: Experiment, plan: Plan) -> int:
    """How many final trials each arm gets once its tuning has finished; none where that is done, or in a shard."""
    return 0 if plan.is_tuned() or plan.shard else seeds_at_first(experiment)


def settings_to_do(
    experiment: Experiment, plan: Plan, known: Container[str]
) -> tuple[tuple[TrialSettings, Phase], ...]:
    """Settings and phase of every trial without a record, final ones with untuned settings before tuning is done."""
    found = [(trial.settings, trial.phase) for trial in plan.missing(known)]
    seeds = range(seeds_after_tuning(experiment, plan))
    return (*found, *((arm.settings, "final") for arm, _ in plan.arms for _ in seeds))


def plan_to_json(experiment: Experiment, plan: Plan) -> dict[str, Any]:
    """What will be compared, and how; it depends on no final trial."""
    edges, looks = {one.arm.values: list(one.edges) for one in plan.tunings}, plan.looks and plan.looks.schedule
    own = {
        f"{one.kind} {one.name}": recorded.checksum
        for arm, _ in plan.arms
        for one, recorded in custom_choices(arm.settings).items()
    }
    frozen = {
        "schema": PLAN_SCHEMA,
        "metric": experiment.primary,
        "margin": experiment.margin,
        "baseline": values_to_yaml(experiment.baseline),
        **({"match": experiment.match} if experiment.match else {}),
        "seeds": list(experiment.seeds),
        **({"looks": {"after": list(looks.seeds), "alpha": list(looks.alphas)}} if looks else {}),
        "tuning_seeds": experiment.tuning_seeds if experiment.tune else 0,
        **({} if experiment.tuning_margin is None else {"tuning_margin": experiment.tuning_margin}),
        "arms": [
            {"arm": arm.to_yaml(), "tuned": values_to_yaml(arm.tuned), "at_edge": edges.get(arm.values, [])}
            for arm, _ in plan.arms
        ],
        **({"own": own} if own else {}),
        "claims": [claim.to_record() for claim in experiment.claims],
        "warnings": [
            *dict.fromkeys(
                one.message for arm, _ in plan.arms for one in conflicts(arm.settings) if not one.impossible
            ),
            *(pair.message for pair in equal_arms(arm for arm, _ in plan.arms)),
        ],
    }
    return {**frozen, "checksum": plan_checksum(frozen)}


def plan_checksum(plan: Mapping[str, Any]) -> str:
    """The SHA-256 of a plan without its warnings, checksum and earlier plans."""
    frozen = {key: value for key, value in plan.items() if key not in NOT_FROZEN}
    text = json.dumps(frozen, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def is_same_plan(recorded: Mapping[str, Any], plan: Mapping[str, Any]) -> bool:
    """Whether a recorded plan equals another, ignoring warnings, and claims if it records none."""
    ignored = {*NOT_FROZEN} | ({"claims"} - recorded.keys())
    return all(recorded.get(key) == plan.get(key) for key in (recorded.keys() | plan.keys()) - ignored)
