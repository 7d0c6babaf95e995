"""A comparison as programs read it: CSV and JSON."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pandas
import pytest

from actbench.analysis.comparison import Comparison
from actbench.report.comparison import (
    arms_table,
    comparison_to_json,
)
from planted import (
    FIVE_ACTIVATIONS,
    MUCH,
    RELU,
    UNTUNED,
    above,
    asked,
    five_arms,
    planted,
)
from program import actbench

DIVERGED = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
JSON_KEYS = {
    "arm", "n", "failed", "mean", "sd", "ci", "difference", "difference_ci", "p", "p_holm", "probability_better",
    "verdict",
}  # fmt: skip


@pytest.fixture
def two(tmp_path: Path) -> Comparison:
    """Relu and a clearly better tanh, both tuned."""
    return asked(planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}))


@pytest.fixture
def five(tmp_path: Path) -> Comparison:
    """An arm for every verdict, and all pairs."""
    return asked(planted(tmp_path, five_arms(), FIVE_ACTIVATIONS), all_pairs=True)


def test_csv_has_one_row_for_each_arm_and_pandas_reads_it(five: Comparison) -> None:
    table = pandas.read_csv(io.StringIO(arms_table(five).to_csv()))
    assert list(table["arm"]) == list(table["model.activation"]) == list(five_arms())
    assert list(table["tuned"]) == [0.003] * 5
    assert list(table["mean"]) == pytest.approx([sum(counts) / 10 / 10_000 for counts in five_arms().values()])
    assert list(table["difference"][1:]) == pytest.approx([0.00206, 0.0005, 0.00001, 0.00005])
    assert (table["difference_ci_low"][1:] < table["difference"][1:]).all()
    assert (table["difference"][1:] < table["difference_ci_high"][1:]).all()
    assert list(table["verdict"][1:3]) == ["better", "better (small)"]
    assert table.loc[0, "difference":"verdict"].isna().all()


def test_csv_leaves_empty_what_was_not_tuned(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": RELU}, UNTUNED))
    assert [row["tuned"] for row in arms_table(comparison).rows] == [None, None]


def test_collapsed_trials_have_a_column_for_programs(tmp_path: Path) -> None:
    results = planted(
        tmp_path,
        {"relu": RELU, "tanh": [980, *RELU[1:]]},
        change=lambda label, seed: (
            {"test_prediction_counts": (10_000, *[0] * 9)} if (label, seed) == ("tanh", 0) else {}
        ),
    )
    found = {row["arm"]: (row["n"], row["failed"], row["collapsed"]) for row in arms_table(asked(results)).rows}
    assert found == {"relu": (10, 0, 0), "tanh": (10, 1, 1)}


def test_json_holds_everything_that_the_table_says(five: Comparison) -> None:
    document = json.loads(json.dumps(comparison_to_json(five), allow_nan=False))
    assert document.keys() == {
        "metric", "baseline", "seeds", "arms", "margin", "best_set", "detectable_difference", "pairs",
    }  # fmt: skip
    assert (document["metric"], document["baseline"]) == ("test_accuracy", {"model.activation": "relu"})
    assert (document["seeds"], document["margin"]) == (list(range(10)), 0.001)
    assert all(arm.keys() > JSON_KEYS for arm in document["arms"])
    relu, tanh, *_ = document["arms"]
    assert relu["difference"] is relu["difference_ci"] is relu["p"] is relu["verdict"] is None
    assert tanh["arm"] == {"model.activation": "tanh"}
    assert tanh["tuned"] == {"train.lr": 0.003}
    assert tanh["difference_ci"][0] < tanh["difference"] == 0.00206 < tanh["difference_ci"][1]
    assert (tanh["p"], tanh["p_holm"], tanh["verdict"]) == (2 / 2**10, 8 / 2**10, "better")
    assert document["best_set"] == ["tanh", "mish"]
    assert len(document["pairs"]) == 10
    assert document["pairs"][0]["first"] == "relu"
    assert document["pairs"][0]["verdict"] == "worse"


def test_json_has_pairs_only_where_they_are_asked_for(two: Comparison) -> None:
    assert "pairs" not in comparison_to_json(two)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss", "layer1.mean", "train_loss / test_loss"])
@pytest.mark.parametrize(
    "counts", [{}, {"relu": [0]}, {"relu": [9800], "tanh": [9800]}, {"relu": [9800] * 10, "tanh": [9810] * 10}]
)
def test_no_format_ever_says_nan(counts: dict[str, list[int]], metric: str, tmp_path: Path) -> None:
    results = planted(tmp_path, counts, change=lambda _, seed: DIVERGED if seed % 2 else {})
    options = ("--metric", metric, "--all-pairs", "--format")
    for form in ("table", "markdown", "csv"):
        text = actbench("compare", results.folder, *options, form, folder=results.folder).stdout
        assert text.endswith("\n")
        assert not {"nan", "inf", "infinity", "none"} & set(text.lower().replace(",", " ").split())
    document = json.loads(
        actbench("compare", results.folder, *options, "json", folder=results.folder).stdout, parse_constant=pytest.fail
    )
    numbers = [one for arm in document["arms"] for one in arm.values() if isinstance(one, float)]
    assert all(map(math.isfinite, numbers))
