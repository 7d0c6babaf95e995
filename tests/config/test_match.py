"""`match: parameters`: arms as large as their baseline, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.config.reader import read_experiment
from actbench.config.source import write_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.layers import network_size
from actbench.plan.plan import make_plan
from program import actbench

TEXT = """data: {dataset: digits}
vary: {model.hidden: [[32], [24, 24], [64, 64]]}
baseline: {model.hidden: [32]}
train: {epochs: 2, batch_size: 32}
seeds: 2
"""
MATCHED = TEXT + "match: parameters\n"


def read(text: str) -> Experiment:
    return read_experiment(text, "f.yaml", "f").experiment


def test_arms_are_trained_as_if_the_file_gave_their_widths() -> None:
    experiment = read(MATCHED)
    arms = list(experiment.arms())
    assert [arm.settings.model.hidden for arm in arms] == [(32,), (24, 24), (13, 64)]
    assert [network_size(arm.settings).parameters for arm in arms] == [2410, 2410, 2391]


def test_the_trials_are_those_of_a_file_with_the_same_widths_and_the_record_gives_them_again() -> None:
    matched, written = read(MATCHED), read(TEXT.replace("[64, 64]", "[13, 64]"))
    assert make_plan(matched).trials().keys() == make_plan(written).trials().keys()
    assert read(write_yaml(experiment_to_yaml(matched))) == matched
    assert "match" not in experiment_to_yaml(written)


def test_each_arm_has_the_size_of_its_own_baseline_also_among_cells() -> None:
    text = """data: {dataset: digits}
vary:
  - {model.activation: [relu, {prelu: {per_feature: true}}], model.batch_norm: [false, true]}
  - {model.hidden: [[40], [20, 80]]}
baseline: {model.activation: relu}
match: parameters
"""
    experiment = read(text)
    sizes = [
        (arm.settings.model.hidden, arm.matched and (arm.matched.target, arm.matched.left)) for arm in experiment.arms()
    ]
    assert sizes == [
        ((40,), None), ((20, 80), None), ((38,), (3010, -36)), ((20, 71), (3790, -6)),
    ]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), [
    ("match: weights", "1:1: match: expected parameters, found 'weights' (text)"),
    ("match: 3", "1:1: match: expected parameters, found 3 (a whole number)"),
    ("vary: {model.hidden: [[8], [9]]}\nmatch: parameters",
     "2:1: match: arms are made as large as their baseline, but the file names none"),
    (MATCHED.replace("[24, 24]", "[]"),
     "6:1: match: `hidden=none` cannot have the 2,410 parameters of its baseline: it has 650 and no hidden layer"),
    (MATCHED.replace("[24, 24]", "[90, 80, 80]"),
     "6:1: match: `hidden=90-80-80` cannot have the 2,410 parameters of its baseline: it has 7,515 even with 1 unit"),
    (MATCHED + "tune: {model.batch_norm: [true, false]}",
     "6:1: match: what is tuned changes how many parameters `hidden=32` has"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert f"f.yaml:{message}" in str(caught.value)


def test_sizes_and_what_is_left_are_in_every_table(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(MATCHED.replace("seeds: 2", "seeds: 3"))
    assert "2,391 to 2,410 (matched: at most 0.79 % from the baseline's)" in actbench(
        "plan", "e.yaml", folder=tmp_path
    ).stdout.replace("\n", " ")
    summary = actbench("summary", "e.yaml", folder=tmp_path).stdout
    assert "Layer 1 has 13 units instead of 64, to match the baseline's 2,410 parameters (-19)." in summary
    assert actbench("run", "e.yaml", "--jobs", "1", "--allow-unusable", folder=tmp_path).returncode == 0
    table = actbench("compare", "--explain", folder=tmp_path).stdout
    assert {"2,410", "2,391", "2,368", "2,304"} < set(table.split())
    assert "arms with other sizes" not in table
    document = json.loads(actbench("compare", "--format", "json", folder=tmp_path).stdout)
    assert [arm["parameters"] for arm in document["arms"]] == [2410, 2410, 2391]
    (said,) = [one for one in document["statements"] if one["kind"] == "matched"]
    assert said["text"] == (
        "As large as the baseline to 0.79 % of its parameters: hidden=64-64 has 13 units instead of 64 in layer 1 "
        "(-19 parameters)."
    )
    header, *rows = (tmp_path / "results" / "e" / "table.csv").read_text().splitlines()
    assert header.endswith(",parameters,multiply_adds")
    assert [row.rsplit(",", 2)[1:] for row in rows] == [["2410", "2368"], ["2410", "2352"], ["2391", "2304"]]
    assert actbench("verify", "results/e", folder=tmp_path).returncode == 0


def test_arms_of_unlike_sizes_have_a_column_and_a_caveat(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(TEXT.replace("[24, 24], ", ""))
    assert actbench("run", "e.yaml", "--jobs", "1", "--allow-unusable", folder=tmp_path).returncode == 0
    found = actbench("compare", folder=tmp_path).stdout
    assert "parameters" in found.splitlines()[3]
    assert "Of different sizes: 2,410 (hidden=32) to 8,970 parameters (hidden=64-64)" in found
