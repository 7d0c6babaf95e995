"""What initialisers draw for a layer, and what their formulas promise of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy
import pytest
import torch

from actbench.catalogue.lookup import entries
from actbench.errors import ConfigurationError
from actbench.report.functions import find_functions
from actbench.report.values import draw, draws_sections, parse_shape, promised_moments
from program import actbench, assert_one_message

NAMES = [entry.name for entry in entries("initialiser")]


@pytest.mark.parametrize("name", NAMES)
def test_the_drawn_moments_are_those_that_the_formula_promises(name: str) -> None:
    (drawn,) = draw(find_functions([name], ["initialiser"]), (300, 200), seed=1)
    assert drawn.mean is not None
    assert drawn.sd is not None
    spread = 4 * drawn.sd / math.sqrt(drawn.weights.size)
    assert drawn.weights.mean() == pytest.approx(drawn.mean, abs=spread + 1e-9)
    assert drawn.weights.std() == pytest.approx(drawn.sd, rel=0.02, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("kaiming_normal", (0, math.sqrt(2 / 5))),
        ("kaiming_normal: {mode: fan_out}", (0, math.sqrt(2 / 3))),
        ("kaiming_uniform", (0, math.sqrt(6 / 5) / math.sqrt(3))),
        ("xavier_normal: {gain: 2}", (0, 2 * math.sqrt(2 / 8))),
        ("fitted_normal", (0, math.sqrt(2 / 5))),
        ("uniform: {a: 2, b: 3}", (2.5, 1 / math.sqrt(12))),
        ("orthogonal: {gain: 3}", (0, 3 / math.sqrt(5))),
        ("constant: {val: 7}", (7, 0)),
    ],
)
def test_the_promised_moments_are_those_of_the_articles(text: str, moments: tuple[float, float]) -> None:
    (drawn,) = draw(find_functions([text], ["initialiser"]), (5, 3), seed=0)
    assert (drawn.mean, drawn.sd) == pytest.approx(moments, rel=1e-5)


@pytest.mark.parametrize("formula", ["what it likes", "normal(0)", "normal(0, width)", "poisson(3)", ""])
def test_a_formula_that_says_something_else_promises_nothing(formula: str) -> None:
    assert promised_moments(formula, {}, 5, 3) is None


def test_weights_are_torchs_own_of_that_seed_with_every_row_and_a_histogram_of_all(tmp_path: Path) -> None:
    arguments = ("show", "he_normal", "--shape", "5x3", "--seed", "4")
    (found,) = json.loads(actbench(*arguments, "--format", "json", folder=tmp_path).stdout)["initialisers"]
    weights = torch.empty(5, 3)
    torch.nn.init.normal_(weights, 0, math.sqrt(2 / 5), generator=torch.Generator().manual_seed(4))
    assert numpy.array(found["weights"]) == pytest.approx(weights.numpy(), rel=1e-5)
    assert sum(found["histogram"]["counts"]) == 15
    assert found["drawn_sd"] == pytest.approx(float(weights.std()), rel=1e-5)
    lines = actbench(*arguments, folder=tmp_path).stdout.splitlines()
    assert "15 weights of a layer of 5 inputs and 3 units, drawn from seed 4." in lines
    assert [line.split()[0] for line in lines if len(line.split()) == 4 and line.split()[0].isdigit()] == list("12345")
    bars = [line.count("█") for line in lines if "█" in line]
    assert max(bars) == 40


def test_many_weights_are_shown_by_moments_and_histogram_alone() -> None:
    sections = draws_sections(draw(find_functions(["ones", "uniform"], ["initialiser"]), (40, 30), seed=0), 0)
    assert [section.title for section in sections] == ["weights", "ones: histogram", "uniform: histogram"]
    assert len(sections[1].rows) == 1
    assert sum(int(row[2].replace(",", "")) for row in sections[2].rows) == 1200


@pytest.mark.parametrize("text", ["5", "5x", "0x3", "5x3x2", "-1x2", "x", "99999x99999"])
def test_a_shape_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--shape: expected inputs x units of a layer, such as 5x3"):
        parse_shape(text)


def test_names_are_looked_for_where_they_belong(tmp_path: Path) -> None:
    alone = actbench("show", "kaiming_normal", folder=tmp_path)
    assert_one_message(alone, 2, "kaiming_normal is an initialiser: say for which layer it draws, such as --shape 5x3")
    wrong = actbench("show", "kaiming_norml", "--shape", "5x3", folder=tmp_path)
    assert_one_message(wrong, 2, "no initialiser is called 'kaiming_norml'; did you mean kaiming_normal")
