"""What the README and the docs say is what happens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind
from actbench.config.reader import load_experiment
from actbench.experiment.metrics import parse_metric
from actbench.experiment.settings import DataSettings, LayerSettings, ModelSettings, TrainSettings
from actbench.store.results import load_results
from builders import experiment_from
from places import ROOT
from program import actbench
from update_tables import PAGES, with_tables

README = (ROOT / "README.md").read_text(encoding="utf-8")
SETUP_HEADINGS = ("Quick start", "Tests")


def blocks(language: str, heading: str | None = None) -> list[str]:
    text = README if heading is None else README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    setup = {command for heading in SETUP_HEADINGS for command in blocks("sh", heading)}
    return [line for block in blocks("sh") if block not in setup for line in block.splitlines()]


@pytest.fixture(scope="module")
def copy_of_the_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    for name in ("configs", "results/mnist", "results/mnist-tuned"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".lock"))
    (own,) = (block for block in blocks("python") if "@activation" in block)
    (folder / "tent.py").write_text(own, encoding="utf-8")
    return folder


REFERENCES = {"results/mnist": "configs/mnist.yaml", "results/mnist-tuned": "configs/mnist-tuned.yaml"}


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_readme_runs(command: str, copy_of_the_tree: Path) -> None:
    if "ACTBENCH_DATA" not in os.environ:
        pytest.skip("ACTBENCH_DATA does not name a folder with MNIST")
    program, *words = command.split()
    assert program == "actbench"
    finished = actbench(*words, folder=copy_of_the_tree, has_data=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout
    if command.startswith("actbench run configs/mnist") and "--dry-run" not in command:
        assert "0 trained now" in finished.stderr


def test_the_python_of_the_readme_runs(copy_of_the_tree: Path) -> None:
    (text,) = (block for block in blocks("python") if "@activation" not in block)
    *lines, last = text.splitlines()
    code = "\n".join([*lines, f"print({last})"])
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=copy_of_the_tree, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert "40 trials, 0 trained now" in finished.stderr
    assert finished.stdout.startswith("test_accuracy by arm")


def test_the_readmes_own_activation_takes_less_than_ten_lines() -> None:
    (own,) = (block for block in blocks("python") if "@activation" in block)
    assert len(own.splitlines()) < 10
    assert {f"actbench {verb} tent.py" for verb in ("check", "challenge")} <= {
        " ".join(command.split()[:3]) for command in commands()
    }


def test_ci_runs_exactly_the_two_set_up_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'for heading in "Quick start" "Tests"' in ci
    for heading in SETUP_HEADINGS:
        (block,) = blocks("sh", heading)
        assert len(block.splitlines()) == 1
        assert block.startswith(("python3 -m venv .venv && .venv/bin/pip install", ".venv/bin/pip install"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_tables_in_the_docs_are_what_the_committed_results_give(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.search("<!-- (table|file): ", text)
    assert with_tables(text) == text


def test_the_readmes_experiment_loads(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    assert experiment_from(text, tmp_path).arm_count() == 6


@pytest.mark.parametrize(("folder", "config"), REFERENCES.items())
def test_the_reference_results_belong_to_the_committed_config(folder: str, config: str) -> None:
    ours = load_experiment(ROOT / config).experiment
    results = load_results(ROOT / folder, ROOT)
    assert results.experiment == ours
    assert results.missing() == 0


def test_relu_reaches_the_accuracy_that_this_network_is_known_for() -> None:
    import pandas

    table = pandas.read_csv(ROOT / "results" / "mnist" / "table.csv", index_col="arm")
    assert table["mean"]["relu"] >= 0.975
    assert (table["n"] == 5).all()


def test_the_readme_says_of_the_tuned_activations_what_the_results_say() -> None:
    results = load_results(ROOT / "results" / "mnist-tuned", ROOT)
    metric = parse_metric("test_accuracy")
    comparison = compare(results.plan, results.records, question_of(results.experiment, metric))
    verdicts = {row.contrast.verdict for row in comparison.rows if row.contrast}
    assert all(verdict and verdict.startswith("no evidence of a difference") for verdict in verdicts)
    assert comparison.best == ("gelu", "sigmoid", "relu", "leaky_relu", "swish", "mish")
    assert "no evidence of a difference** to relu for any of\nthem" in README
    assert "Gelu has the highest mean, but sigmoid, relu, leaky_relu, swish and mish cannot\nbe told from it." in README


def test_the_changelog_counts_the_catalogue_right() -> None:
    text = " ".join((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split())
    kinds: tuple[tuple[Kind, str], ...] = (
        ("activation", "activations"), ("output", "output functions"), ("initialiser", "initialisers"),
        ("loss", "losses"), ("optimizer", "optimizers"),
    )  # fmt: skip
    for kind, name in kinds:
        assert f"{len(entries(kind))} {name}" in text


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    text = (ROOT / "docs" / "experiment-file.md").read_text(encoding="utf-8")
    for section, model in (("data", DataSettings), ("model", ModelSettings), ("train", TrainSettings)):
        table = text.split(f"## `{section}`")[1].split("\n## ")[0]
        named = {
            name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        }
        assert named == set(model.model_fields)
    assert "{" + ", ".join(LayerSettings.model_fields) + "}" in text


def test_every_dataset_is_named_in_the_changelog_or_docs() -> None:
    assert set(DATASETS) == {"mnist", "fashion_mnist", "kmnist", "digits", "thermostat", "cube"}


def test_nothing_in_the_tree_names_the_place_it_was_made_in() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = (
        [ROOT / name for name in listed.stdout.split("\0") if name]
        if listed.returncode == 0
        else list(ROOT.glob("*.md"))
    )
    pattern = re.compile(r"(^|[\s\"'=])/(home|root|work|Users)/\S")
    for path in files:
        if path.is_file() and path.suffix in (".md", ".py", ".yaml", ".toml", ".json", ".jsonl", ".csv"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path
