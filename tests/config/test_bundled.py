"""Bundled experiments, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actbench.cli.completion import experiments
from actbench.config.bundled import bundled_experiments, find_experiment, summary_line
from actbench.config.reader import load_experiment
from actbench.errors import ConfigurationError
from in_process import invoke
from places import CONFIGS
from program import TINY

MAX_SENTENCE_LENGTH = 112


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_config_of_the_repository_comes_along_under_the_name_of_its_experiment() -> None:
    assert set(bundled_experiments().values()) == set(CONFIGS.rglob("*.yaml"))
    assert next(iter(bundled_experiments())) == "quickstart"
    for name, file in bundled_experiments().items():
        assert load_experiment(file).experiment.name == name


@pytest.mark.parametrize("name", bundled_experiments())
def test_every_config_begins_with_a_short_sentence(name: str) -> None:
    sentence = summary_line(bundled_experiments()[name])
    assert sentence[-1] in ".?"
    assert len(sentence) <= MAX_SENTENCE_LENGTH


@pytest.mark.parametrize("verb", ["validate", "summary", "plan", "run --dry-run"])
def test_every_verb_that_takes_an_experiment_takes_a_name(verb: str) -> None:
    answer = invoke(*verb.split(), "quickstart")
    assert answer.exit_code == 0, answer.stderr
    assert "quickstart" in answer.stdout


@pytest.mark.parametrize("file", ["quickstart", "quickstart.yaml", "quickstart.yml"])
def test_a_file_in_the_current_folder_comes_before_a_bundled_one(file: str) -> None:
    Path(file).write_text(TINY, encoding="utf-8")
    assert find_experiment(Path("quickstart")) == Path(file)
    assert "4 arms x 3 seeds" in invoke("validate", "quickstart").stdout


def test_a_folder_of_that_name_does_not() -> None:
    Path("quickstart").mkdir()
    assert find_experiment(Path("quickstart")) == CONFIGS / "quickstart.yaml"


def test_run_says_which_file_it_reads() -> None:
    Path("mnist.yaml").write_text("surprise: 1\n", encoding="utf-8")
    assert invoke("run", "mnist").stderr.startswith("Reading mnist.yaml ...\nactbench: mnist.yaml:1:1: surprise")
    assert f"Reading {CONFIGS / 'mnist-tuned.yaml'} ..." in invoke("run", "mnist-tuned", "--set", "x=1").stderr


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all() -> None:
    Path("quirk.yaml").touch()
    answer = invoke("validate", "quik")
    assert answer.exit_code == 2
    assert "'quik': no such file, and no bundled experiment of this name" in answer.stderr
    for name in bundled_experiments():
        assert name in answer.stderr
    with pytest.raises(ConfigurationError, match=r"did you mean mnist-tuned, mnist or mnist-settled\?"):
        find_experiment(Path("mnist-tune"))
    with pytest.raises(ConfigurationError, match=r"did you mean quirk\.yaml"):
        find_experiment(Path("quirk.yam"))


def test_an_absent_file_with_the_name_of_a_bundled_experiment_is_answered_with_that_name() -> None:
    expected = r"^configs/mnist\.yaml: no such file; for the bundled experiment write mnist alone$"
    with pytest.raises(ConfigurationError, match=expected):
        find_experiment(Path("configs/mnist.yaml"))


def test_a_name_too_long_for_a_file_is_one_message() -> None:
    answer = invoke("validate", "x" * 300)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "cannot be read (File name too long)" in answer.stderr


def test_list_shows_each_with_its_sentence() -> None:
    listed = invoke("list", "experiment").stdout
    listed_as_json = json.loads(invoke("list", "experiments", "--format", "json").stdout)["experiment"]
    for one in listed_as_json:
        assert one == {
            "name": one["name"],
            "file": str(bundled_experiments()[one["name"]]),
            "summary": summary_line(bundled_experiments()[one["name"]]),
        }
        assert one["name"] in listed
        assert one["summary"] in listed
    assert [one["name"] for one in listed_as_json] == list(bundled_experiments())


def test_names_are_completed_before_files() -> None:
    Path("mine.yaml").touch()
    names = [name for name in bundled_experiments() if name.startswith("m")]
    assert experiments("m") == [*names, "mine.yaml"]
    assert {"mnist", "mnist-tuned"} <= set(names)
