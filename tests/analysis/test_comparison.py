"""Comparisons of planted results: pairing, baselines, failures, and what must not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.report.request import Request, answer
from builders import TWO_ACTIVATIONS
from planted import (
    FIVE_ACTIVATIONS,
    IMAGES,
    MUCH,
    RELU,
    TUNED,
    above,
    asked,
    contrast_of,
    five_arms,
    planted,
)

TWO_FACTORS = TWO_ACTIVATIONS.replace("[relu, tanh]}", "[relu, tanh], train.lr: [0.1, 0.01]}")


def by_label(comparison: Comparison) -> dict[str, float | None]:
    return {row.sample.label: row.contrast.difference.mean if row.contrast else None for row in comparison.rows}


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": [300, 310, 320], "tanh": [303, 313, 323]}, TWO_ACTIVATIONS)
    comparison = asked(results)
    relu, tanh = comparison.rows
    assert relu.is_baseline
    assert relu.contrast is None
    assert relu.own.mean == pytest.approx(310 / 360)
    assert tanh.contrast is not None
    assert tanh.contrast.is_paired
    assert tanh.contrast.difference.mean == pytest.approx(3 / 360)
    assert tanh.contrast.difference.sd == 0
    assert (tanh.contrast.p, tanh.contrast.p_holm, tanh.contrast.probability_better) == (0.25, 0.25, 1.0)
    assert tanh.contrast.verdict == "not judged"
    assert comparison.seeds == (0, 1, 2)


@pytest.mark.parametrize("missing", ["relu", "tanh"])
def test_a_seed_that_one_arm_lacks_is_left_out_of_the_pairs_only(missing: str, tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH)}
    without: dict[str, list[int | None]] = {label: list(given) for label, given in counts.items()}
    without[missing][7] = None
    comparison = asked(planted(tmp_path, without))
    assert {row.sample.label: row.own.n for row in comparison.rows} == {"relu": 10, "tanh": 10, missing: 9}
    found = contrast_of(comparison, "tanh")
    kept = [gain for seed, gain in enumerate(MUCH) if seed != 7]
    assert found.difference.n == 9
    assert found.difference.mean == pytest.approx(sum(kept) / 9 / IMAGES)
    assert found.p == 2 / 2**9


def test_seeds_are_paired_by_their_number_and_not_by_their_place(tmp_path: Path) -> None:
    counts = {"relu": [None, 9000, 9100, 9200], "tanh": [9010, 9020, None, 9230]}
    found = contrast_of(asked(planted(tmp_path, counts, TUNED.replace("seeds: 10", "seeds: [9, 2, 4, 1]"))), "tanh")
    assert found.difference.n == 2
    assert found.difference.mean == pytest.approx((20 + 30) / 2 / IMAGES)


def test_arms_without_a_seed_in_common_have_no_difference(tmp_path: Path) -> None:
    counts: dict[str, list[int | None]] = {"relu": [*RELU[:5], *[None] * 5], "tanh": [*[None] * 5, *RELU[5:]]}
    found = contrast_of(asked(planted(tmp_path, counts)), "tanh")
    assert (found.difference.n, found.difference.mean, found.p, found.p_holm) == (0, None, None, None)
    assert found.verdict == "too few seeds to tell"


def test_an_arm_is_compared_with_the_baseline_at_its_own_other_factors(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 100, 100],
        "activation=relu, lr=0.01": [200, 200, 200],
        "activation=tanh, lr=0.1": [110, 110, 110],
        "activation=tanh, lr=0.01": [220, 220, 220],
    }
    assert by_label(asked(planted(tmp_path, counts, TWO_FACTORS))) == {
        "activation=relu, lr=0.1": None,
        "activation=relu, lr=0.01": None,
        "activation=tanh, lr=0.1": pytest.approx(10 / 360),
        "activation=tanh, lr=0.01": pytest.approx(20 / 360),
    }


def test_a_whole_arm_as_baseline_is_compared_with_all_others(tmp_path: Path) -> None:
    counts = {
        "activation=relu, lr=0.1": [100, 100, 100],
        "activation=relu, lr=0.01": [200, 200, 200],
        "activation=tanh, lr=0.1": [110, 110, 110],
        "activation=tanh, lr=0.01": [220, 220, 220],
    }
    assert by_label(asked(planted(tmp_path, counts, TWO_FACTORS), baseline="relu, lr=0.01")) == {
        "activation=relu, lr=0.1": pytest.approx(-100 / 360),
        "activation=relu, lr=0.01": None,
        "activation=tanh, lr=0.1": pytest.approx(-90 / 360),
        "activation=tanh, lr=0.01": pytest.approx(20 / 360),
    }


def test_without_a_baseline_there_are_no_differences(tmp_path: Path) -> None:
    text = TWO_ACTIVATIONS.replace("baseline: {model.activation: relu}\n", "")
    comparison = asked(planted(tmp_path, {"relu": [300], "tanh": [303]}, text))
    assert by_label(comparison) == {"relu": None, "tanh": None}
    assert comparison.detectable is None


def test_diverged_trials_stay_in_the_sample_and_failed_ones_are_counted(tmp_path: Path) -> None:
    changes: dict[int, dict[str, Any]] = {
        0: {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None},
        2: {"outcome": "failed", "test_correct_count": None},
    }

    def change(label: str, seed: int) -> dict[str, Any]:
        return changes.get(seed, {}) if label == "tanh" else {}

    counts = {"relu": [300, 310, 320], "tanh": [36, 313, 300]}
    results = planted(tmp_path, counts, TWO_ACTIVATIONS, change=change)
    tanh = asked(results).rows[1]
    assert (tanh.own.n, tanh.sample.failed) == (2, 2)
    assert tanh.own.mean == pytest.approx((36 + 313) / 720)
    by_loss = contrast_of(asked(results, metric="test_loss"), "tanh")
    assert by_loss.difference.n == 2
    by_validation = contrast_of(asked(results, metric="validation_accuracy"), "tanh")
    assert by_validation.difference.n == 3


def test_the_order_of_the_journal_changes_nothing(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    backwards = replace(results, records=dict(reversed(results.records.items())))
    assert asked(backwards, all_pairs=True) == asked(results, all_pairs=True)


@pytest.mark.parametrize("order", [(4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_the_order_of_the_arms_changes_nothing_but_the_order_of_the_rows(order: Sequence[int], tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    forth = asked(results)
    back = asked(replace(results, plan=replace(results.plan, arms=tuple(results.plan.arms[i] for i in order))))
    assert back.rows == tuple(forth.rows[i] for i in order)
    assert (back.best[0], set(back.best)) == (forth.best[0], set(forth.best))
    assert replace(back, rows=(), best=()) == replace(forth, rows=(), best=())


def test_what_the_command_line_asks_is_what_is_compared(tmp_path: Path) -> None:
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)})
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    assert answer([results], None, Request(), lambda _: None) == compare(results.plan, results.records, question)
