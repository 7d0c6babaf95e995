"""`--format json`: one valid document with the number of its schema on standard output, and NaN nowhere."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind
from actbench.render.printing import DOCUMENT_SCHEMA, print_document
from program import TINY, actbench

KINDS: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss", "optimizer")
CLAIM = "expect: [{claim: less than 2 % are right, below: 0.02}]\n"

FEW_SEEDS = "3 seeds cannot decide 2 comparisons, 7 can: --set seeds=7"


def document(*arguments: str | Path, folder: Path, exit_code: int = 0) -> dict[str, Any]:
    """The one document that a command line prints."""
    finished = actbench(*arguments, "--format", "json", folder=folder)
    assert finished.returncode == exit_code, finished.stderr
    assert "Traceback" not in finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout, parse_constant=pytest.fail)
    assert next(iter(found)) == "schema"
    assert found.pop("schema") == DOCUMENT_SCHEMA
    return found


def test_what_is_no_finite_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_document({"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": (1, 0.5, None, "NaN", True)})
    text = capsys.readouterr().out
    assert json.loads(text) == {
        "schema": DOCUMENT_SCHEMA, "a": None, "b": [None, {"c": None}], "d": [1, 0.5, None, "NaN", True],
    }  # fmt: skip
    assert text.isascii()


def test_list_has_every_entry_by_kind_or_those_of_one(tmp_path: Path) -> None:
    found = document("list", folder=tmp_path)
    assert set(found) == {*KINDS, "dataset", "experiment"}
    for kind in KINDS:
        assert [entry["name"] for entry in found[kind]] == [entry.name for entry in entries(kind)]
    assert [dataset["name"] for dataset in found["dataset"]] == list(DATASETS)
    relu = next(entry for entry in found["activation"] if entry["name"] == "relu")
    assert relu["bounds"] == [0, None]
    assert relu["parameters"] == {}
    assert set(document("list", "losses", folder=tmp_path)) == {"loss"}


def test_show_has_facts_claims_and_the_curve_where_there_is_one(tmp_path: Path) -> None:
    found = document("show", "silu", "softmax", "leaky_relu", folder=tmp_path)
    swish, softmax, leaky_relu = found["functions"]
    assert [swish["name"], softmax["curve"]] == ["swish", None]
    assert leaky_relu["parameters"] == {"negative_slope": 0.01}
    curve = leaky_relu["curve"]
    assert len(curve["x"]) == len(curve["value"]) == len(curve["derivative"]) == 160
    assert (curve["x"][0], curve["value"][0], curve["derivative"][0]) == (-8.0, -0.08, 0.01)
    assert swish["gain"] == pytest.approx(1.6765, abs=1e-3)
    assert [claim["id"] for claim in found["claims"]] == ["D1.5", "D3.6", "D3.13", "D5.3"]
    verdicts = {claim["id"]: claim["verdict"] for claim in found["claims"]}
    assert verdicts == dict.fromkeys(("D1.5", "D3.6", "D5.3"), "supported") | {"D3.13": "contradicted"}


def test_validate_has_the_counts_and_of_a_bad_file_all_mistakes(tiny: Path, tmp_path: Path) -> None:
    assert document("validate", "tiny.yaml", folder=tiny) == {
        "file": "tiny.yaml", "valid": True, "warnings": [FEW_SEEDS], "name": "tiny", "arms": 4, "seeds": [0, 1, 2],
        "tuning_trials": 0, "final_trials": 12,
    }  # fmt: skip
    (tmp_path / "bad.yaml").write_text("modle: {}\ntrain: {lr: fast}", encoding="utf-8")
    found = document("validate", "bad.yaml", folder=tmp_path, exit_code=2)
    assert (found["file"], found["valid"]) == ("bad.yaml", False)
    assert [line.split(":")[1] for line in found["mistakes"]] == ["1", "2"]


def test_warnings_are_in_the_document_of_a_valid_file(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("model: {output: softmax}\n", encoding="utf-8")
    (warning,) = document("validate", "odd.yaml", folder=tmp_path)["warnings"]
    assert "nll is meant for log-probabilities" in warning


def test_summary_has_every_arm_layer_by_layer(tiny: Path) -> None:
    found = document("summary", "tiny.yaml", folder=tiny)
    assert found["networks"][0]["label"] == "activation=relu, init=kaiming_normal"
    hidden, output = found["networks"][2]["layers"]
    assert hidden["activation"] == "tanh"
    assert (hidden["fan_in"], hidden["units"], hidden["parameters"]) == (64, 8, 520)
    assert (output["activation"], output["output"], output["parameters"]) == (None, "log_softmax", 90)
    assert {network["parameters"] for network in found["networks"]} == {610}


def test_plan_has_trials_time_and_what_the_seeds_can_show(tiny: Path) -> None:
    found = document("plan", "tiny.yaml", "--jobs", "3", folder=tiny)
    assert (found["arms"], found["final_trials"], found["workers"], found["comparisons"]) == (4, 12, 3, 2)
    assert found["seconds"] > 0
    assert "from 12 trials" in found["seconds_basis"]
    assert found["shown_difference"] is None
    needed = found["seeds_needed"]
    assert [one["difference"] for one in needed] == [0.0005, 0.001, 0.002, 0.005, 0.01]
    assert all(one["one_comparison"] < one["all_comparisons"] for one in needed)
    assert sorted(needed, key=lambda one: -int(one["one_comparison"])) == needed


def test_a_dry_run_has_what_is_planned_done_and_to_do(tiny: Path) -> None:
    found = document("run", "tiny.yaml", "--dry-run", "--set", "seeds=4", "--jobs", "1", folder=tiny)
    assert found["trials"] == {"planned": 16, "done": 12, "to_do": 4}
    assert (found["epochs_to_do"], found["download"], found["folder"]) == (8, None, "results/tiny")
    assert (found["workers"], found["seconds"] > 0, found["worker_bytes"] > 0) == (1, True, True)
    assert "from 12 trials in results/tiny" in found["seconds_basis"]
    assert [(arm["planned"], arm["done"], arm["to_do"]) for arm in found["arms"]] == [(4, 3, 1)] * 4
    assert found["arms"][0]["arm"] == {"model.activation": "relu", "model.init": "kaiming_normal"}
    absent = document("run", "tiny.yaml", "--dry-run", "--set", "data={dataset: mnist}", "--data-dir", "x", folder=tiny)
    assert absent["download"] == "mnist"


def test_a_run_ends_with_the_report_as_one_document(tiny: Path) -> None:
    found = document("run", "tiny.yaml", folder=tiny)
    assert found == document("report", "results/tiny", folder=tiny)


NONE_UNUSABLE = {"failed": 0, "diverged": 0, "collapsed": 0, "crashed": 0}


def test_the_report_has_everything_that_it_prints(tmp_path: Path, tiny: Path) -> None:
    found = document("report", "results/tiny", folder=tiny)
    assert found["experiment"]["name"] == "tiny"
    assert found["trials"] == {"planned": 12, "missing": 0, "outcomes": {"done": 12, **NONE_UNUSABLE}}
    compared = json.loads(actbench("compare", "results/tiny", "--format", "json", folder=tiny).stdout)
    compared.pop("schema", None)
    assert found["comparison"] == compared
    assert (found["claims"], found["tuning"]) == ([], [])
    (pair,) = found["factors"]
    assert (pair["rows"], pair["column_values"]) == ("model.activation", ["kaiming_normal", "xavier_normal"])
    shares = [effect["share"] for effect in found["effects"]["shares"]]
    assert sum(shares) + found["effects"]["higher_interactions"] + found["effects"]["seeds_share"] == pytest.approx(1)
    assert [len(curve["mean_accuracy"]) for curve in found["curves"]] == [2] * 4


def test_a_report_on_another_metric_is_about_that_metric(tiny: Path) -> None:
    found = document("report", "results/tiny", "--metric", "validation_loss", "--shared-lr", folder=tiny)
    assert found["comparison"]["metric"] == "validation_loss"


def test_claims_and_tuning_are_in_the_report_and_a_gate_is_the_exit_code_here_too(tmp_path: Path) -> None:
    text = TINY.replace(", model.init: [he_normal, xavier_normal]", "").replace("epochs: 2", "epochs: 4")
    text += "tune: {train.lr: [2e-2, 3e-2]}\ntuning_seeds: 1\n"
    (tmp_path / "tiny.yaml").write_text(text + CLAIM, encoding="utf-8")
    found = document("run", "tiny.yaml", "--jobs", "1", "--gate", folder=tmp_path, exit_code=1)
    (claim,) = found["claims"]
    assert (claim["verdict"], claim["upper"], claim["n"]) == ("contradicted", 0.02, 3)
    assert {row["arm"] for row in found["tuning"]} == {"relu", "tanh"}
    assert sum(row["chosen"] for row in found["tuning"]) == 2


def test_data_has_every_dataset_and_where_it_is(tmp_path: Path) -> None:
    found = document("data", "--data-dir", "here", folder=tmp_path)
    assert found["folder"] == "here"
    by_name = {dataset["name"]: dataset for dataset in found["datasets"]}
    assert by_name["mnist"] == {"name": "mnist", "present": False, "source": "torchvision", "folder": "here/MNIST/raw"}
    assert by_name["digits"]["present"]
