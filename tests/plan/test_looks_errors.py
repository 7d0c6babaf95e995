"""Whole experiments with looks, simulated record by record: killed and resumed, with failures, and with ties.

`pytest -m simulation` makes as many experiments as it takes to tell 5 % from 6.4 %.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.looks import LookProgress
from actbench.plan.plan import finished_in_looks, make_plan
from builders import experiment_from, record_of

TEXT = """
name: made-up
data: {dataset: mnist}
model: {hidden: [4]}
train: {epochs: 1}
vary: {model.activation: [relu, tanh, gelu, elu, swish]}
seeds: {looks: [11, 20, 40], first: 100}
baseline: {model.activation: relu}
margin: 0.001
"""
CENTRE, SD, AT_THE_MARGIN = 9800, 10, 10  # images of 10,000: the margin is 10 of them
EXPERIMENTS = [pytest.param(60, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.simulation)]


@dataclass(frozen=True)
class World:
    """What goes wrong: attempts that fail, trials that collapse, and counts in steps of some images."""

    fails: float = 0.0
    collapses: float = 0.0
    step: int = 1
    gap: int = 0


def simulated(experiment: Experiment, template: TrialRecord, world: World, seed: int) -> LookProgress:
    """One experiment that is killed again and again, always continues, and tries failed trials again where it may."""
    chance = random.Random(seed)
    counts: dict[str, int] = {}

    def record(trial: Trial) -> TrialRecord:
        fields = {"trial": trial.id, "seed": trial.seed, "settings": trial.settings}
        if chance.random() < world.fails:
            return template.model_copy(
                update=fields | {"outcome": "failed", "test_correct_count": None, "test_loss": None}
            )
        is_base = trial.settings.model.activation.name == "relu"
        drawn = CENTRE + (0 if is_base else world.gap) + chance.gauss(0, SD)
        count = counts.setdefault(trial.id, world.step * round(drawn / world.step))
        collapsed = {"test_correct_count": 980, "test_prediction_counts": (0, 10_000)}
        return template.model_copy(
            update=fields | (collapsed if chance.random() < world.collapses else {"test_correct_count": count})
        )

    known: dict[str, TrialRecord] = {}
    while missing := (plan := make_plan(experiment, known)).missing(known):
        is_killed = chance.random() < 0.5
        for trial in missing[: chance.randint(1, len(missing)) if is_killed else None]:
            known[trial.id] = record(trial)
        if is_killed:  # and started again
            known = finished_in_looks(experiment, known)
    assert plan.looks is not None
    return plan.looks


def at_most_5_percent(experiments: int) -> float:
    """What a share of 5 % exceeds by chance in one of 40 simulations of so many experiments."""
    return 0.05 + 2 * math.sqrt(0.05 * 0.95 / experiments)


def shares_called(word: str, world: World, experiments: int, folder: Path) -> tuple[float, float]:
    """In what share of experiments any arm is called so, and in what share of all arms."""
    experiment = experiment_from(TEXT, folder)
    template = record_of(next(iter(make_plan(experiment).trials().values())), CENTRE)
    found = [simulated(experiment, template, world, seed) for seed in range(experiments)]
    called = [[made[-1].state == word for made in one.decisions if made] for one in found]
    return sum(map(any, called)) / experiments, sum(map(sum, called)) / sum(map(len, called))


WORLDS = {
    "killed and resumed": World(),
    "attempts fail": World(fails=0.05),
    "trials fail and collapse": World(fails=0.02, collapses=0.02),
    "arms tie": World(step=20),
}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("experiments", EXPERIMENTS)
def test_equal_arms_have_a_false_difference_in_at_most_5_percent(name: str, experiments: int, tmp_path: Path) -> None:
    anywhere, _ = shares_called("different", WORLDS[name], experiments, tmp_path)
    assert anywhere <= at_most_5_percent(experiments)


@pytest.mark.parametrize("name", ["killed and resumed", "trials fail and collapse"])
@pytest.mark.parametrize("experiments", EXPERIMENTS)
def test_arms_at_the_margin_are_called_equivalent_in_at_most_5_percent(
    name: str, experiments: int, tmp_path: Path
) -> None:
    world = replace(WORLDS[name], gap=AT_THE_MARGIN)
    _, each = shares_called("equivalent", world, experiments, tmp_path)
    assert each <= at_most_5_percent(experiments)
