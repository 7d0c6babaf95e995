"""The metric that decides, its margin, and tuning by the same metric on validation images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.config.reader import read_experiment
from actbench.config.source import write_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.metrics import parse_metric
from program import actbench

TEXT = "data: {dataset: digits}\nvary: {model.activation: [relu, tanh]}\nbaseline: {model.activation: relu}\nseeds: 3\n"


def read(text: str) -> Experiment:
    return read_experiment(text, "f.yaml", "f").experiment


def test_accuracy_decides_unless_the_file_says_otherwise() -> None:
    experiment = read(TEXT)
    assert (experiment.primary, experiment.tuned_by(), experiment.margin) == (
        "test_accuracy",
        "validation_accuracy",
        0.001,
    )
    assert experiment.margin_of(parse_metric("validation_accuracy@2")) == 0.001
    assert experiment.margin_of(parse_metric("test_nll")) is None


def test_another_metric_has_no_margin_until_it_is_given_one() -> None:
    without = read(TEXT + "primary: test_nll\n")
    assert (without.margin, without.tuned_by()) == (None, "validation_nll")
    given = read(TEXT + "primary: test_nll\nmargin: 2\n")
    assert given.margin_of(parse_metric("test_nll")) == 2.0
    assert given.margin_of(parse_metric("test_accuracy")) is None
    usual = read(TEXT + "primary: test_nll\nmargin: 0.001\n")  # what accuracies have without a margin
    assert usual.margin == 0.001
    for experiment in (without, given, usual):
        assert read(write_yaml(experiment_to_yaml(experiment))) == experiment


@pytest.mark.parametrize(("line", "message"), [
    ("primary: accuracy", "5:1: primary: expected one of test_accuracy, test_loss, "),
    ("primary: 3", "5:1: primary: expected one of test_accuracy, test_loss, "),
    ("primary: test_nll\nmargin: 0", "6:1: margin: expected a difference in test_nll above 0, found 0"),
    ("margin: 2", "5:1: margin: expected a difference in accuracy as a fraction, such as 0.001, found 2"),
    ("primary: test_nll\nmodel: {output: tanh}\ntrain: {loss: mse}",
     "5:1: primary: test_nll: tanh with mse gives no probabilities"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_place(line: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(TEXT + line)
    assert f"f.yaml:{message}" in str(caught.value)


def test_tuning_chooses_by_it_and_compare_reports_it(tmp_path: Path) -> None:
    text = TEXT + "primary: test_brier\nmargin: 0.5\nmodel: {hidden: [8]}\ntrain: {epochs: 2}\n"
    (tmp_path / "e.yaml").write_text(text + "tune: {train.lr: [1e-3, 1e-2]}\ntuning_seeds: 1\n")
    assert actbench("run", "e.yaml", "--jobs", "1", "--allow-unusable", folder=tmp_path).returncode == 0
    compared = json.loads(actbench("compare", "--format", "json", folder=tmp_path).stdout)
    assert compared["metric"] == "test_brier"
    assert compared["margin"] == 0.5
    plan = json.loads((tmp_path / "results" / "e" / "plan.json").read_text())
    assert (plan["metric"], plan["margin"]) == ("test_brier", 0.5)
    header = (tmp_path / "results" / "e" / "tuning.csv").read_text().splitlines()[0]
    assert "mean_validation_brier" in header
    assert "Descriptive" in actbench("compare", "--metric", "test_nll", "--explain", folder=tmp_path).stdout
    verified = actbench("verify", "results/e", folder=tmp_path)
    assert verified.returncode == 0
