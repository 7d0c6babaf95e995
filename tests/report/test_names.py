"""Short names of arms for readers, and whole ones for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.experiment.naming import label_of
from actbench.report.files import pictures
from actbench.report.request import short_names, with_short_names
from actbench.report.statements import statements
from builders import experiment_from
from drawn import comparison_of, results_from
from planted import UNTUNED
from program import actbench

TWO_FACTORS = UNTUNED.replace("model.activation: [relu, tanh]", "model.activation: [relu, tanh], train.lr: [0.1, 0.2]")


def named(vary: str, folder: Path) -> list[str]:
    """The short names of the arms of an experiment."""
    text = UNTUNED.replace("{model.activation: [relu, tanh]}", vary).replace("baseline: {model.activation: relu}\n", "")
    arms = experiment_from(text, folder).arms()
    return list(short_names({arm.label(): arm.values for arm in arms}).values())


@pytest.mark.parametrize(
    ("vary", "names"),
    [
        ("{model.activation: [relu, tanh]}", ["relu", "tanh"]),
        ("{train.lr: [0.1, 0.2]}", ["lr=0.1", "lr=0.2"]),
        ("{model.activation: [relu], train.lr: [0.1, 0.2]}", ["lr=0.1", "lr=0.2"]),
        ("{model.activation: [relu, tanh], model.init: [zeros]}", ["relu", "tanh"]),
        (
            "{model.activation: [relu, tanh], model.init: [zeros, ones]}",
            ["relu, zeros", "relu, ones", "tanh, zeros", "tanh, ones"],
        ),
        (
            "[{model.output: [softmax, sigmoid], train.loss: [bce, bce]}, {model.hidden: [[3], [4]]}]",
            ["softmax, hidden=3", "softmax, hidden=4", "sigmoid, hidden=3", "sigmoid, hidden=4"],
        ),
    ],
)
def test_arms_are_called_by_the_values_that_differ(vary: str, names: list[str], tmp_path: Path) -> None:
    assert named(vary, tmp_path) == names


def test_names_that_a_file_gives_stay(tmp_path: Path) -> None:
    vary = "[{model.activation: [relu, tanh]}, {model.init: [zeros, ones]}]"
    names = "names: {mine: {model.init: zeros, model.activation: relu}}"
    assert named(f"{vary}\n{names}", tmp_path) == ["mine", "relu, ones", "tanh, zeros", "tanh, ones"]


def test_nothing_is_shortened_where_two_arms_would_be_called_alike() -> None:
    firsts, seconds = ("a", "a, b"), ("b, c", "c")
    arms = [(("train.schedule", first), ("train.other", second)) for first in firsts for second in seconds]
    assert short_names({label_of(values): values for values in arms}) == {}


def test_everything_that_is_said_uses_short_names(tmp_path: Path) -> None:
    results = with_short_names(results_from(TWO_FACTORS, tmp_path))
    comparison = comparison_of(results)
    said = [one.text for one in statements(comparison, [results])]
    words = " ".join([*said, *(found.description for found in pictures(results, comparison))])
    assert "tanh, lr=0.1" in words
    assert "activation=" not in words


def test_a_terminal_gets_short_names_and_a_program_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "name: two\ndata: {dataset: digits, train: 100, test: 100}\nmodel: {hidden: [4]}\ntrain: {epochs: 1}\n"
        "vary: {model.activation: [relu, tanh], model.init: [zeros, xavier_normal]}\nseeds: 3\n"
        "baseline: {model.activation: relu, model.init: zeros}\n"
    )
    ran = actbench("run", "two.yaml", "--allow-unusable", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for words in (
        ran.stdout,
        actbench("compare", folder=tmp_path).stdout,
        actbench("compare", "--explain", "--baseline", "tanh, zeros", folder=tmp_path).stdout,
        actbench("report", folder=tmp_path).stdout,
    ):
        assert "tanh, zeros" in words
        assert "activation=" not in words
    document = json.loads(actbench("compare", "--format", "json", folder=tmp_path).stdout)
    assert [arm["label"] for arm in document["arms"]][-1] == "activation=tanh, init=xavier_normal"
    assert "activation=tanh" in actbench("compare", "--format", "csv", folder=tmp_path).stdout
