"""Curves, decision boundaries and outputs computed from recorded weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from actbench.catalogue.datasets import load
from actbench.checks.initialisers import starting_weights
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.report.figures.decisions import can_be_computed, decisions_picture, network_outputs
from actbench.report.figures.layout import COLUMN, PAGE
from actbench.report.figures.marks import INK, QUIET, Dot, Group, Line
from actbench.store.results import Results, load_results
from actbench.training.loop import train_stack
from program import actbench

THERMOSTAT = """
name: thermostat
data: {dataset: thermostat, validation: 0, scale: none}
model: {hidden: [], init: uniform, bias_init: uniform, output: sigmoid}
train: {loss: bce, optimizer: adam, lr: 0.05, batch_size: full, epochs: 40}
seeds: 3
"""
MOONS = """
name: moons
data: {dataset: moons}
model: {hidden: [8]}
train: {lr: 0.02, batch_size: 32, epochs: 15}
vary: {model.activation: [identity, tanh]}
seeds: 2
"""


def trained(text: str, folder: Path) -> Results:
    (folder / "f.yaml").write_text(text, encoding="utf-8")
    finished = actbench("run", "f.yaml", "--jobs", "1", "-q", folder=folder)
    assert finished.returncode == 0, finished.stderr
    return load_results(None, folder / "results")


@pytest.fixture(scope="module")
def thermostat(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return trained(THERMOSTAT, tmp_path_factory.mktemp("thermostat"))


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return trained(MOONS, tmp_path_factory.mktemp("moons"))


def test_a_perceptron_has_a_curve_before_and_after_training_for_every_seed_and_the_truth(thermostat: Results) -> None:
    picture = decisions_picture(thermostat)
    assert picture is not None
    marks = list(picture.draw(PAGE).walk())
    (group,) = [mark for mark in marks if isinstance(mark, Group)]
    assert len(group.marks) == 3
    assert len([mark for mark in marks if isinstance(mark, Line) and mark.colour == QUIET and mark.dashes]) == 3
    (truth,) = [mark for mark in marks if isinstance(mark, Line) and mark.colour == INK]
    xs = [x for x, _ in truth.points]
    assert len(truth.points) >= 4
    assert (xs[2] - xs[0]) / (xs[-1] - xs[0]) == pytest.approx(130 / 199.9, abs=0.01)
    assert "the black line is the truth" in picture.caption


def test_the_first_curve_is_of_the_weights_that_the_seed_draws(thermostat: Results) -> None:
    (trial, *_) = thermostat.plan.arms[0][1]
    start = starting_weights(trial)
    (record,) = [thermostat.records[trial.id]]
    at_start = next(probe for probe in record.probes if probe.epoch == 0)
    assert start["layer1.weight"][0] == pytest.approx(at_start.weight_norm, rel=1e-5)
    mean = start["layer1.weight"][0] * 12.75 + start["layer1.bias"][0]
    assert at_start.mean == pytest.approx(mean, rel=1e-4)
    assert starting_weights(make_trial(trial.settings, 1)) != start


def test_moons_have_points_and_a_boundary_for_every_seed_straight_without_an_activation(moons: Results) -> None:
    picture = decisions_picture(moons)
    assert picture is not None
    marks = list(picture.draw(PAGE).walk())
    groups = {mark.arm: mark for mark in marks if isinstance(mark, Group)}
    assert list(groups) == ["identity", "tanh"]
    assert len([mark for mark in marks if isinstance(mark, Dot)]) == 2 * 150
    for line in groups["identity"].marks:
        assert isinstance(line, Line)
        (x0, y0), (x1, y1) = line.points[0], line.points[-1]
        for x, y in line.points:
            assert (x - x0) * (y1 - y0) == pytest.approx((y - y0) * (x1 - x0), abs=2 * abs(x1 - x0))
    assert len(groups["tanh"].marks) >= 2
    narrow = picture.draw(COLUMN)
    assert narrow.width == COLUMN.width


def test_of_larger_networks_there_are_boundaries_where_weights_were_kept(tmp_path: Path) -> None:
    larger = MOONS.replace("[8]", "[24]").replace("epochs: 15", "epochs: 2")
    assert decisions_picture(trained(larger, tmp_path)) is None
    kept = trained(larger.replace("name: moons", "name: kept") + "keep: weights\n", tmp_path)
    assert all(not record.parameters for record in kept.records.values())
    picture = decisions_picture(kept)
    assert picture is not None
    assert [mark.arm for mark in picture.draw(PAGE).walk() if isinstance(mark, Group)] == ["identity", "tanh"]


def test_without_weights_or_on_other_data_there_is_none(moons: Results) -> None:
    bare = {key: record.model_copy(update={"parameters": {}}) for key, record in moons.records.items()}
    assert decisions_picture(replace(moons, records=bare)) is None
    assert decisions_picture(replace(moons, records={})) is None


def test_the_page_has_the_picture_in_a_chapter(thermostat: Results) -> None:
    finished = actbench("report", str(thermostat.folder), "--html", "page.html", folder=thermostat.folder.parent)
    assert finished.returncode == 0, finished.stderr
    page = (thermostat.folder.parent / "page.html").read_text(encoding="utf-8")
    assert "What the networks compute" in page
    assert "What the networks give before and after training" in page


CASES: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    ("thermostat", {"hidden": (), "output": "sigmoid", "init": "uniform"}, {"loss": "bce"}, "none"),
    ("thermostat", {"hidden": (3,), "activation": "tanh", "output": "sigmoid"}, {"loss": "bce"}, "unit"),
    ("moons", {"hidden": (6,), "activation": "relu", "output": "log_softmax"}, {"loss": "nll"}, "unit"),
    ("moons", {"hidden": (4, 3), "activation": "gelu", "output": "softmax"}, {"loss": "bce"}, 2.0),
    ("moons", {"hidden": (5,), "activation": {"prelu": {"per_feature": True}}}, {"loss": "nll"}, "none"),
    ("moons", {"hidden": (5,), "activation": {"swish": {"learn": True}}, "output": "identity"},
     {"loss": "cross_entropy"}, "none"),
]  # fmt: skip


def settings_of(dataset: str, model: dict[str, Any], train: dict[str, Any], scale: Any) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": dataset, "train": 600, "test": 500, "scale": scale},
            "model": model,
            "train": {"epochs": 3, "batch_size": 30, "lr": 0.05, **train},
        }
    )


@pytest.mark.parametrize(("dataset", "model", "train", "scale"), CASES)
def test_the_outputs_decide_as_the_network_did_when_it_was_tested(
    dataset: str, model: dict[str, Any], train: dict[str, Any], scale: Any, tmp_path: Path
) -> None:
    settings = settings_of(dataset, model, train, scale)
    arrays = load(settings.data.dataset, tmp_path)
    (record,) = train_stack([make_trial(settings, 3)], arrays, "cpu", lambda epoch: None)
    assert can_be_computed(settings)
    outputs = network_outputs(settings, record.parameters, arrays.test_inputs[:500].astype(float))
    predicted = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
    assert (predicted == arrays.test_labels[:500]).sum() == record.test_correct_count
    counts = numpy.bincount(predicted, minlength=2).tolist()
    assert counts == list(record.test_prediction_counts)
    assert 0 < counts[0] <= 500


@pytest.mark.parametrize(
    ("model", "scale"), [({"hidden": (4,), "batch_norm": True}, "unit"), ({"hidden": (4,)}, "standard")]
)
def test_what_depends_on_more_than_the_weights_is_not_computed(model: dict[str, Any], scale: str) -> None:
    assert not can_be_computed(settings_of("moons", model, {}, scale))
