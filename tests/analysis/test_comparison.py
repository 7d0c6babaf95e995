"""Comparisons on made-up records: pairing, baselines, failures, metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.analysis.comparison import Comparison, compare
from actbench.analysis.curves import learning_curves, pair_tables
from actbench.experiment import Experiment
from actbench.metrics import CURVES, parse_metric
from actbench.plan import Plan, make_plan
from actbench.records import TrialRecord
from builders import TWO_ACTIVATIONS, experiment_from, record_of

ACCURACY = parse_metric("test_accuracy")
TWO_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", "[relu, tanh], train.lr: [0.1, 0.01]}")


def made_up(text: str, folder: Path, counts: dict[str, list[int]]) -> tuple[Experiment, Plan, dict[str, TrialRecord]]:
    """An experiment whose arms (by label) have these correct counts, seed by seed."""
    experiment = experiment_from(text, folder)
    plan = make_plan(experiment)
    records = {
        trial.id: record_of(trial, count)
        for arm, trials in plan.arms
        for trial, count in zip(trials, counts[arm.label()], strict=False)
    }
    return experiment, plan, records


def by_label(comparison: Comparison) -> dict[str, float | None]:
    return {row.arm.label(): row.difference.mean if row.difference else None for row in comparison.arms}


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    experiment, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300, 310, 320], "tanh": [303, 313, 323]})
    relu, tanh = compare(plan, records, experiment.baseline, ACCURACY).arms
    assert relu.is_baseline
    assert relu.difference is None
    assert relu.own.mean == pytest.approx(310 / 360)
    assert tanh.difference is not None
    assert tanh.difference.mean == pytest.approx(3 / 360)
    assert tanh.difference.sd == pytest.approx(0, abs=1e-12)
    assert (tanh.p, tanh.p_holm, tanh.probability_better) == (0.25, 0.25, 1.0)
    assert tanh.verdict == "not judged"


def test_a_missing_seed_is_left_out_of_the_pairs_only(tmp_path: Path) -> None:
    experiment, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300, 310], "tanh": [303, 313, 350]})
    tanh = compare(plan, records, experiment.baseline, ACCURACY).arms[1]
    assert tanh.own.n == 3
    assert tanh.difference is not None
    assert tanh.difference.n == 2


def test_the_order_of_the_journal_changes_nothing(tmp_path: Path) -> None:
    experiment, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300, 310, 320], "tanh": [313, 303, 333]})
    backwards = dict(reversed(records.items()))
    assert compare(plan, records, experiment.baseline, ACCURACY) == compare(
        plan, backwards, experiment.baseline, ACCURACY
    )


def test_an_arm_is_compared_with_the_baseline_at_its_own_other_factors(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 100, 100],
        "activation=relu, lr=0.01": [200, 200, 200],
        "activation=tanh, lr=0.1": [110, 110, 110],
        "activation=tanh, lr=0.01": [220, 220, 220],
    }
    experiment, plan, records = made_up(TWO_FACTORS, tmp_path, counts)
    assert by_label(compare(plan, records, experiment.baseline, ACCURACY)) == {
        "activation=relu, lr=0.1": None,
        "activation=relu, lr=0.01": None,
        "activation=tanh, lr=0.1": pytest.approx(10 / 360),
        "activation=tanh, lr=0.01": pytest.approx(20 / 360),
    }


def test_without_a_baseline_there_are_no_differences(tmp_path: Path) -> None:
    _, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300], "tanh": [303]})
    comparison = compare(plan, records, (), ACCURACY)
    assert by_label(comparison) == {"relu": None, "tanh": None}
    assert all(row.p is None and row.verdict is None for row in comparison.arms)


def test_diverged_trials_stay_in_the_sample_and_failed_ones_are_counted(tmp_path: Path) -> None:
    experiment, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300, 310, 320], "tanh": [36, 313, 300]})
    diverged, _, failed = (records[trial.id] for trial in plan.arms[1][1])
    records[diverged.trial] = diverged.model_copy(
        update={"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
    )
    records[failed.trial] = failed.model_copy(update={"outcome": "failed", "test_correct_count": None})
    tanh = compare(plan, records, experiment.baseline, ACCURACY).arms[1]
    assert (tanh.own.n, tanh.failed) == (2, 2)
    assert tanh.own.mean == pytest.approx((36 + 313) / 720)


@pytest.mark.parametrize("metric", CURVES)
def test_every_curve_is_read_at_the_last_epoch(metric: str, tmp_path: Path) -> None:
    _, _plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300], "tanh": [303]})
    record = next(iter(records.values()))
    expected = {
        "test_accuracy": 300 / 360, "test_loss": 0.5, "validation_accuracy": 150 / 239, "validation_loss": 0.5,
        "train_accuracy": 300 / 1198, "train_loss": pytest.approx(1 / 3),
    }  # fmt: skip
    assert parse_metric(metric).value(record) == expected[metric]


def test_learning_curves_are_means_over_the_trials_that_got_so_far(tmp_path: Path) -> None:
    _, plan, records = made_up(TWO_ACTIVATIONS, tmp_path, {"relu": [300, 310], "tanh": []})
    stopped = next(iter(records.values()))
    short = stopped.curves.model_copy(update={"validation_correct_count": (10,)})
    records[stopped.trial] = stopped.model_copy(update={"curves": short})
    relu, tanh = learning_curves(plan, records)
    assert relu.part == "validation"
    assert relu.accuracy == pytest.approx((30 / 239, 100 / 239, 150 / 239))
    assert tanh.accuracy == ()


def test_a_pair_of_factors_gives_a_table_of_means(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 120],
        "activation=relu, lr=0.01": [200],
        "activation=tanh, lr=0.1": [110],
        "activation=tanh, lr=0.01": [],
    }
    _, plan, records = made_up(TWO_FACTORS, tmp_path, counts)
    (table,) = pair_tables(plan, records, ACCURACY)
    assert (table.rows, table.columns) == ("model.activation", "train.lr")
    assert table.means[0] == pytest.approx((110 / 360, 200 / 360))
    assert table.means[1][0] == pytest.approx(110 / 360)
    assert table.means[1][1] is None
