"""Probes of the layers as cells of a heat map."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from actbench.experiment.records import LayerProbe, Trial, TrialRecord
from actbench.report.figures.inside import PROBES, Probe, arm_probes, trouble_sentences
from builders import TWO_ACTIVATIONS, record_of
from drawn import pictures_of, results_from, trained

DEAD, SATURATED, GRADIENT = PROBES


def probe(epoch: int, layer: int, norm: float | None, dead: float | None = None) -> LayerProbe:
    return LayerProbe(
        epoch=epoch, layer=layer, mean=0.0, sd=1.0, zero_share=0.0, dead_share=dead, saturated_share=dead,
        weight_gradient_norm=norm, bias_gradient_norm=norm,
    )  # fmt: skip


def probed(trial: Trial) -> TrialRecord:
    norm = None if trial.settings.model.activation.name == "tanh" else 10.0**-trial.seed
    return record_of(trial, probes=(probe(0, 1, norm, 0.05 * trial.seed), probe(0, 2, norm)))


def test_shares_are_averaged_and_norms_have_a_median_over_the_seeds(tmp_path: Path) -> None:
    relu, _ = arm_probes(results_from(TWO_ACTIVATIONS, tmp_path, probed))
    assert relu.cells["dead_share"][1, 0] == pytest.approx(0.05)
    assert relu.cells["weight_gradient_norm"][1, 0] == pytest.approx(0.1)


def test_a_layer_without_activation_has_no_cells_and_one_without_a_number_has_trouble(tmp_path: Path) -> None:
    relu, tanh = arm_probes(results_from(TWO_ACTIVATIONS, tmp_path, probed))
    assert list(relu.cells["dead_share"]) == [(1, 0)]
    assert tanh.cells["weight_gradient_norm"][2, 0] is None
    assert (tanh.trouble(GRADIENT), relu.trouble(GRADIENT)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "healthy", "troubled"),
    [
        (DEAD, [0.0, 0.1], [0.11, 1.0, math.nan]),
        (SATURATED, [0.0, 0.6], [0.61]),
        (GRADIENT, [1e-4, 1e2], [9e-5, 0.0, 101.0]),
    ],
    ids=lambda value: getattr(value, "field", ""),
)
def test_trouble_begins_beyond_the_bounds_and_grows(kind: Probe, healthy: list[float], troubled: list[float]) -> None:
    assert [kind.trouble_of(one) for one in healthy] == [0.0] * len(healthy)
    assert all(0 < kind.trouble_of(one) <= 1 for one in troubled)
    assert DEAD.trouble_of(0.9) > DEAD.trouble_of(0.3)
    assert GRADIENT.trouble_of(1e-7) > GRADIENT.trouble_of(1e-5)
    assert kind.trouble_of(None) == 1.0


def test_caption_and_description_name_thresholds_and_the_arms_in_trouble(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, probed))["inside"]
    assert "White is fine; the stronger the colour, the worse: a gradient norm below 0.0001" in picture.caption
    assert "Fine everywhere: dead units and saturated inputs." in picture.caption
    assert picture.description == "tanh: no finite gradient norm in layer 1."


def test_dead_units_are_said_in_a_sentence_and_health_too(tmp_path: Path) -> None:
    def dead(trial: Trial) -> TrialRecord:
        share = 0.12 if trial.settings.model.activation.name == "relu" else 0.0
        return record_of(trial, probes=(probe(0, 1, 0.1, share), probe(0, 2, 0.1)))

    assert trouble_sentences(results_from(TWO_ACTIVATIONS, tmp_path, dead)) == ["relu: 12 % dead units in layer 1."]
    (tmp_path / "healthy").mkdir()
    healthy = results_from(
        TWO_ACTIVATIONS, tmp_path / "healthy", lambda trial: record_of(trial, probes=(probe(0, 1, 0.1, 0.0),))
    )
    assert trouble_sentences(healthy)[0].startswith("No layer of 2 arms is in trouble after the last epoch")
    assert "inside" not in pictures_of(healthy)


def test_of_many_arms_sixteen_are_shown(tmp_path: Path) -> None:
    rates = ", ".join(str(number / 1000) for number in range(1, 21))
    text = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", f"train.lr: [{rates}]")
    results = results_from(text.replace("{model.activation: relu}", "{train.lr: 0.001}"), tmp_path, trained)
    assert "Of 20 arms, the 16 with most kinds of trouble are shown." in pictures_of(results)["inside"].caption
