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
    assert [line.count("#") for line in printed.splitlines() if "largest" in line] == [20]
    assert "Sum of softmax: 1." in printed
    assert [line.split()[1] for line in printed.splitlines() if line.endswith("largest")] == ["9"]


def test_outputs_that_are_equally_large_are_all_marked(tmp_path: Path) -> None:
    shown = actbench("show", "softmax", "--scores", "5,1,5", "--format", "json", folder=tmp_path)
    assert [row["is_largest"] for row in json.loads(shown.stdout)["outputs"]] == [True, False, True]


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


def test_a_range_is_drawn_and_tabulated_and_json_has_all_of_it(tmp_path: Path) -> None:
    arguments = ("show", "relu6", "clamp: {min_val: 0, max_val: 6}", "--range=-20:20:1001")
    found = json.loads(actbench(*arguments, "--format", "json", folder=tmp_path).stdout)["functions"]
    curves = [one["curve"] for one in found]
    assert curves[0]["x"] == pytest.approx([-20 + 0.04 * number for number in range(1001)])
    assert curves[0]["value"] == pytest.approx([min(max(0, x), 6) for x in curves[0]["x"]])
    assert (curves[0]["value"], curves[0]["derivative"]) == (curves[1]["value"], curves[1]["derivative"])
    lines = actbench(*arguments, folder=tmp_path).stdout.splitlines()
    assert lines[0].startswith("function on -20 ... 20: * relu6, o hardtanh(min_val=0.0, max_val=6.0)")
    rows = [line.split() for line in lines if line.startswith("relu6 ") and len(line.split()) == 4]
    assert [float(row[1]) for row in rows] == pytest.approx([-20 + 2 * number for number in range(21)])
    assert [row[2] for row in rows][-9:] == ["4", *["6"] * 8]
    assert "21 of 1,001 inputs; --format json has the curves at all of them." in lines


@pytest.mark.parametrize(
    ("bounds", "first", "last"), [("-100000:100000", "-100000 ... 100000", 1e5), ("0:200:5", "0 ... 200", 200)]
)
def test_the_window_of_a_plot_grows_with_the_range(bounds: str, first: str, last: float, tmp_path: Path) -> None:
    finished = actbench("show", "identity", f"--range={bounds}", folder=tmp_path)
    lines = finished.stdout.splitlines()
    assert lines[0] == f"function on {first}: * identity"
    assert float(lines[1].split()[0]) == last
    assert lines[1].endswith("*")
    assert ("values" in lines) == (bounds.count(":") == 2)


@pytest.mark.parametrize(
    "text", ["5", "a:b", "3:1", "1:1", "0:1:1", "0:1:2.5", "0:1:200000", "0:1:5:2", "-.inf:1", "-1e12:1"]
)
def test_a_range_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    assert_one_message(actbench("show", "relu", f"--range={text}", folder=tmp_path), 2, "--range: expected LOW:HIGH")


def test_options_that_print_numbers_exclude_each_other(tmp_path: Path) -> None:
    for options in (["--at", "1", "--range", "0:1"], ["--shape", "5x3", "--cost"], ["--range", "0:1", "--cost"]):
        assert_one_message(actbench("show", "relu", *options, folder=tmp_path), 2, "--at, --scores and --shape print")
