"""Settings that change together, arms left out and added, their names, and grids of their own for tuned settings."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pandas
import pytest

from actbench.config.cells import READ_AS_MISSING
from actbench.config.reader import read_experiment
from actbench.config.source import write_yaml
from actbench.errors import ConfigurationError
from actbench.experiment.cells import find_references
from actbench.experiment.definition import Experiment, experiment_to_yaml, parse_arm
from actbench.plan.plan import make_plan
from actbench.plan.tuning import tune_arm
from actbench.store.names import JOURNAL
from actbench.store.results import load_results
from places import ROOT
from program import actbench, assert_one_message

COMMITTED = sorted(path.parent for path in (ROOT / "results").rglob(JOURNAL))
PAIRS = """
data: {dataset: digits}
vary:
  - {model.output: [log_softmax, sigmoid, tanh], train.loss: [nll, bce, mse]}
  - model.activation: [relu, tanh]
seeds: 2
baseline: {model.output: log_softmax, model.activation: relu}
"""
GRID = """
data: {dataset: digits}
vary: {model.output: [log_softmax, sigmoid, tanh], train.loss: [nll, bce]}
seeds: 2
"""


def read(text: str) -> Experiment:
    return read_experiment(text, "f.yaml", "f").experiment


def labels(text: str) -> list[str]:
    return [arm.label() for arm in read(text).arms()]


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    return str(caught.value).splitlines()


def test_settings_of_one_mapping_change_together_and_mappings_are_multiplied() -> None:
    arms = [arm.to_yaml() for arm in read(PAIRS).arms()]
    assert len(arms) == read(PAIRS).arm_count() == 6
    assert arms[0] == {"model.output": "log_softmax", "train.loss": "nll", "model.activation": "relu"}
    assert arms[3] == {"model.output": "sigmoid", "train.loss": "bce", "model.activation": "tanh"}


def test_labels_leave_out_what_follows_from_the_rest() -> None:
    assert labels(PAIRS)[:2] == ["output=log_softmax, activation=relu", "output=log_softmax, activation=tanh"]
    assert labels("vary: [{model.output: [log_softmax, sigmoid], train.loss: [nll, bce]}]") == [
        "log_softmax",
        "sigmoid",
    ]


def test_a_list_of_single_settings_is_the_grid_that_a_mapping_is() -> None:
    mapping = "vary: {model.activation: [relu, tanh], train.lr: [1e-3, 1e-2]}\nbaseline: {model.activation: relu}"
    listed = "vary: [{model.activation: [relu, tanh]}, {train.lr: [1e-3, 1e-2]}]\nbaseline: {model.activation: relu}"
    assert read(mapping) == read(listed)


def test_cells_are_left_out_added_and_named() -> None:
    text = PAIRS + (
        "exclude: [{model.output: tanh, model.activation: tanh}]\n"
        "include: [{model.output: softmax, train.loss: mse, model.activation: gelu}]\n"
        "names: {classic: {model.output: log_softmax, model.activation: relu}}\n"
    )
    assert labels(text) == [
        "classic", "output=log_softmax, activation=tanh", "output=sigmoid, activation=relu",
        "output=sigmoid, activation=tanh", "output=tanh, activation=relu", "output=softmax, activation=gelu",
    ]  # fmt: skip
    experiment = read(text)
    assert [factor.path for factor in experiment.factors] == ["model.output", "train.loss", "model.activation"]
    assert [str(value) for value in experiment.factors[2].values] == ["relu", "tanh", "gelu"]
    assert parse_arm(experiment, "classic") == next(experiment.arms()).values


def test_one_word_leaves_out_what_is_impossible() -> None:
    assert labels(GRID + "exclude: impossible\n") == [
        "output=log_softmax, loss=nll", "output=sigmoid, loss=nll", "output=sigmoid, loss=bce", "output=tanh, loss=nll",
    ]  # fmt: skip
    assert mistakes(GRID) == [
        f"f.yaml:3:52: vary.train.loss: bce is meant for probabilities, but output {output} gives {what}: it cannot be "
        f"computed (`output={output}, loss=bce`); `exclude: impossible` leaves such arms out"
        for output, what in (("log_softmax", "log-probabilities"), ("tanh", "bounded scores"))
    ]


def test_a_baseline_takes_the_settings_that_change_together_with_its_own() -> None:
    assert dict(read(PAIRS).baseline).keys() == {"model.output", "train.loss", "model.activation"}
    of_the_same_loss = "vary: [{model.output: [log_softmax, sigmoid], train.loss: [nll, nll]}]\n"
    (message,) = mistakes(of_the_same_loss + "baseline: {train.loss: nll}")
    assert "baseline: nll: fits several cells" in message


def test_an_arm_has_no_baseline_where_several_have_its_values_and_none_the_other_ones() -> None:
    grid = "vary: {model.activation: [relu, tanh], train.lr: [0.1, 0.2, 0.3]}\nbaseline: {model.activation: relu}\n"
    experiment = read(f"{grid}exclude: [{{model.activation: relu, train.lr: 0.3}}]\n")
    arms = list(experiment.arms())
    found = find_references(arms, arms, experiment.baseline)
    assert [one and one.label() for one in found[2:]] == [*(arm.label() for arm in arms[:2]), None]


@pytest.mark.parametrize(
    "text",
    [
        PAIRS,
        GRID + "exclude: impossible\n",
        PAIRS + "names: {classic: {model.output: log_softmax, model.activation: relu}}\n",
        PAIRS + "tune: [{model.activation: [relu, relu, tanh, tanh], train.lr: [1e-3, 1e-2, 3e-3, 3e-2]}]\n",
        PAIRS + "include: [{model.output: softmax, train.loss: mse, model.activation: gelu}]\n",
    ],
)
def test_a_result_folder_records_cells_so_that_they_are_read_back(text: str) -> None:
    experiment = read(text)
    again = read_experiment(
        write_yaml(experiment_to_yaml(experiment)), "again.yaml", "again", is_record=True
    ).experiment
    assert again == experiment
    assert make_plan(again).trials().keys() == make_plan(experiment).trials().keys()


@pytest.mark.parametrize(
    "names",
    ["{N/A: {model.output: sigmoid, model.activation: relu}}", "{relu: {model.output: tanh, model.activation: tanh}}"],
)
def test_a_record_keeps_names_that_a_new_file_may_not_give(names: str) -> None:
    text = f"{PAIRS}names: {names}\n"
    with pytest.raises(ConfigurationError, match=r"as a missing value|another arm has this name"):
        read(text)
    assert read_experiment(text, "x.yaml", "x", is_record=True).experiment.cells.names


def test_an_optimizer_has_rates_of_its_own() -> None:
    text = (
        "data: {dataset: digits}\nvary: {train.optimizer: [sgd, adam]}\nseeds: 2\n"
        "tune: [{train.optimizer: [sgd, sgd, adam, adam], train.lr: [0.1, 1, 1e-3, 1e-2]}]\n"
    )
    experiment = read(text)
    tried = [
        [dict(one.values)["train.lr"] for one in tune_arm(experiment, arm, {}).candidates] for arm in experiment.arms()
    ]
    assert tried == [[0.1, 1], [0.001, 0.01]]
    assert experiment.tuning_trial_count() == 2 * experiment.tuning_seeds
    (message,) = mistakes(
        text.replace("sgd, sgd, adam, adam], train.lr: [0.1, 1,", "sgd, adam, adam], train.lr: [0.1,")
    )
    assert "tune: expected equal budgets" in message
    assert "sgd: 1, adam: 2" in message
    (message,) = mistakes(text.replace("sgd, sgd, adam, adam", "rmsprop, rmsprop, adam, adam"))
    assert "tune: no row applies to the arm sgd" in message


@pytest.mark.parametrize(("text", "message"), [
    (PAIRS.replace("[nll, bce, mse]", "[nll, bce]"),
     "4: vary[0].train.loss: expected as many values as the settings that it changes with: 3 in model.output, "
     "found 2"),
    (PAIRS.replace("model.activation: [relu, tanh]", "model.output: [softmax]"),
     "5: vary[1].model.output: is in another group too: a setting belongs to one group"),
    (PAIRS.replace("train.loss:", "train.los:"),
     "4: vary[0].train.los: unknown setting; did you mean train.loss, train.lr or train.epochs?"),
    (PAIRS.replace("log_softmax, sigmoid, tanh", "tanh, tanh, tanh").replace("nll, bce, mse", "mse, mse, nll"),
     "4: vary[0].model.output[1]: the same row as entry 0 of these lists"),
    (PAIRS + "exclude: all", "8: exclude: expected `impossible`, or a list of cells such as `{train.loss: bce}`, "
                             "found 'all' (text)"),
    (PAIRS + "exclude: [{model.output: log_softmax, train.loss: bce}]",
     "8: exclude[0]: excludes nothing: no arm has these values together"),
    (PAIRS + "exclude: [{}]", "8: exclude[0]: expected at least one varied setting"),
    (PAIRS + "exclude: [{train.lr: 1}]", "8: exclude[0].train.lr: expected a setting that is varied; did you mean "
                                         "train.loss?"),
    (PAIRS + "include: [{model.output: softmax, train.loss: mse}]",
     "8: include[0]: expected a whole cell: model.activation is missing"),
    (PAIRS + "include: [{model.output: tanh, train.loss: mse, model.activation: relu}]",
     "8: include[0]: the arm output=tanh, loss=mse, activation=relu is there already"),
    (PAIRS + "names: {a: {model.output: tanh}}",
     "8: names.a: expected the values of one arm, found those of 2 arms"),
    (PAIRS + "names: {a: {model.output: tanh, model.activation: relu}, b: {train.loss: mse, model.activation: relu}}",
     "8: names.b: names the same arm as 'a'"),
    (PAIRS + "names: {mse: {train.loss: nll, model.activation: relu}}",
     "8: names.mse: another arm has this name: output=tanh, loss=mse"),
    ("vary: {model.activation: [relu, tanh]}\nnames: {tanh: {model.activation: relu}, relu: {model.activation: tanh}}",
     "2: names.relu: another arm has this name: relu"),
    (PAIRS + "names: {N/A: {train.loss: nll, model.activation: relu}}",
     "8: names.N/A: pandas would read this name in a table as a missing value"),
    (PAIRS + "names: {'a, b': {model.output: tanh, model.activation: relu}}",
     "8: names.a, b: expected at most 60 printable characters without commas"),
])  # fmt: skip
def test_a_mistake_in_cells_is_named_with_its_place(text: str, message: str) -> None:
    without_column = [re.sub(r"^f\.yaml:(\d+):\d+: ", r"\1: ", mistake) for mistake in mistakes(text)]
    assert message in without_column


def test_mistakes_in_groups_do_not_make_mistakes_of_what_refers_to_them() -> None:
    text = (
        PAIRS.replace("sigmoid", "sigmoit")
        + "include: [{model.output: softmax, train.loss: mse, model.activation: relu}]"
    )
    assert len(mistakes(text)) == 1


def test_more_cells_than_can_be_trained_are_refused_at_once() -> None:
    values = ", ".join(f"{number}e-4" for number in range(1, 201))
    text = f"vary: [{{train.lr: [{values}]}}, {{train.weight_decay: [{values}]}}]\nexclude: [{{train.lr: 1e-4}}]"
    (message,) = mistakes(text)
    assert "found 40,000 arms" in message


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_committed_experiments_have_the_ids_of_their_records_whether_grids_or_cells(folder: Path) -> None:
    results = load_results(folder, folder.parent)
    assert results.experiment.cells.are_named() == (folder.name == "outputs-and-losses")
    assert results.plan.trials().keys() <= results.records.keys()


def test_a_comparison_over_cells_names_arms_and_refuses_averages(tmp_path: Path) -> None:
    text = PAIRS + "names: {classic: {model.output: log_softmax, model.activation: relu}}\n"
    small = "train: {epochs: 1}\nmodel: {hidden: [4]}\n"
    (tmp_path / "pairs.yaml").write_text(text + small)
    ran = actbench("run", "pairs.yaml", "--jobs", "1", "--allow-unusable", folder=tmp_path)
    assert ran.returncode == 0
    compared = actbench("compare", "results/pairs", "--format", "json", folder=tmp_path)
    arms = json.loads(compared.stdout)["arms"]
    assert [arm["label"] for arm in arms if arm["difference"] is None] == ["classic"]
    refused = actbench("compare", "results/pairs", "--by", "activation", folder=tmp_path)
    assert_one_message(refused, 2)
    assert "not every combination" in refused.stderr


def test_pandas_reads_each_of_the_refused_names_as_missing() -> None:
    table = pandas.read_csv(io.StringIO("".join(f"{name},\n" for name in READ_AS_MISSING)), header=None)
    assert table.isna().all(axis=None)


def test_an_unknown_baseline_is_answered_with_the_names_of_the_file_too() -> None:
    experiment = read(PAIRS + "names: {classic: {model.output: log_softmax, model.activation: relu}}\n")
    with pytest.raises(ConfigurationError, match="known here: classic, log_softmax, "):
        parse_arm(experiment, "foo")
    with pytest.raises(ConfigurationError, match="did you mean classic"):
        parse_arm(experiment, "clasic")
