"""A look at networks before training: what is measured, what is said, and that training bears it out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import DATASETS, load
from actbench.plan.trials import make_trial
from actbench.runs.preflight import run_preflight
from actbench.training.flows import FACTOR, Flow, LayerFlow
from actbench.training.loop import train_stack
from builders import experiment_from
from in_process import invoke

DEEP = """
name: deep
data: {dataset: digits, scale: standard}
model: {hidden: [48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48], activation: swish}
train: {optimizer: {sgd: {momentum: 0.9}}, lr: 1e-2, batch_size: 32, epochs: 6}
vary: {model.init: [fitted_normal, lecun_normal, torch_default, {normal: {std: 0.6}}]}
seeds: 2
"""
FATES = {
    "fitted_normal": "ok",
    "lecun_normal": "will vanish",
    "torch_default": "will vanish",
    "normal(std=0.6)": "will explode",
}


def flows(text: str, folder: Path) -> dict[str, Flow]:
    """What goes through the networks of an experiment on digits, by arm."""
    found = run_preflight(experiment_from(text, folder), folder)
    return {arm.label(): network.flow for network in found.networks for arm in network.arms}


def layer(value: float = 1, gradient: float = 1, difference: float = 1) -> LayerFlow:
    return LayerFlow(value, difference, gradient, None, None, None, None)


def test_arms_that_are_said_to_explode_or_vanish_learn_nothing_and_a_fitted_gain_mends_the_depth(
    tmp_path: Path,
) -> None:
    experiment = experiment_from(DEEP, tmp_path)
    assert {label: flow.fate() for label, flow in flows(DEEP, tmp_path).items()} == FATES
    arrays = load(DATASETS["digits"], tmp_path)
    for arm in experiment.arms():
        (record,) = train_stack([make_trial(arm.settings, 0)], arrays, "cpu", lambda _: None)
        accuracy = (record.test_correct_count or 0) / record.test_count
        if arm.label() == "fitted_normal":
            assert accuracy > 0.7
        else:
            assert record.outcome == "diverged" or accuracy < 0.25


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "sigmoid", "hardtanh", "prelu"])
@pytest.mark.parametrize("init", ["fitted_normal", "lecun_normal", "orthogonal"])
def test_measured_values_and_gradients_are_what_the_recursion_of_second_moments_expects(
    activation: str, init: str, tmp_path: Path
) -> None:
    text = f"""
    data: {{scale: standard}}
    model: {{hidden: [400, 300, 200], activation: {activation}, init: {init}}}
    seeds: 3
    """
    (flow,) = flows(text, tmp_path).values()
    for one in flow.layers:
        assert one.expected_value == pytest.approx(one.value, rel=0.2)
        assert one.expected_gradient == pytest.approx(one.gradient, rel=0.2)


def test_a_derived_gain_keeps_the_expected_size_at_every_depth(tmp_path: Path) -> None:
    text = DEEP.replace("[fitted_normal, lecun_normal, torch_default, {normal: {std: 0.6}}]", "[fitted_normal]")
    (flow,) = flows(text.replace("swish", "tanh"), tmp_path).values()
    assert [one.expected_value for one in flow.layers[:-1]] == pytest.approx([1 / 1.5925] * 12, rel=0.05)
    assert flow.layers[-1].expected_value == pytest.approx(1, rel=0.05)


def test_nothing_is_expected_of_weights_that_are_not_around_0_nor_behind_a_batch_norm(tmp_path: Path) -> None:
    (positive,) = flows("model: {hidden: [16, 16], init: uniform}", tmp_path).values()
    assert [one.expected_value for one in positive.layers] == [None] * 3
    assert [one.expected_gradient for one in positive.layers] == [None] * 3
    (normalised,) = flows("model: {layers: [{units: 16}, {units: 16, batch_norm: true}]}", tmp_path).values()
    assert [one.expected_value is None for one in normalised.layers] == [False, True, True]
    assert normalised.fate() == "ok"


def test_batch_norm_dropout_learnt_parameters_and_no_hidden_layer_are_measured_too(tmp_path: Path) -> None:
    model = "{hidden: [32, 32], activation: {swish: {learn: true}}, batch_norm: true, dropout: 0.5}"
    (flow,) = flows(f"model: {model}", tmp_path).values()
    assert flow.fate() == "ok"
    (alone,) = flows("model: {hidden: []}", tmp_path).values()
    assert (alone.fate(), len(alone.layers), alone.gradient_growth()) == ("ok", 1, 1)


@pytest.mark.parametrize(
    ("init", "fate"), [("zeros", "will vanish"), ("uniform", "will explode"), ("{normal: {std: 1e30}}", "will explode")]
)
def test_extreme_initialisers_are_seen_for_what_they_are(init: str, fate: str, tmp_path: Path) -> None:
    (flow,) = flows(f"model: {{hidden: [64, 64], init: {init}}}", tmp_path).values()
    assert flow.fate() == fate


@pytest.mark.parametrize(
    ("layers", "fates"),
    [
        ([layer(), layer()], []),
        ([layer(value=FACTOR * 1.01), layer()], ["will explode"]),
        ([layer(value=FACTOR * 0.99), layer()], []),
        ([layer(gradient=FACTOR * 1.01), layer()], ["will explode"]),
        ([layer(), layer(gradient=FACTOR * 1.01)], ["will vanish"]),
        ([layer(), layer(gradient=FACTOR * 0.99)], []),
        ([layer(), layer(difference=0.0099)], ["will vanish"]),
        ([layer(gradient=0), layer()], ["will vanish"]),
        ([layer(gradient=0), layer(gradient=0)], ["will vanish"]),
        ([layer(value=float("inf"), gradient=0, difference=0), layer()], ["will explode", *["will vanish"] * 2]),
    ],
)
def test_the_limits_are_a_factor_of_100_from_end_to_end(layers: list[LayerFlow], fates: list[str]) -> None:
    flow = Flow(1.0, tuple(layers))
    assert [fate for fate, _ in flow.problems()] == fates
    assert flow.fate() == (fates[0] if fates else "ok")


def test_all_offenders_are_named_at_once_and_the_exit_code_stays_0(tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text(DEEP, encoding="utf-8")
    answer = invoke("summary", tmp_path / "deep.yaml", "--preflight")
    assert answer.exit_code == 0
    warned = [line for line in answer.stderr.splitlines() if line.startswith("warning: ")]
    assert [line.split()[1] for line in warned] == ["lecun_normal", "torch_default", "normal(std=0.6)"]
    table = answer.stdout.split("deep: preflight\n")[1].splitlines()[1:5]
    for row, (label, fate) in zip(table, FATES.items(), strict=True):
        assert row.startswith(label)
        assert f" {fate} " in row
    assert answer.stdout.count("log_softmax") == len(FATES)


def test_the_document_has_every_network_and_layer_and_the_summary_beside_it(tmp_path: Path) -> None:
    text = DEEP + "baseline: {model.init: fitted_normal}\n"
    text = text.replace("seeds: 2", "  train.lr: [1e-2, 1e-3]\nseeds: 5").replace(
        "vary: {model.init: [fitted_normal, lecun_normal, torch_default, {normal: {std: 0.6}}]}",
        "vary:\n  model.init: [fitted_normal, {normal: {std: 1e30}}]",
    )
    (tmp_path / "deep.yaml").write_text(text, encoding="utf-8")
    found: dict[str, Any] = json.loads(
        invoke("summary", tmp_path / "deep.yaml", "--preflight", "--format", "json").stdout
    )
    assert (found["schema"], len(found["networks"])) == (1, 4)
    flight = found["preflight"]
    assert (flight["images"], flight["seeds"], flight["factor"]) == ("training", [0, 1, 2], 100)
    fitted, huge = flight["networks"]
    assert [arm["label"] for arm in fitted["arms"]] == ["init=fitted_normal, lr=0.01", "init=fitted_normal, lr=0.001"]
    assert (fitted["fate"], fitted["reasons"], len(fitted["layers"])) == ("ok", [], 13)
    assert fitted["layers"][0]["value"] == pytest.approx(fitted["layers"][0]["expected_value"], rel=0.2)
    assert fitted["layers"][0]["dead_share"] == 0
    assert (huge["fate"], huge["value_growth"]) == ("will explode", None)


def test_random_images_stand_in_for_those_that_are_absent_and_this_is_said(tmp_path: Path) -> None:
    (tmp_path / "absent.yaml").write_text("data: {dataset: mnist}\nmodel: {hidden: [8]}\n", encoding="utf-8")
    answer = invoke("summary", tmp_path / "absent.yaml", "--preflight", "--data-dir", tmp_path)
    assert answer.exit_code == 0
    assert "mnist is absent: random pixels replace its images" in answer.stdout
    assert "actbench data fetch mnist" in answer.stdout
    assert sorted(tmp_path.iterdir()) == [tmp_path / "absent.yaml"]


def test_fifty_layers_take_seconds(tmp_path: Path) -> None:
    text = DEEP.replace(", 48" * 11, ", 48" * 49)
    before = os.times()
    assert {len(flow.layers) for flow in flows(text, tmp_path).values()} == {51}
    after = os.times()
    assert after.user - before.user < 20


def test_a_gain_that_nothing_can_be_derived_from_is_one_sentence(tmp_path: Path) -> None:
    text = "model: {activation: {sine: {omega: 0.0}}, init: fitted_normal}\n"
    (tmp_path / "flat.yaml").write_text(text, encoding="utf-8")
    answer = invoke("summary", tmp_path / "flat.yaml", "--preflight")
    assert answer.exit_code == 2
    assert (
        "sine with omega 0 is 0 everywhere, so no gain keeps the size of its values: give gain a number"
        in answer.stderr
    )
