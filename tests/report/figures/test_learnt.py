"""The picture of learnt parameters, on records whose parameters are planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import LayerProbe, Trial, TrialRecord
from actbench.report.figures.curves import learnt_curves, learnt_picture
from actbench.report.figures.layout import PAGE, PHONE
from actbench.report.figures.marks import Text
from actbench.store.tables import layers_table
from builders import TWO_ACTIVATIONS
from drawn import results_from, trained

TEXT = TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu, prelu]")


def learning(trial: Trial) -> TrialRecord:
    """Seed s of prelu has the slope 0.25 + 0.1 * s * epoch in layer 1, which learns; relu learns nothing."""
    is_learning = trial.settings.model.activation.name == "prelu"
    probes = [
        LayerProbe(epoch=epoch, layer=1, mean=0.1, sd=1.0, zero_share=0.0, weight_gradient_norm=1.0,
                   bias_gradient_norm=1.0, learnt={"negative_slope": 0.25 + 0.1 * trial.seed * epoch,
                                                   "negative_slope_sd": 0.5} if is_learning else {})
        for epoch in (0, 1, 3)
    ]  # fmt: skip
    return trained(trial, probes=tuple(probes))


def test_a_curve_is_the_mean_over_the_seeds_at_each_probed_epoch(tmp_path: Path) -> None:
    (curve,) = learnt_curves(results_from(TEXT, tmp_path, learning))
    assert (curve.arm, curve.layer, curve.parameter) == ("prelu", 1, "negative_slope")
    assert [epoch for epoch, _ in curve.means] == [0, 1, 3]
    assert [mean for _, mean in curve.means] == pytest.approx([0.25, 0.35, 0.55])  # of seeds 0, 1 and 2


def test_the_picture_names_parameter_arm_layer_and_last_value_on_wide_and_narrow_papers(tmp_path: Path) -> None:
    picture = learnt_picture(results_from(TEXT, tmp_path, learning))
    assert picture is not None
    assert "negative_slope of prelu, layer 1, goes from 0.25 to 0.55" in picture.description
    for paper in (PAGE, PHONE):
        scene = picture.draw(paper)
        texts = [mark.text for mark in scene.marks if isinstance(mark, Text)]
        assert "negative_slope" in texts
        assert scene.width == paper.width


def test_without_learnt_parameters_there_is_no_picture(tmp_path: Path) -> None:
    assert learnt_picture(results_from(TWO_ACTIVATIONS, tmp_path)) is None


def learning_a_gelu(trial: Trial) -> TrialRecord:
    probe = LayerProbe(epoch=1, layer=1, mean=0.5, sd=1.0, zero_share=0.0, weight_gradient_norm=1.0,
                       bias_gradient_norm=1.0, learnt={"mean": -0.25, "std": 0.75})  # fmt: skip
    return trained(trial, probes=(probe,))


def test_a_learnt_mean_is_not_taken_for_the_mean_of_the_layer(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("[relu, tanh]", "[relu, {gelu: {learn: true}}]")
    results = results_from(text, tmp_path, learning_a_gelu)
    record = next(iter(results.records.values()))
    found = {name: parse_metric(f"layer1.{name}").value(record) for name in ("mean", "learnt_mean", "std")}
    assert found == {"mean": 0.5, "learnt_mean": -0.25, "std": 0.75}
    row = next(iter(layers_table(results).rows))
    assert {name: row[name] for name in found} == found
    picture = learnt_picture(results)
    assert picture is not None
    assert "mean of gelu(learn=true), layer 1, goes from -0.25 to -0.25" in picture.description
