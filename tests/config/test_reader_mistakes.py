"""Every mistake in an experiment file is one line `file:line:column: path: sentence`, and all come in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from mistaken_experiments import (
    BAD_CHOICES,
    IMPOSSIBLE,
    NAMES_AND_SEEDS,
    OUT_OF_RANGE,
    UNKNOWN_KEYS,
    UNKNOWN_NAMES,
    VARY_AND_BASELINE,
    WRONG_TYPES,
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mistakes(text: str, overrides: Sequence[str] = ()) -> list[str]:
    Path("f.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_experiment(Path("f.yaml"), overrides)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("text", "lines"), [
    pytest.param(text, lines, id=text.replace("\n", " ")[:60])
    for text, *lines in [*UNKNOWN_KEYS, *WRONG_TYPES, *OUT_OF_RANGE, *UNKNOWN_NAMES, *BAD_CHOICES, *NAMES_AND_SEEDS,
                         *VARY_AND_BASELINE, *IMPOSSIBLE]
])  # fmt: skip
def test_a_mistake_is_named_with_its_place_its_path_and_a_sentence(text: str, lines: list[str]) -> None:
    assert mistakes(text) == [f"f.yaml:{line}" for line in lines]


ALL_AT_ONCE = """\
name: a b
data: {datset: mnist, scale: -1}
model:
  activation: rleu
  hidden: [64, 0]
  hidden: [3]
train: {lr: 0}
vary:
  train.epochs: [1, 1]
  data.dataset: [cube]
tune: []
seeds: 0
baseline: {train.lr: 1}
"""


def test_all_mistakes_of_a_file_are_reported_in_one_go_and_in_the_order_of_the_file() -> None:
    assert [line.split(": ")[:2] for line in mistakes(ALL_AT_ONCE)] == [
        ["f.yaml:1:1", "name"],
        ["f.yaml:2:8", "data.datset"],
        ["f.yaml:2:23", "data.scale"],
        ["f.yaml:4:3", "model.activation"],
        ["f.yaml:5:16", "model.hidden[1]"],
        ["f.yaml:6:3", "model.hidden"],
        ["f.yaml:7:9", "train.lr"],
        ["f.yaml:9:21", "vary.train.epochs[1]"],
        ["f.yaml:10:3", "vary.data.dataset"],
        ["f.yaml:11:1", "tune"],
        ["f.yaml:12:1", "seeds"],
        ["f.yaml:13:12", "baseline.train.lr"],
    ]


def test_an_impossible_pair_is_reported_together_with_mistakes_elsewhere() -> None:
    lines = mistakes("model: {output: tanh}\ntrain: {loss: bce}\nseeds: 0\nzzz: 1\n")
    assert [line.split(": ")[:2] for line in lines] == [
        ["f.yaml:2:9", "train.loss"],
        ["f.yaml:3:1", "seeds"],
        ["f.yaml:4:1", "zzz"],
    ]


def test_a_mistake_in_what_an_alias_repeats_is_reported_at_both_uses() -> None:
    lines = mistakes("model: {layers: [&wide {units: 0}, *wide]}")
    assert [line.split(": ")[1] for line in lines] == ["model.layers[0].units", "model.layers[1].units"]
