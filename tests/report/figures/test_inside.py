"""Probes of the layers as cells of a heat map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actbench.experiment.records import LayerProbe, Trial, TrialRecord
from actbench.report.figures.inside import PROBES, Probe, arm_probes, cell_edges
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
    assert relu.cells["dead_share"][0, 0] == pytest.approx(0.05)
    assert relu.cells["weight_gradient_norm"][0, 0] == pytest.approx(0.1)


def test_a_layer_without_activation_has_no_cells_and_one_without_a_number_has_trouble(tmp_path: Path) -> None:
    relu, tanh = arm_probes(results_from(TWO_ACTIVATIONS, tmp_path, probed))
    assert relu.cells["dead_share"].count() == 1
    assert np.isnan(tanh.cells["weight_gradient_norm"][1, 0])
    assert (tanh.trouble(GRADIENT), relu.trouble(GRADIENT)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("kind", "healthy", "troubled"),
    [
        (DEAD, [0.0, 0.1], [0.11, 1.0, np.nan]),
        (SATURATED, [0.0, 0.6], [0.61]),
        (GRADIENT, [1e-4, 1e2], [9e-5, 0.0, 101.0]),
    ],
    ids=lambda value: getattr(value, "field", ""),
)
def test_trouble_begins_beyond_the_bounds(kind: Probe, healthy: list[float], troubled: list[float]) -> None:
    cells = np.ma.masked_array([*healthy, *troubled, np.nan], mask=[*[False] * len([*healthy, *troubled]), True])
    assert kind.is_trouble(cells).tolist() == [False] * len(healthy) + [True] * len(troubled) + [False]


def test_colours_change_at_the_bounds(tmp_path: Path) -> None:
    arms = arm_probes(results_from(TWO_ACTIVATIONS, tmp_path, trained))
    for kind in PROBES:
        edges = kind.colour_edges(arms)
        assert edges == sorted(edges)
        assert {kind.low, kind.high} <= set(edges)
    assert GRADIENT.edge_text(1e-4) == "1e-4"
    assert DEAD.edge_text(0.1) == "10"


def test_cells_touch_and_have_a_width_even_for_one_epoch() -> None:
    assert cell_edges([0]).tolist() == [-0.5, 0.5]
    assert cell_edges([0, 1, 2]).tolist() == [-0.5, 0.5, 1.5, 2.5]
    edges = cell_edges([0, 100, 10_000]).tolist()
    assert edges == sorted(edges)
    assert edges[-1] < 6


def test_caption_and_description_name_thresholds_and_the_arms_in_trouble(tmp_path: Path) -> None:
    picture = pictures_of(results_from(TWO_ACTIVATIONS, tmp_path, probed))["inside"]
    outlined = "Outlined: over 10 % dead, over 60 % saturated, a gradient norm below 0.0001 or above 100."
    assert outlined in picture.caption
    assert "Outlined without a colour: no finite number in any seed." in picture.caption
    assert "A gradient norm below 0.0001 or above 100: tanh in 100 % of cells." in picture.description
    assert "Over 10 % dead: nowhere." in picture.description


def test_of_many_arms_sixteen_are_shown(tmp_path: Path) -> None:
    rates = ", ".join(str(number / 1000) for number in range(1, 21))
    text = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", f"train.lr: [{rates}]")
    results = results_from(text.replace("{model.activation: relu}", "{train.lr: 0.001}"), tmp_path, trained)
    assert "Of 20 arms, the 16 with most kinds of trouble are shown." in pictures_of(results)["inside"].caption
