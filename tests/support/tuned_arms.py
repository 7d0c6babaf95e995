"""Made-up tuning: records whose validation counts follow a score of the trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Curves, Outcome, Trial, TrialRecord
from actbench.plan.plan import Plan, make_plan
from actbench.plan.tuning import ArmTuning
from builders import record_of

Score = Callable[[Trial], int]
Records = dict[str, TrialRecord]

ONE_ARM = "model: {hidden: [4]}\ntrain: {epochs: 2}\nseeds: 3\ntuning_seeds: 2\n"
TWO_ARMS = f"{ONE_ARM}vary: {{model.activation: [relu, tanh]}}\n"
RATES = "tune: {train.lr: [1e-3, 1e-2, 1e-1]}\n"


def tuning_record(trial: Trial, right: int, outcome: Outcome = "done") -> TrialRecord:
    """A record as tuning leaves it: without test figures, and better in its first epoch the worse it is in its last."""
    changes = {"outcome": outcome, "test_correct_count": None, "test_loss": None}
    curves = Curves(
        train_loss=(1.0, 1.0),
        train_correct_count=(1, 1),
        validation_loss=(1.0, 1.0),
        validation_correct_count=(1000 - right, right),
    )
    return record_of(trial).model_copy(update=changes | {"curves": Curves() if outcome == "failed" else curves})


def missing_trials(plan: Plan, records: Records) -> list[Trial]:
    return [one for key, one in plan.trials().items() if one.phase == "tune" and key not in records]


def tuned(experiment: Experiment, score: Score, outcome: Callable[[Trial], Outcome] = lambda trial: "done") -> Records:
    """The records of all tuning trials, made one stage after the other until no more are asked for."""
    records: Records = {}
    while missing := missing_trials(make_plan(experiment, records), records):
        records |= {one.id: tuning_record(one, score(one), outcome(one)) for one in missing}
    return records


def tuning_of(experiment: Experiment, score: Score) -> ArmTuning:
    """The finished tuning of an experiment's only arm."""
    (tuning,) = make_plan(experiment, tuned(experiment, score)).tunings
    assert tuning.is_settled()
    return tuning


def tried(tuning: ArmTuning, path: str) -> list[Any]:
    """The values of a setting that were tried, each once, in the order of the candidates."""
    return list(dict.fromkeys(dict(candidate.values)[path] for candidate in tuning.candidates))


def best_at(path: str, best: Any) -> Score:
    """A score that is right for one value only."""
    section, field = path.split(".")
    return lambda trial: 200 if getattr(getattr(trial.settings, section), field) == best else 100


def larger_is_better(path: str) -> Score:
    section, field = path.split(".")
    return lambda trial: round(1e6 * getattr(getattr(trial.settings, section), field))


def smaller_is_better(path: str) -> Score:
    section, field = path.split(".")
    return lambda trial: -round(1e9 * getattr(getattr(trial.settings, section), field))
