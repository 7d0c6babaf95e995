"""A result folder as runs: names, parameters, curves and final numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from actbench.experiment.records import Curves, LayerProbe
from actbench.plan.plan import make_plan
from actbench.report.export.export import Point, runs_of
from actbench.store.results import Results, load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from journals import folder_with, line_of
from tuned_runs import TUNED, run


def results_of(folder: Path, text: str = TWO_ACTIVATIONS, **changes: Any) -> Results:
    experiment = experiment_from(text, folder)
    records = [record_of(trial, **changes) for trial in make_plan(experiment).trials().values()]
    return load_results(folder_with(folder / "made-up", experiment, [line_of(record) for record in records]), folder)


def test_every_trial_is_a_run_with_a_name_of_its_own_those_of_the_tuning_by_their_values(tmp_path: Path) -> None:
    folder = run(experiment_from(TUNED, tmp_path), tmp_path).folder
    runs = runs_of(load_results(folder, folder.parent))
    assert len({one.name for one in runs}) == len({one.trial for one in runs}) == len(runs) == 20
    assert {"tune/tanh/lr=1.0/seed-1", "final/relu/seed-2"} <= {one.name for one in runs}
    final = next(one for one in runs if one.name == "final/relu/seed-2")
    assert final.varied == {"model.activation": "relu", "train.lr": 0.01, "phase": "final", "seed": 2}
    assert (final.settings["train.lr"], final.settings["model.hidden"]) == ("0.01", "9000")
    assert not any(point.metric.startswith("test_") for one in runs if "tune" in one.name for point in one.points)


def test_names_are_fit_for_folders_and_two_arms_never_share_one(tmp_path: Path) -> None:
    arms = "[{leaky_relu: {negative_slope: 0.1}}, {leaky_relu: {negative_slope: 0.2}}]"
    text = TWO_ACTIVATIONS.replace("[relu, tanh]", arms).replace("baseline: {model.activation: relu}\n", "")
    names = [one.name for one in runs_of(results_of(tmp_path, text))]
    assert names[0] == "final/leaky_relu(negative_slope=0.1)/seed-0"
    widths = ", ".join(str([1000] * 40 + [last]) for last in (8, 9))
    wide = TWO_ACTIVATIONS.replace("model.activation: [relu, tanh]", f"model.hidden: [{widths}]")
    wide = wide.replace("baseline: {model.activation: relu}\n", "")
    (tmp_path / "wide").mkdir()
    cut = [one.name for one in runs_of(results_of(tmp_path / "wide", wide))]
    assert len(set(cut)) == 6
    assert max(map(len, cut)) < 150


def test_curves_and_final_numbers_are_points_and_what_was_not_finite_is_nan(tmp_path: Path) -> None:
    curves = Curves(train_loss=(0.5, None, None), train_correct_count=(1, 2, 3), validation_loss=(0.1, 0.2, 0.3),
                    validation_correct_count=(10, 20, 30))  # fmt: skip
    probe = LayerProbe(epoch=0, layer=1, mean=0.25, sd=None, zero_share=0.5, weight_gradient_norm=1.0,
                       bias_gradient_norm=None)  # fmt: skip
    results = results_of(
        tmp_path, outcome="diverged", curves=curves, probes=(probe,), epoch_seconds=(1.0, 2.0, 3.0), test_loss=None
    )
    one = runs_of(results)[0]
    assert one.seconds == (1.0, 3.0, 6.0)
    assert Point("train_loss", 1, 0.5) in one.points
    assert [point.epoch for point in one.points if point.metric == "train_loss" and math.isnan(point.value)] == [2, 3]
    layers = [point for point in one.points if point.metric.startswith("layer")]
    assert layers == [
        Point("layer1.mean", 0, 0.25), Point("layer1.zero_share", 0, 0.5), Point("layer1.weight_gradient_norm", 0, 1.0),
    ]  # fmt: skip
    record = results.records[one.trial]
    final = one.final_values()
    assert final["test_accuracy"] == pytest.approx(300 / record.test_count)
    assert final["validation_accuracy"] == pytest.approx(30 / record.validation_count)
    assert math.isnan(final["test_loss"])


def test_a_failed_trial_is_a_run_without_points(tmp_path: Path) -> None:
    results = results_of(tmp_path, outcome="failed", cause="poison", curves={}, test_correct_count=None, test_loss=None)
    one = runs_of(results)[0]
    assert (one.outcome, one.cause, one.points) == ("failed", "poison", ())
