"""What the README and the docs say is what happens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest

from actbench.analysis.comparison import compare, question_of
from actbench.catalogue.datasets import DATASETS, load
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind
from actbench.cli.app import VERBS
from actbench.config.reader import load_experiment
from actbench.experiment import records
from actbench.experiment.metrics import parse_metric
from actbench.experiment.settings import DataSettings, LayerSettings, ModelSettings, TrainSettings
from actbench.store.results import load_results
from builders import experiment_from
from places import ROOT
from program import TINY, actbench
from update_tables import PAGES, with_tables

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
EXPERIMENT_FILE = (ROOT / "docs" / "experiment-file.md").read_text(encoding="utf-8")
SETUP_HEADINGS = ("Quick start", "Tests")
MAX_README_LINES = 150
MAX_README_COLUMNS = 7
FAILS = "# exit code 1"


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def setup_commands() -> list[str]:
    """The first command under each of the two headings that `.ci/run` reads."""
    return [blocks("sh", README.split(f"\n## {heading}\n")[1])[0] for heading in SETUP_HEADINGS]


def commands(text: str) -> list[str]:
    return [line for block in blocks("sh", text) if block not in setup_commands() for line in block.splitlines()]


def words_of(command: str, folder: Path) -> list[str]:
    """A command as a shell in this folder splits it: without its comment, with the files that `*` stands for."""
    return [
        name
        for word in shlex.split(command, comments=True)
        for name in ([os.path.relpath(path, folder) for path in sorted(folder.glob(word))] if "/*" in word else [word])
    ]


@pytest.fixture(scope="module")
def copy_of_the_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    for name in ("configs", "results/mnist", "results/mnist-tuned", "results/across", "results/documents/d4-network"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".lock"))
    (tent,) = blocks("python", README)
    (folder / "tent.py").write_text(tent, encoding="utf-8")
    (folder / "experiment.yaml").write_text(TINY, encoding="utf-8")
    digits = load(DATASETS["digits"], folder)
    train, test = ((images / 16).reshape(-1, 8, 8) for images in (digits.train_inputs, digits.test_inputs))
    numpy.savez(folder / "my.npz", x_train=train, y_train=digits.train_labels, x_test=test, y_test=digits.test_labels)
    return folder


NAMES = ("mnist", "mnist-tuned", "mnist-settled", "outputs-and-losses")
REFERENCES = {f"results/{name}": f"configs/{name}.yaml" for name in NAMES}


@pytest.mark.skipif("ACTBENCH_DATA" not in os.environ, reason="ACTBENCH_DATA does not name a folder with MNIST")
@pytest.mark.parametrize(
    "text", [README, pytest.param(COMMANDS, marks=pytest.mark.slow)], ids=["README.md", "commands.md"]
)
def test_every_command_runs_in_its_order(text: str, copy_of_the_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the training code of the reference results, since a newer one would train them anew."""
    version = load_results(ROOT / "results" / "mnist", ROOT).training_code
    monkeypatch.setattr(records, "TRAINING_CODE_VERSION", version)
    for command in commands(text):
        program, *words = words_of(command, copy_of_the_tree)
        assert program == "actbench"
        finished = actbench(*words, folder=copy_of_the_tree, has_data=True)
        assert finished.returncode == (1 if command.endswith(FAILS) else 0), (command, finished.stderr)
        assert finished.stdout, command
        if command.startswith("actbench run configs/mnist") and "--dry-run" not in command:
            assert "0 trained now" in finished.stderr


@pytest.mark.parametrize("command", commands(COMMANDS))
def test_every_option_of_a_documented_command_is_known(command: str, tmp_path: Path) -> None:
    finished = actbench(*words_of(command, tmp_path)[1:], "--help", folder=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_readme_is_short_and_its_table_narrow() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES
    assert max(row.count("|") - 1 for row in README.splitlines() if row.startswith("|")) <= MAX_README_COLUMNS


def test_the_readmes_commands_are_those_of_the_program() -> None:
    table = README.split("| command | what it does |")[1].split("\n\n")[0]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")]
    assert sorted(named) == sorted(verb.name for verb in VERBS)


def test_every_page_of_the_docs_is_in_the_readmes_table() -> None:
    table = README.split("| page | about |")[1].split("\n\n")[0]
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert sorted(re.findall(r"\(docs/([\w-]+\.md)\)", table)) == pages


def test_every_link_of_a_page_leads_to_a_file() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_every_link_to_a_heading_leads_to_one() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text(encoding="utf-8")):
            assert anchor in headings(page.parent / target if target else page), f"{page.name}: {target}#{anchor}"


def test_a_custom_activation_takes_less_than_ten_lines() -> None:
    (tent,) = blocks("python", README)
    assert len(tent.splitlines()) < 10


def test_ci_runs_exactly_the_two_set_up_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'for heading in "Quick start" "Tests"' in ci
    for command in setup_commands():
        assert len(command.splitlines()) == 1
        assert command.startswith(("python3 -m venv .venv && .venv/bin/pip install", ".venv/bin/pip install"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_tables_in_the_docs_are_what_the_committed_results_give(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.search("<!-- (table|file): ", text)
    assert with_tables(text) == text


def test_the_example_of_an_experiment_loads(tmp_path: Path) -> None:
    assert experiment_from(blocks("yaml", EXPERIMENT_FILE)[0], tmp_path).arm_count() == 6


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


def test_the_readme_says_of_the_settled_activations_what_the_results_say() -> None:
    results = load_results(ROOT / "results" / "mnist-settled", ROOT)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    comparison = compare(results.plan, results.records, question)
    seeds = {row.sample.label: len(row.sample.by_seed) for row in comparison.rows}
    verdicts = {row.sample.label: row.contrast.verdict or "" for row in comparison.rows if row.contrast}
    better = {label: seeds[label] for label, verdict in verdicts.items() if verdict == "better"}
    assert better == {"swish": 20, "mish": 20, "gelu": 20, "leaky_relu": 40, "tanh": 40, "sigmoid": 80}
    assert verdicts["elu"].startswith("undecided after 80 seeds")
    assert "**six are better than relu, one is undecided**" in README
    trainings = f"{sum(seeds.values())} final trainings; 80 seeds of every arm would take {80 * len(seeds)}"
    assert f"{trainings}. With {len(results.records) - sum(seeds.values())} for tuning" in README


def test_the_minutes_that_the_pages_name_are_those_of_the_committed_results() -> None:
    few, many = (
        sum(record.wall_seconds for record in load_results(ROOT / "results" / name, ROOT).records.values()) / 2 / 60
        for name in ("mnist", "mnist-settled")
    )
    assert f"On two cores `mnist` took {few:.0f} minutes and `mnist-settled` {many:.0f}" in " ".join(COMMANDS.split())
    assert f"took {many:.0f} minutes on two cores" in README


def test_the_changelog_counts_the_catalogue_right() -> None:
    text = " ".join((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split())
    kinds: tuple[tuple[Kind, str], ...] = (
        ("activation", "activations"), ("output", "output functions"), ("initialiser", "initialisers"),
        ("loss", "losses"), ("optimizer", "optimizers"),
    )  # fmt: skip
    for kind, name in kinds:
        assert f"{len(entries(kind))} {name}" in text


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    text = EXPERIMENT_FILE
    for section, model in (("data", DataSettings), ("model", ModelSettings), ("train", TrainSettings)):
        table = text.split(f"## `{section}`")[1].split("\n## ")[0]
        named = {
            name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        }
        assert named == set(model.model_fields)
    assert "{" + ", ".join(LayerSettings.model_fields) + "}" in text


def test_every_dataset_is_documented() -> None:
    assert {name for name in DATASETS if f"`{name}`" not in EXPERIMENT_FILE} == set()


def test_nothing_in_the_tree_names_the_place_it_was_made_in() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = (
        [ROOT / name for name in listed.stdout.split("\0") if name]
        if listed.returncode == 0
        else list(ROOT.glob("*.md"))
    )
    names = ("home", "root", "work", "Users")
    pattern = re.compile(rf"(^|[\s\"'=])/({'|'.join(names)})/\S")
    for path in files:
        if path.is_file() and path.suffix in (".md", ".py", ".yaml", ".toml", ".json", ".jsonl", ".csv"):
            text = path.read_text(encoding="utf-8")
            is_near = any(f"/{name}/" in text for name in names)  # found sooner than the pattern
            assert not is_near or not pattern.search(text), path
