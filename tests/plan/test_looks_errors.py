"""Whole experiments with looks, simulated record by record: killed and resumed, with failures, and with ties."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.looks import Looked
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
EXPERIMENTS = 400


@dataclass(frozen=True)
class World:
    """What goes wrong: attempts that fail, trials that collapse, and counts in steps of some images."""

    fails: float = 0.0
    collapses: float = 0.0
    step: int = 1
    gap: int = 0


def simulated(experiment: Experiment, template: TrialRecord, world: World, seed: int) -> Looked:
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
        for trial in missing[: chance.randint(1, len(missing))]:
            known[trial.id] = record(trial)
        if chance.random() < 0.5:  # killed here, and started again
            known = finished_in_looks(experiment, known)
    assert plan.looks is not None
    return plan.looks


def shares_called(word: str, world: World, folder: Path) -> tuple[float, float]:
    """In what share of experiments any arm is called so, and in what share of all arms."""
    experiment = experiment_from(TEXT, folder)
    template = record_of(next(iter(make_plan(experiment).trials().values())), CENTRE)
    found = [simulated(experiment, template, world, seed) for seed in range(EXPERIMENTS)]
    called = [[made[-1].state == word for made in one.decisions if made] for one in found]
    return sum(map(any, called)) / EXPERIMENTS, sum(map(sum, called)) / sum(map(len, called))


WORLDS = {
    "killed and resumed": World(),
    "attempts fail": World(fails=0.05),
    "trials fail and collapse": World(fails=0.02, collapses=0.02),
    "arms tie": World(step=20),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_equal_arms_have_a_false_difference_in_at_most_5_percent(name: str, tmp_path: Path) -> None:
    anywhere, _ = shares_called("different", WORLDS[name], tmp_path)
    assert anywhere <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize("name", ["killed and resumed", "trials fail and collapse"])
def test_arms_at_the_margin_are_called_equivalent_in_at_most_5_percent(name: str, tmp_path: Path) -> None:
    world = WORLDS[name]
    _, each = shares_called("equivalent", World(world.fails, world.collapses, world.step, AT_THE_MARGIN), tmp_path)
    assert each <= 0.05
