"""Means over seeds of made-up records: metrics at the last epoch, learning curves, pairs of factors."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.analysis.curves import ArmCurves, arm_curves, pair_tables
from actbench.experiment.metrics import CURVES, parse_metric
from actbench.statistics.intervals import Estimate
from builders import TWO_ACTIVATIONS
from planted import planted

TWO_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", "[relu, tanh], train.lr: [0.1, 0.01]}")


@pytest.mark.parametrize("metric", CURVES)
def test_every_curve_is_read_at_the_last_epoch(metric: str, tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [300]}, TWO_ACTIVATIONS)
    (record,) = results.records.values()
    expected = {
        "test_accuracy": 300 / 360, "test_loss": 0.5, "validation_accuracy": 150 / 239, "validation_loss": 0.5,
        "train_accuracy": 300 / 1198, "train_loss": pytest.approx(1 / 3),
    }  # fmt: skip
    assert parse_metric(metric).value(record) == expected[metric]


def test_arm_curves_are_means_over_the_trials_that_got_so_far(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [300, 310], "tanh": []}, TWO_ACTIVATIONS)
    stopped = results.records[results.plan.arms[0][1][0].id]
    short = stopped.curves.model_copy(update={"validation_correct_count": (10,)})
    records = {**results.records, stopped.trial: stopped.model_copy(update={"curves": short})}
    relu, tanh = arm_curves(results.plan, records)
    assert relu.part == "validation"
    assert relu.accuracy == pytest.approx((30 / 239, 100 / 239, 150 / 239))
    assert tanh.accuracy == ()


def test_the_band_of_an_accuracy_ends_at_no_image_and_at_all_of_them() -> None:
    means = (Estimate(3, 0.99, 0.01, (0.97, 1.02)), Estimate(3, 0.01, 0.01, (-0.02, 0.04)))
    arm = ArmCurves("relu", (), "train", (), means, (0.99, 0.01))
    assert (arm.band(1), arm.band(2)) == ((0.97, 1.0), (0.0, 0.04))


def test_a_pair_of_factors_gives_a_table_of_means(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 120],
        "activation=relu, lr=0.01": [200],
        "activation=tanh, lr=0.1": [110],
        "activation=tanh, lr=0.01": [],
    }
    results = planted(tmp_path, counts, TWO_FACTORS)
    (table,) = pair_tables(results.plan, results.records, parse_metric("test_accuracy"))
    assert (table.rows, table.columns) == ("model.activation", "train.lr")
    assert table.means[0] == pytest.approx((110 / 360, 200 / 360))
    assert table.means[1][0] == pytest.approx(110 / 360)
    assert table.means[1][1] is None
