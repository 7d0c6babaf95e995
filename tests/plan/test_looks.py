"""Looks: which trials a plan asks for, given what has been trained."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.claims import judge_claims
from actbench.experiment.definition import Experiment, Looks
from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.looks import pair_differences
from actbench.plan.plan import Plan, finished_in_looks, make_plan, plan_to_json
from actbench.plan.trials import Shard
from actbench.report.looks import look_lines
from actbench.statistics.intervals import estimate
from builders import experiment_from, record_of
from program import actbench

EXPERIMENT = """
name: made-up
data: {dataset: mnist}
model: {hidden: [9000]}
vary: {model.activation: [relu, tanh, gelu, elu]}
seeds: {looks: [11, 20, 40], first: 100}
baseline: {model.activation: relu}
"""
CENTRE = {"relu": 9800, "tanh": 9700, "gelu": 9800, "elu": 9812}
SD = {"relu": 4, "tanh": 4, "gelu": 4, "elu": 12}
AT_LOOK = {"relu": 40, "tanh": 11, "gelu": 11, "elu": 40}


def count_of(trial: Trial) -> int:
    """Test images right: tanh is far below relu, gelu equals it, elu is noisy and stays open for a while."""
    name = trial.settings.model.activation.name
    return CENTRE[name] + round(random.Random(f"{name}{trial.seed}").gauss(0, SD[name]))


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    return experiment_from(EXPERIMENT, tmp_path)


def train(
    experiment: Experiment,
    known: dict[str, TrialRecord],
    *,
    at_most: int = 10_000,
    shard: Shard | None = None,
    record: Callable[[Trial], TrialRecord] = lambda trial: record_of(trial, count_of(trial)),
) -> Plan:
    """Train what the plan asks for until it asks for nothing."""
    while (missing := (plan := make_plan(experiment, known, shard)).missing(known)) and at_most > 0:
        for trial in missing[:at_most]:
            known[trial.id] = record(trial)
        at_most -= len(missing)
    return plan


FAILED = {"outcome": "failed", "test_correct_count": None}
DIVERGED = {"outcome": "diverged", "diverged_epoch": 1}


def losing(name: str, seeds: Container[int], changes: dict[str, Any]) -> Callable[[Trial], TrialRecord]:
    """Records in which these trials of one arm went wrong."""

    def record(trial: Trial) -> TrialRecord:
        is_lost = trial.settings.model.activation.name == name and trial.seed in seeds
        return record_of(trial, **({"test_correct_count": count_of(trial)} | (changes if is_lost else {})))

    return record


def seeds_by_arm(plan: Plan) -> dict[str, int]:
    return {arm.label(): len(trials) for arm, trials in plan.arms}


def test_every_arm_gets_the_first_look_and_then_only_those_that_are_open(experiment: Experiment) -> None:
    known: dict[str, TrialRecord] = {}
    assert seeds_by_arm(make_plan(experiment, known)) == dict.fromkeys(CENTRE, 11)
    assert {trial.seed for trial in make_plan(experiment).trials().values()} == set(range(100, 111))
    plan = train(experiment, known)
    assert seeds_by_arm(plan) == AT_LOOK
    assert len(known) == sum(AT_LOOK.values())
    assert plan.looks is not None
    states = [made[-1].state if made else None for made in plan.looks.decisions]
    assert states[:3] == [None, "different", "equivalent"]


def test_the_decisions_follow_from_the_records_alone_wherever_a_run_was_stopped(experiment: Experiment) -> None:
    whole: dict[str, TrialRecord] = {}
    expected = train(experiment, whole)
    for at_most in (1, 10, 43, 44, 45, 50, 62, 80):
        known: dict[str, TrialRecord] = {}
        train(experiment, known, at_most=at_most)
        assert len(known) == at_most
        assert train(experiment, known) == expected
        shuffled = dict(random.Random(at_most).sample(sorted(known.items()), len(known)))
        assert make_plan(experiment, shuffled) == expected


def test_a_failed_trial_is_tried_again_only_until_its_look_has_passed(experiment: Experiment) -> None:
    fails_once = losing("gelu", [103], FAILED)
    known: dict[str, TrialRecord] = {}
    train(experiment, known, at_most=43, record=fails_once)
    assert len(known) - len(finished_in_looks(experiment, known)) == 1  # the look lacks one more trial
    plan = train(experiment, known, record=fails_once)
    assert finished_in_looks(experiment, known) == known
    assert not plan.missing(finished_in_looks(experiment, known))
    assert seeds_by_arm(plan)["gelu"] > 11  # an unusable trial keeps it from being called equivalent


def test_an_arm_with_many_unusable_trials_gets_no_more_seeds(experiment: Experiment) -> None:
    plan = train(experiment, {}, record=losing("elu", range(103), DIVERGED))
    assert plan.looks is not None
    assert plan.looks.decisions[3][-1].state == "not judged"
    assert seeds_by_arm(plan) == dict.fromkeys(CENTRE, 11)
    later = replace(experiment, looks=Looks((20, 40), ()))
    plan = train(later, {}, record=losing("tanh", range(104), DIVERGED))  # 4 of 20, which are not too many
    assert plan.looks is not None
    assert plan.looks.decisions[1][-1].state == "different"


def test_beside_an_unusable_trial_of_the_baseline_no_arm_is_equivalent(experiment: Experiment) -> None:
    plan = train(experiment, {}, record=losing("relu", [103], DIVERGED))
    assert plan.looks is not None
    assert "equivalent" not in {one.state for made in plan.looks.decisions for one in made}


def claiming(above: float, folder: Path) -> Experiment:
    """The experiment with a claim about gelu."""
    claim = f"{{claim: c, arm: {{model.activation: gelu}}, metric: test_accuracy, above: {above}}}"
    return experiment_from(f"{EXPERIMENT}expect: [{claim}]", folder)


def test_the_arms_of_a_claim_get_seeds_until_the_claim_is_settled(tmp_path: Path) -> None:
    plan = train(claiming(0.97995, tmp_path), {})
    assert plan.looks is not None
    assert seeds_by_arm(plan) == AT_LOOK | {"gelu": 40}
    assert plan.looks.claims == (None,)
    assert "; undecided claim: c; " in look_lines(plan)[0]
    assert plan.looks.confidence_of_claim(0) == (40, 1 - plan.looks.schedule.alphas[2])
    assert [made.seeds for made in plan.looks.decisions[2]] == [11]


def test_a_claim_that_is_settled_keeps_no_arm_open(tmp_path: Path) -> None:
    plan = train(claiming(0.5, tmp_path), {})
    assert plan.looks is not None
    assert seeds_by_arm(plan) == AT_LOOK
    assert plan.looks.claims == (0,)
    assert plan.looks.open_claims == ()
    seeds, confidence = plan.looks.confidence_of_claim(0)
    assert seeds == 11
    assert confidence == pytest.approx(1 - 0.05 / 3)


def test_a_look_at_which_too_many_seeds_have_no_value_settles_no_claim(tmp_path: Path) -> None:
    plan = train(claiming(0.5, tmp_path), {}, record=losing("gelu", range(104), FAILED))
    assert plan.looks is not None
    assert plan.looks.claims == (1,)  # 4 of 11 seeds are too many, and 4 of 20 are not


def test_a_claim_is_settled_and_judged_at_the_level_of_its_look(tmp_path: Path) -> None:
    """Its bound is passed by the interval with 95 % confidence, and not by that of a third of 5 %."""
    trials = next(trials for arm, trials in make_plan(claiming(0.5, tmp_path)).arms if arm.label() == "gelu")
    shares = [count_of(trial) / 10_000 for trial in trials]
    usual, strict = (low for low, _ in filter(None, (estimate(shares, one).interval for one in (0.95, 1 - 0.05 / 3))))
    experiment = claiming((usual + strict) / 2, tmp_path)
    known: dict[str, TrialRecord] = {}
    plan = train(experiment, known, at_most=44)
    assert plan.looks is not None
    assert (plan.looks.look, plan.looks.claims) == (1, (None,))
    (judged,) = judge_claims(experiment.claims, plan, known)
    assert judged.estimate.interval is not None
    assert judged.verdict == "undecided"
    assert judged.estimate.interval[0] == pytest.approx(strict)


def test_shards_share_the_trials_of_every_look_and_wait_for_each_other(experiment: Experiment) -> None:
    whole: dict[str, TrialRecord] = {}
    expected = train(experiment, whole)
    merged: dict[str, TrialRecord] = {}
    for _ in range(4):
        shares: list[dict[str, TrialRecord]] = []
        for number in (1, 2):
            known = dict(merged)
            plan = train(experiment, known, shard=Shard(number, 2))
            shares.append({key: record for key, record in known.items() if key not in merged})
            assert plan.looks is not None
            assert plan.waits() == (plan.looks.look < 2)  # nothing follows the third look
        assert not shares[0].keys() & shares[1].keys()
        assert abs(len(shares[0]) - len(shares[1])) <= 1
        merged |= shares[0] | shares[1]
    assert make_plan(experiment, merged) == expected
    assert merged.keys() == whole.keys()


def test_the_looks_are_frozen_as_they_are_taken(experiment: Experiment) -> None:
    early = replace(experiment, looks=Looks((3, 20, 40), (0.02, 0.02, 0.01)))
    frozen = plan_to_json(early, make_plan(early))
    assert frozen["looks"] == {"after": [9, 20, 40], "alpha": [0.02, 0.02, 0.01]}
    assert frozen == plan_to_json(early, train(early, {}))


@pytest.mark.parametrize(("edge", "without"), [("tanh", ["tanh"]), ("relu", CENTRE)], ids=["arm", "baseline"])
def test_arms_get_no_final_trials_where_they_or_their_baseline_are_at_the_edge_of_a_grid(
    edge: str, without: Iterable[str], tmp_path: Path
) -> None:
    text = EXPERIMENT + "tune: {train.lr: [1e-3, 1e-2, 1e-1]}\ntuning_seeds: 1\n"
    experiment = experiment_from(text, tmp_path)

    def tuned(trial: Trial) -> TrialRecord:
        rate, name = trial.settings.train.lr, trial.settings.model.activation.name
        record = record_of(trial, count_of(trial))
        right = round(1000 * rate) if name == edge else 100 - round(1000 * abs(rate - 1e-2))
        counts = (right + 1000,) * trial.settings.train.epochs
        curves = record.curves.model_copy(update={"validation_correct_count": counts})
        return record.model_copy(update={"curves": curves})

    plan = train(experiment, {}, record=tuned)
    assert seeds_by_arm(plan) == AT_LOOK | dict.fromkeys(without, 0)
    assert plan.looks is not None
    assert plan.looks.schedule.comparisons == 3


def test_everything_counts_the_first_look_where_it_is_taken(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("gelu, elu]", "gelu, elu, selu, mish, swish, sigmoid]").replace("[11,", "[9,")
    (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
    moved = "First look after 10 seeds, not 9, which could decide nothing of 7 comparisons."
    valid = actbench("validate", "f.yaml", folder=tmp_path)
    assert valid.stdout == "f.yaml: valid; 8 arms x 10 to 40 seeds = 80 to 320 trials\n"
    assert valid.stderr == f"warning: {moved}\n"
    for verb in (["plan"], ["run", "--dry-run"]):
        assert moved in " ".join(actbench(*verb, "f.yaml", folder=tmp_path).stdout.split())


def test_pairs_with_equally_many_images_more_have_one_difference() -> None:
    assert len(set(pair_differences([0.3, 0.2, 0.9], [0.2, 0.1, 0.8], is_share=True))) == 1
