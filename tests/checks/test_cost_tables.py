"""Costs as a table and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from actbench.checks.cost import ROUNDS, SHAPE, Cost, Measurement, Memory
from actbench.errors import ConfigurationError
from actbench.experiment.choices import parse_choice
from actbench.render.terminal import fitting_columns
from actbench.report.checks import cost_section, costs_to_json, find_activations
from actbench.runs.environment import describe_machine
from program import actbench, assert_one_message

BYTES = 4 * math.prod(SHAPE)
PLAIN_RELU = Measurement((1.5,) * 30, 1590.0, Memory(2 * BYTES, BYTES))
RELU = Cost(
    parse_choice("activation", "relu"), Measurement((0.98, 1.0, 1.01) * 10, 1060.4, Memory(BYTES, BYTES)), PLAIN_RELU
)
RATIOS = tuple(2 + i / 100 for i in range(30))
PRELU = Cost(
    parse_choice("activation", "prelu"),
    Measurement(RATIOS, 9512.6, Memory(5 * BYTES // 2, BYTES)),
    Measurement((3.0,) * 30, 9999.0, None),
)
ENVIRONMENT = {"processor": "Abacus 3000", "torch": "2.6.0"}


def test_the_section_has_a_row_for_each_function_and_says_how_it_was_measured() -> None:
    section = cost_section([RELU, PRELU], ENVIRONMENT)
    assert section.title == "cost relative to relu"
    assert section.rows == [
        ["relu", "1.00", "0.98 to 1.01", "1060", "4", "1.50", "8"],
        ["prelu", "2.15", "2.09 to 2.20", "9513", "10", "3.00", "-"],
    ]
    notes = " ".join(section.notes)
    assert "median of 30 rounds" in notes
    assert "relu is measured twice" in notes
    assert "Abacus 3000, 1 thread, float32, torch 2.6.0" in notes


def test_too_few_rounds_have_no_interval() -> None:
    few = replace(RELU, trained=replace(RELU.trained, ratios=(2.0, 2.0)))
    assert cost_section([few], ENVIRONMENT).rows[0][2] == "-"
    assert costs_to_json([few], ENVIRONMENT)["functions"][0]["time_ratio_ci"] is None


def test_all_columns_fit_eighty_characters() -> None:
    section = cost_section([replace(RELU, choice=parse_choice("activation", "relu_squared")), PRELU], ENVIRONMENT)
    assert fitting_columns(section, 80) == list(range(len(section.header)))


def test_json_holds_what_was_measured_and_where() -> None:
    document = json.loads(json.dumps(costs_to_json([RELU, PRELU], ENVIRONMENT), allow_nan=False))
    relu, prelu = document.pop("functions")
    assert document == {
        "reference": "relu", "shape": [8, 128, 256], "rounds": 30, "threads": 1, "environment": ENVIRONMENT,
    }  # fmt: skip
    assert relu["ratios"] == list(RELU.trained.ratios)
    assert relu["plain"]["peak_memory_ratio"] == 2.0
    assert prelu.pop("plain")["peak_memory_ratio"] is None
    assert {key: value for key, value in prelu.items() if key != "ratios"} == {
        "name": "prelu",
        "settings": {"negative_slope": 0.25, "learn": True, "per_feature": False},
        "time_ratio": pytest.approx(2.145),
        "time_ratio_ci": [2.09, 2.2],
        "microseconds_per_million": 9512.6,
        "peak_memory_ratio": 2.5,
        "peak_bytes_per_value": 10.0,
        "kept_bytes_per_value": 4.0,
    }


def test_only_activations_have_a_cost() -> None:
    assert [str(choice) for choice in find_activations(["silu", "sigmoid"])] == ["swish", "sigmoid"]
    with pytest.raises(ConfigurationError, match=r"^logits is an output function; --cost measures activations$"):
        find_activations(["relu", "logits"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rlu", "--cost"], "no function is called 'rlu'; did you mean relu"),
        (["logits", "--cost"], "logits is an output function; --cost measures activations"),
        (["softmax", "--cost"], "softmax is an output function; --cost measures activations"),
    ],
)
def test_what_cannot_be_measured_is_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    finished = actbench("show", *arguments, folder=tmp_path)
    assert_one_message(finished, 2, message)
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_verb_measures_relu_and_what_it_was_asked_for(tmp_path: Path) -> None:
    finished = actbench("show", "tanh", "--cost", "--format", "json", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    document = json.loads(finished.stdout)
    assert [function["name"] for function in document["functions"]] == ["relu", "tanh"]
    assert document["rounds"] == ROUNDS
    assert all(len(function["ratios"]) == ROUNDS for function in document["functions"])
    assert [function["peak_memory_ratio"] for function in document["functions"]] == [1.0, 1.0]
    assert set(document["environment"]) == {"actbench", *describe_machine()}
    assert not any(str(tmp_path) in str(value) or "/" in str(value) for value in document["environment"].values())


@pytest.mark.slow
def test_the_table_follows_the_facts_and_replaces_the_plots(tmp_path: Path) -> None:
    finished = actbench("show", "tanh", "--cost", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[0] == "functions"
    facts, costs = finished.stdout.split("\ncost relative to relu\n")
    assert [line.split()[0] for line in costs.splitlines()[1:3]] == ["relu", "tanh"]
    assert "function on -8" not in facts
