"""Experiments: arms and what they are called, how a user names one, and the tiny version for CI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from actbench.experiment.choices import parse_choice
from actbench.experiment.definition import NAME_LENGTH, experiment_to_yaml, parse_arm, smoke_version
from actbench.experiment.metrics import parse_metric
from actbench.plan.plan import make_plan
from actbench.store.folder import write_experiment
from actbench.store.names import EXPERIMENT
from builders import TWO_ACTIVATIONS, experiment_from
from places import EXPERIMENT_FILES

RELU, SWISH = parse_choice("activation", "relu"), parse_choice("activation", "swish")
TWO_FACTORS = """
model: {hidden: [4]}
vary:
  model.activation: [relu, silu, {leaky_relu: {negative_slope: 0.1}}, {gelu: {approximate: tanh, mean: 0.5}}]
  train.lr: [0.1, 1e-3]
seeds: 3
"""
ANY_VALUES = [
    "model.activation: [relu, {leaky_relu: {negative_slope: 0.1}}, {leaky_relu: {negative_slope: 0.2}}, leaky_relu]",
    "model.activation: [{gelu: {approximate: tanh, mean: 0.5}}, {gelu: {approximate: tanh}}]",
    "train.optimizer: [adam, {adam: {betas: [0.5, 0.6]}}, {adam: {betas: [0.5, 0.7]}}]",
    "model.hidden: [[], [4], [4, 4], [44]]",
    "model.layers: [[], [{units: 4}], [{units: 4}, {units: 4}], [{units: 4, activation: tanh}], "
    "[{units: 4, dropout: 0.5}]]",
    "train.batch_size: [32, full]",
    "model.batch_norm: [true, false]",
    "model.bias_init: [null, zeros, {constant: {val: 0.1}}]",
    "data.scale: [unit, 2, 0.5]",
]


def test_arms_are_every_combination_with_the_last_factor_changing_fastest(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_FACTORS, tmp_path)
    arms = list(experiment.arms())
    assert experiment.arm_count() == len(arms) == 8
    assert [arm.to_yaml() for arm in arms[:3]] == [
        {"model.activation": "relu", "train.lr": 0.1},
        {"model.activation": "relu", "train.lr": 0.001},
        {"model.activation": "swish", "train.lr": 0.1},
    ]
    assert [(str(arm.settings.model.activation), arm.settings.train.lr) for arm in arms[:3]] == [
        ("relu", 0.1),
        ("relu", 0.001),
        ("swish", 0.1),
    ]


def test_arms_differ_from_the_base_settings_in_the_varied_settings_alone(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_FACTORS, tmp_path)
    for arm in experiment.arms():
        values = dict(arm.values)
        model = experiment.settings.model.model_copy(update={"activation": values["model.activation"]})
        train = experiment.settings.train.model_copy(update={"lr": values["train.lr"]})
        assert arm.settings == experiment.settings.model_copy(update={"model": model, "train": train})


def test_without_factors_there_is_one_arm_of_all_trials(tmp_path: Path) -> None:
    experiment = experiment_from("seeds: 3", tmp_path)
    (arm,) = experiment.arms()
    assert (arm.label(), arm.to_yaml(), experiment.arm_count()) == ("all trials", {}, 1)
    assert arm.settings == experiment.settings


@pytest.mark.parametrize(("vary", "labels"), [
    ("model.activation: [relu, silu, {elu: {alpha: 2}}]", ["relu", "swish", "elu(alpha=2.0)"]),
    ("train.lr: [1, 1e-3]", ["lr=1.0", "lr=0.001"]),
    ("model.hidden: [[], [64], [64, 32]]", ["hidden=none", "hidden=64", "hidden=64-32"]),
    ("train.batch_size: [32, full]", ["batch_size=32", "batch_size=full"]),
    ("model.batch_norm: [true, false]", ["batch_norm=true", "batch_norm=false"]),
    ("model.layers: [[{units: 4}, {units: 3}]]", ["layers=4-3"]),
    ("model.init: [ones], train.lr: [0.1]", ["init=ones, lr=0.1"]),
])  # fmt: skip
def test_an_arm_is_called_by_its_values(vary: str, labels: list[str], tmp_path: Path) -> None:
    experiment = experiment_from(f"vary: {{{vary}}}", tmp_path)
    assert [arm.label() for arm in experiment.arms()] == labels


@pytest.mark.parametrize("vary", ANY_VALUES)
def test_no_two_arms_are_called_the_same(vary: str, tmp_path: Path) -> None:
    labels = [arm.label() for arm in experiment_from(f"vary: {{{vary}}}", tmp_path).arms()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("vary", [*ANY_VALUES, f"{ANY_VALUES[0]}, {ANY_VALUES[3]}"])
def test_every_arm_can_be_chosen_by_what_tables_call_it(vary: str, tmp_path: Path) -> None:
    experiment = experiment_from(f"vary: {{{vary}}}", tmp_path)
    for arm in experiment.arms():
        assert parse_arm(experiment, arm.label()) == arm.values


@pytest.mark.parametrize(("text", "values"), [
    ("relu", {"model.activation": RELU}),
    ("swish", {"model.activation": SWISH}),
    ("silu", {"model.activation": SWISH}),
    ("activation=silu", {"model.activation": SWISH}),
    ("model.activation=relu", {"model.activation": RELU}),
    ("0.1", {"train.lr": 0.1}),
    ("lr=0.001", {"train.lr": 0.001}),
    ("train.lr=0.1", {"train.lr": 0.1}),
    ("1e-3", {"train.lr": 0.001}),
    ("relu, lr=0.10", {"model.activation": RELU, "train.lr": 0.1}),
    ("relu,lr=0.1", {"model.activation": RELU, "train.lr": 0.1}),
    (" train.lr=0.1 , silu, ", {"model.activation": SWISH, "train.lr": 0.1}),
])  # fmt: skip
def test_an_arm_is_named_by_values_aliases_and_paths(text: str, values: dict[str, Any], tmp_path: Path) -> None:
    experiment = experiment_from(TWO_FACTORS, tmp_path)
    assert parse_arm(experiment, text) == tuple(values.items())


@pytest.mark.parametrize(("text", "message"), [
    ("rleu", r"'rleu' is not in this experiment; did you mean relu\?"),
    ("relu,lr=0.0011", r"'lr=0.0011' is not in this experiment; did you mean 0\.001.*\?"),
    ("activation=rleu", r"'activation=rleu' is not in this experiment; did you mean relu\?"),
    ("dropout=0.1", r"'dropout=0.1' is not in this experiment.*"),
    ("zzz", r"'zzz' is not in this experiment; known here: relu, swish, .*, 0\.1, 0\.001"),
])  # fmt: skip
def test_an_unknown_arm_is_refused_with_the_nearest_values(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        parse_arm(experiment_from(TWO_FACTORS, tmp_path), text)


def test_a_value_of_several_factors_is_refused_with_a_way_to_say_which(tmp_path: Path) -> None:
    experiment = experiment_from("vary: {train.lr: [0.1, 0.2], model.dropout: [0.1]}", tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"^'0\.1' fits several factors; write train\.lr=0\.1 or model\.dropout=0\.1$"
    ):
        parse_arm(experiment, "0.1")
    assert parse_arm(experiment, "dropout=0.1") == (("model.dropout", 0.1),)


def test_where_nothing_is_varied_no_arm_can_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^'relu' is not in this experiment; nothing is varied$"):
        parse_arm(experiment_from("model: {}", tmp_path), "relu")


@pytest.mark.parametrize("path", EXPERIMENT_FILES, ids=lambda path: str(path.stem))
def test_the_smoke_version_trains_a_tiny_subset_briefly_under_a_name_of_its_own(path: Path) -> None:
    experiment = load_experiment(path).experiment
    smoke = smoke_version(experiment)
    data = smoke.settings.data
    assert (data.train_available(), data.validation_count(), data.test_count()) == (512, 512 // 6, 256)
    assert smoke.settings.train.epochs == 1
    assert smoke.seeds == experiment.seeds[:2]
    assert smoke.name == f"{experiment.name}-smoke"


def test_the_smoke_version_changes_nothing_else(tmp_path: Path) -> None:
    data, train = "{dataset: cube, split: tail, scale: 2, validation: 0}", "{epochs: 9, batch_size: 7}"
    experiment = experiment_from(f"{TWO_FACTORS}data: {data}\ntrain: {train}\n", tmp_path)
    smoke = smoke_version(experiment)
    back = replace(smoke, name=experiment.name, seeds=experiment.seeds, settings=experiment.settings)
    assert back == experiment
    assert smoke.settings.model == experiment.settings.model
    assert smoke.settings.train == experiment.settings.train.model_copy(update={"epochs": 1})
    assert (smoke.settings.data.dataset.name, smoke.settings.data.split, smoke.settings.data.scale) == (
        "cube",
        "tail",
        2.0,
    )


def test_smoke_and_full_trials_share_no_id(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_FACTORS, tmp_path)
    assert not make_plan(experiment).trials().keys() & make_plan(smoke_version(experiment)).trials().keys()


@pytest.mark.parametrize(("vary", "paths"), [
    ("train.epochs: [1, 2]", "train.epochs"),
    ("data.validation: [5, 10]", "data.validation"),
    ("data.train: [100, 200], train.lr: [1], data.test: [10]", "data.train, data.test"),
])  # fmt: skip
def test_smoke_refuses_to_set_what_the_experiment_varies(vary: str, paths: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=f"^--smoke sets {paths}, which this experiment varies or tunes: take it out there$"
    ):
        smoke_version(experiment_from(f"vary: {{{vary}}}", tmp_path))


@pytest.mark.parametrize("name", ["short", "x" * NAME_LENGTH])
def test_the_smoke_version_reads_back_from_its_result_folder(name: str, tmp_path: Path) -> None:
    smoke = smoke_version(experiment_from(f"name: {name}\n{TWO_FACTORS}", tmp_path))
    write_experiment(tmp_path, experiment_to_yaml(smoke))
    assert load_experiment(tmp_path / EXPERIMENT).experiment == smoke


def test_a_margin_in_one_loss_says_nothing_of_another(tmp_path: Path) -> None:
    experiment = experiment_from(f"{TWO_ACTIVATIONS}primary: test_loss\nmargin: 0.01\n", tmp_path)
    margins = [experiment.margin_of(parse_metric(name)) for name in ("test_loss", "test_nll")]
    assert margins == [0.01, None]
