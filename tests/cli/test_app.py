"""The program as users and scripts call it: exit codes, streams, one message for each mistake."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pandas
import pytest

from places import CONFIGS
from program import actbench, assert_one_message

pytestmark = pytest.mark.oldest


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("model: {activation: rellu}", ["bad.yaml:1:9: model.activation: no activation is called 'rellu'", "relu"]),
        ("train: {epochs: many}", ["bad.yaml:1:9: train.epochs: expected a whole number, found 'many'"]),
        ("model: [", ["bad.yaml:1:9: not YAML"]),
        ("a: 1\nb: 2", ["bad.yaml:1:1: a: unknown key", "bad.yaml:2:1: b: unknown key"]),
    ],
)
def test_a_mistake_in_the_file_is_exit_2_with_its_place(text: str, parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    for verb in ("run", "validate", "summary"):
        assert_one_message(actbench(verb, "bad.yaml", folder=tmp_path), 2, *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_usage_mistakes_are_exit_2(tiny: Path, tmp_path: Path) -> None:
    assert_one_message(actbench("run", "missing.yaml", folder=tmp_path), 2, "missing.yaml: no such file")
    assert_one_message(
        actbench("run", tiny / "tiny.yaml", "--jobs", "0", folder=tmp_path), 2, "--jobs 0: expected auto"
    )
    assert_one_message(actbench("compare", folder=tmp_path), 2, "no results here")
    assert_one_message(actbench("compare", tiny, folder=tmp_path), 2, "not a result folder")
    assert_one_message(actbench("compare", "--metric", "acc", folder=tiny), 2, "no metric is called 'acc'")
    assert_one_message(actbench("compare", "--baseline", "mish", folder=tiny), 2, "'mish' is not in this experiment")
    assert_one_message(actbench("list", "activatoin", folder=tmp_path), 2, "did you mean activation")
    assert_one_message(actbench("data", "fetch", "mnst", folder=tmp_path), 2, "did you mean mnist")
    assert actbench("trian", folder=tmp_path).returncode == 2
    assert actbench("run", "--no-such-option", folder=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "verb", ["compare", "report", "predictions", "export --to mlflow", "verify", "merge", "status"]
)
def test_a_name_alone_is_answered_with_the_results_of_that_name(verb: str, tmp_path: Path) -> None:
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "results" / "tiny" / "experiment.yaml").touch()
    assert_one_message(actbench(*verb.split(), "tiny", folder=tmp_path), 2, "; did you mean results/tiny?")


@pytest.mark.usefixtures("_uncompiled")
def test_a_data_folder_without_data_and_without_network_is_exit_4(tmp_path: Path) -> None:
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    finished = actbench("run", CONFIGS / "smoke.yaml", "--data-dir", "empty", folder=tmp_path, environment=no_network)
    assert_one_message(
        finished, 4, "mnist is not in empty/MNIST/raw", "train-images-idx3-ubyte.gz", "--data-dir", "digits"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_exit_4_and_nothing_is_trained(tmp_path: Path) -> None:
    source = os.environ.get("ACTBENCH_DATA")
    if not source:
        pytest.skip("ACTBENCH_DATA does not name a folder with MNIST")
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (Path(source) / "MNIST" / "raw").glob("*.gz"):
        raw.joinpath(path.name).write_bytes(path.read_bytes()[: 1000 if "t10k-labels" in path.name else None])
    finished = actbench("run", CONFIGS / "smoke.yaml", "--data-dir", "data", folder=tmp_path)
    assert_one_message(
        finished, 4, "t10k-labels-idx1-ubyte.gz: truncated or changed (1,000 bytes", "actbench data fetch"
    )
    assert not (tmp_path / "results" / "smoke" / "trials.jsonl").exists()


def test_an_absent_device_is_exit_4(tiny: Path) -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device that should be absent")
    finished = actbench("run", "tiny.yaml", "--device", "mps", "--results", "other", folder=tiny)
    assert_one_message(finished, 4, "--device mps: torch", "use --device cpu")


def test_the_smoke_config_runs_on_real_mnist_in_seconds(tmp_path: Path) -> None:
    source = os.environ.get("ACTBENCH_DATA")
    if not source:
        pytest.skip("ACTBENCH_DATA does not name a folder with MNIST")
    finished = actbench("run", CONFIGS / "smoke.yaml", folder=tmp_path, environment={"ACTBENCH_DATA": source})
    assert finished.returncode == 0, finished.stderr
    rows = list(csv.DictReader((tmp_path / "results" / "smoke" / "table.csv").read_text().splitlines()))
    assert [row["n"] for row in rows] == ["2"] * 6
    assert all(0.2 < float(row["mean"]) < 0.95 for row in rows)


def test_smoke_shrinks_any_experiment_and_leaves_its_results_alone(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    finished = actbench("run", CONFIGS / "quickstart.yaml", "--smoke", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert re.fullmatch(
        r".*quickstart-smoke: \d+ trials, \d+ trained now, .* failed; everything runs, accuracy is not judged\n",
        finished.stdout,
    )
    trials = pandas.read_csv(tmp_path / "results" / "quickstart-smoke" / "trials.csv")
    assert len(trials) == 8 * (4 + 2)
    assert set(trials["train_count"] + trials["validation_count"]) == {512}
    assert set(trials["test_count"]) == {256}
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["quickstart-smoke", "tiny"]


def test_the_same_command_again_trains_nothing_and_prints_the_same_table(tiny: Path) -> None:
    first = actbench("compare", "results/tiny", folder=tiny)
    again = actbench("run", "tiny.yaml", folder=tiny)
    assert again.returncode == 0
    assert "0 trained now" in again.stderr
    assert again.stdout == first.stdout


def test_pandas_reads_every_table_in_one_call(tiny: Path) -> None:
    folder = tiny / "results" / "tiny"
    trials, epochs, layers, table = (
        pandas.read_csv(folder / f"{name}.csv") for name in ("trials", "epochs", "layers", "table")
    )
    assert (len(trials), len(epochs), len(layers), len(table)) == (12, 24, 72, 4)
    assert set(trials["outcome"]) == {"done"}
    shares = trials["test_correct_count"] / trials["test_count"]
    assert trials["test_accuracy"].tolist() == pytest.approx(shares.tolist(), rel=1e-15)
    lines = pandas.read_json(folder / "trials.jsonl", lines=True)
    assert sorted(lines["trial"]) == sorted(trials["trial"])
    assert trials.groupby("arm")["test_accuracy"].mean().to_dict() == pytest.approx(
        dict(zip(table["arm"], table["mean"], strict=True))
    )


def test_json_is_one_document_with_the_designs_keys(tiny: Path) -> None:
    document = json.loads(actbench("compare", "results/tiny", "--format", "json", folder=tiny).stdout)
    assert document.keys() >= {"metric", "baseline", "seeds", "arms"}
    assert document["baseline"] == {"model.activation": "relu"}
    assert document["seeds"] == [0, 1, 2]
    keys = {
        "arm",
        "n",
        "failed",
        "mean",
        "sd",
        "ci",
        "difference",
        "difference_ci",
        "p",
        "p_holm",
        "probability_better",
        "verdict",
    }
    assert all(arm.keys() >= keys for arm in document["arms"])
    assert document["arms"][1]["arm"] == {"model.activation": "relu", "model.init": "xavier_normal"}
    assert document["arms"][0]["difference"] is None
    assert document["arms"][2]["ci"][0] < document["arms"][2]["mean"] < document["arms"][2]["ci"][1] <= 1.5


def test_csv_and_markdown_hold_every_arm(tiny: Path) -> None:
    rows = list(csv.DictReader(actbench("compare", "results/tiny", "--format", "csv", folder=tiny).stdout.splitlines()))
    assert rows[3]["arm"] == "activation=tanh, init=xavier_normal"
    markdown = actbench("compare", "results/tiny", "--format", "markdown", folder=tiny).stdout
    assert markdown == (tiny / "results" / "tiny" / "table.md").read_text()
    assert all(f"| {row['arm']} |" in markdown for row in rows)


def test_another_baseline_can_be_named_by_value_or_path(tiny: Path) -> None:
    for name in ("tanh", "activation=tanh", "model.activation=tanh"):
        found = json.loads(
            actbench("compare", "--baseline", name, "--format", "json", "results/tiny", folder=tiny).stdout
        )
        assert found["baseline"] == {"model.activation": "tanh"}


def test_the_report_has_arms_factor_pairs_and_learning_curves(tiny: Path) -> None:
    text = actbench("report", "results/tiny", folder=tiny).stdout
    assert "mean test accuracy by model.activation and model.init" in text
    assert "learning curve: mean validation accuracy" in text
    markdown = actbench("report", "results/tiny", "--format", "markdown", folder=tiny).stdout
    about_images = ("which test images", "by class", "the hardest images")
    headings = [line for line in re.findall(r"^#+ .*", markdown, re.MULTILINE) if line[3:] not in about_images]
    assert headings == [
        "# tiny",
        "## test accuracy by arm",
        "## one run of each: the winner by seed",
        "## mean test accuracy by model.activation and model.init",
        "## what explains the differences",
        "## learning curve: mean validation accuracy in % after each epoch",
    ]


def test_summary_counts_the_26_parameters_of_the_small_network(tmp_path: Path) -> None:
    (tmp_path / "d4.yaml").write_text(
        "data: {dataset: cube}\n"
        "model:\n"
        "  layers:\n"
        "    - {units: 3, activation: sigmoid, init: xavier_normal}\n"
        "    - {units: 2, activation: relu, init: kaiming_normal}\n"
        "  output_init: torch_default\n"
        "  output: softmax\n"
        "train: {loss: mse}\n",
        encoding="utf-8",
    )
    text = actbench("summary", "d4.yaml", folder=tmp_path).stdout
    assert "26 trainable parameters; 19 multiply-adds for each image." in text
    assert [line.split()[-1] for line in text.splitlines()[2:5]] == ["12", "8", "6"]
    assert "[batch, 3]" in text


def test_the_dry_run_counts_and_changes_nothing(tiny: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob("*")}
    text = actbench("run", "tiny.yaml", "--dry-run", "--set", "seeds=4", folder=tiny).stdout
    assert "16 trials, 12 done, 4 to do (8 epochs)" in text
    assert {path: path.stat().st_mtime_ns for path in tiny.rglob("*")} == before


def test_data_shows_where_everything_is(tmp_path: Path) -> None:
    text = actbench("data", "--data-dir", "here", folder=tmp_path).stdout
    assert re.search(r"mnist +absent: actbench data fetch mnist +here/MNIST/raw", text)
    assert re.search(r"digits +present +scikit-learn", text)


def test_fetch_takes_the_data_folder_before_or_after_its_name(tmp_path: Path) -> None:
    no_network = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    for arguments in (["--data-dir", "here", "fetch", "kmnist"], ["fetch", "kmnist", "--data-dir", "here"]):
        finished = actbench("data", *arguments, folder=tmp_path, environment=no_network)
        assert_one_message(finished, 4, "kmnist is not in here/KMNIST/raw")
    assert list(tmp_path.iterdir()) == []
