"""Learning curves by seed, and the curves of learnt parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import Curves, LayerProbe, Trial, TrialRecord
from actbench.report.figures.curves import learnt_curves, learnt_picture, ranked_curves, thinned_epochs
from actbench.report.figures.layout import PAGE, PHONE
from actbench.report.figures.marks import Text
from actbench.statistics.intervals import estimate
from actbench.store.tables import layers_table
from builders import TWO_ACTIVATIONS, record_of
from drawn import comparison_of, results_from, trained

PARTLY = """
name: made-up
model: {hidden: [4]}
data: {validation: 0}
train: {epochs: 3}
seeds: 3
"""


def rising(trial: Trial) -> TrialRecord:
    images = trial.settings.data.validation_count()
    right = tuple(round(images * share) for share in (0.5, 0.6 + 0.05 * trial.seed, 0.7 + 0.1 * trial.seed))
    reached = 2 if trial.seed == 2 else 3
    curves = Curves(
        train_loss=(1.0,) * reached,
        train_correct_count=(100,) * reached,
        validation_loss=(1.0,) * reached,
        validation_correct_count=right[:reached],
    )
    return record_of(trial, outcome="diverged" if reached == 2 else "done", curves=curves)


def test_means_and_bands_are_over_the_trials_that_reached_an_epoch(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path, rising)
    one = ranked_curves(results, comparison_of(results))[0]
    assert one.part == "validation"
    assert sorted(map(len, one.seeds)) == [2, 3, 3]
    for epoch in (1, 2, 3):
        expected = estimate([seed[epoch - 1] for seed in one.seeds if len(seed) >= epoch])
        assert one.mean(epoch) == pytest.approx(expected.mean)
        low, high = expected.interval or (one.mean(epoch), one.mean(epoch))
        assert one.band(epoch) == pytest.approx((max(low, 0), min(high, 1)))


def test_one_seed_has_no_band_and_no_validation_images_mean_training_accuracy(tmp_path: Path) -> None:
    results = results_from(PARTLY.replace("seeds: 3", "seeds: 1"), tmp_path)
    (one,) = ranked_curves(results, comparison_of(results))
    assert one.part == "train"
    assert one.band(1) == (one.mean(1), one.mean(1))
    assert not one.is_baseline


def test_the_baseline_is_known_and_the_best_arm_comes_first(tmp_path: Path) -> None:
    results = results_from(TWO_ACTIVATIONS, tmp_path)
    curves = ranked_curves(results, comparison_of(results))
    assert {arm.label: arm.is_baseline for arm in curves} == {"relu": True, "tanh": False}
    assert curves[0].mean(len(curves[0].means)) >= curves[1].mean(len(curves[1].means))


def test_arms_that_were_never_trained_have_no_curve(tmp_path: Path) -> None:
    def failed(trial: Trial) -> TrialRecord:
        return record_of(trial, outcome="failed", curves=Curves())

    results = results_from(TWO_ACTIVATIONS, tmp_path, failed)
    assert ranked_curves(results, comparison_of(results)) == []


@pytest.mark.parametrize("last", [1, 2, 49, 50, 51, 200, 201, 10_000, 1_000_000])
@pytest.mark.parametrize("most", [50, 200])
def test_thinned_epochs_are_few_and_go_from_the_first_to_the_last(last: int, most: int) -> None:
    epochs = thinned_epochs(last, most)
    assert epochs == sorted(set(epochs))
    assert len(epochs) <= most
    assert (epochs[0], epochs[-1]) == (1, last)
    if last <= most:
        assert len(epochs) == last


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
