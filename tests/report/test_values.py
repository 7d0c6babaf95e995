"""Values of functions at points, and outputs for scores."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from program import actbench, assert_one_message

SCORES = [0.2, 0.02, 0.15, 0.15, 1.3, 0.5, 0.06, 1.1, 0.05, 3.75]


def test_values_and_derivatives_at_points_are_those_of_the_formula(tmp_path: Path) -> None:
    shown = actbench("show", "sigmoid", "logsigmoid", "--at", "0.3439,-0.6682", "--format", "json", folder=tmp_path)
    rows = json.loads(shown.stdout)["values"]
    assert [(row["function"], row["x"]) for row in rows] == [
        (name, x) for name in ("sigmoid", "logsigmoid") for x in (0.3439, -0.6682)
    ]
    for row in rows:
        s = 1 / (1 + math.exp(-row["x"]))
        value, derivative = (s, s * (1 - s)) if row["function"] == "sigmoid" else (math.log(s), 1 - s)
        assert row["value"] == pytest.approx(value, rel=1e-12)
        assert row["derivative"] == pytest.approx(derivative, rel=1e-12)


def test_outputs_for_scores_are_softmaxs_with_the_largest_marked_and_the_sum(tmp_path: Path) -> None:
    text = ",".join(map(str, SCORES))
    rows = json.loads(actbench("show", "softmax", "--scores", text, "--format", "json", folder=tmp_path).stdout)[
        "outputs"
    ]
    total = sum(map(math.exp, SCORES))
    assert [row["output"] for row in rows] == pytest.approx([math.exp(score) / total for score in SCORES], rel=1e-12)
    assert [row["unit"] for row in rows if row["is_largest"]] == [9]
    printed = actbench("show", "softmax", "--scores", text, folder=tmp_path).stdout
    assert "Sum of softmax: 1." in printed
    assert [line.split()[1] for line in printed.splitlines() if line.endswith("largest")] == ["9"]


def test_no_output_is_the_largest_where_they_overflow(tmp_path: Path) -> None:
    arguments = ("show", "softmax: {shift: false}", "--scores", "1000,0", "--format", "json")
    rows = json.loads(actbench(*arguments, folder=tmp_path).stdout)["outputs"]
    assert [(row["output"], row["is_largest"]) for row in rows] == [(None, False), (0.0, False)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["softmax", "--at", "1"], "softmax mixes the output units: give their scores with --scores"),
        (["relu", "--at", "1,x"], "--at: expected numbers such as 0.3439,0.6682, found '1,x'"),
        (["relu", "--at", ".nan"], "--at: expected numbers"),
        (["relu", "--at", "1", "--scores", "2"], "give one of them"),
    ],
)
def test_what_has_no_value_is_an_error(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    assert_one_message(actbench("show", *arguments, folder=tmp_path), 2, sentence)
