"""A corpus of bad result folders: never a traceback, never a number that nobody measured, nothing followed out."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from actbench.experiment.definition import experiment_to_yaml
from actbench.plan.plan import make_plan, plan_to_json
from actbench.report.files import page
from actbench.report.tables import primary_comparison
from actbench.store.folder import freeze_plan, write_environment, write_experiment
from actbench.store.journal import append_records
from actbench.store.names import JOURNAL
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from corpus.bad_result_folders import BAD_FOLDERS, DESCRIPTIONS, JOURNALS, BadFolder
from in_process import invoke
from slow import one_in

EXPERIMENT = TWO_ACTIVATIONS.replace("made-up", "f").replace("model:", "data: {dataset: mnist}\nmodel:")
ENVIRONMENT = {"id": "abc", "torch": "2.6", "device": "cpu", "commit": None, "cores": 2}
CASES = pytest.mark.parametrize("bad", one_in(3, BAD_FOLDERS))
OTHER_READERS = (
    ["compare", "--format", "json"],
    ["report"],
    ["report", "--format", "markdown"],
    ["plan", "f.yaml"],
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment and its good result folder `results/f`."""
    root = tmp_path_factory.mktemp("good")
    folder = root / "results" / "f"
    folder.mkdir(parents=True)
    (root / "f.yaml").write_text(EXPERIMENT, encoding="utf-8")
    experiment = experiment_from(EXPERIMENT, folder)
    plan = make_plan(experiment)
    write_experiment(folder, experiment_to_yaml(experiment))
    write_environment(folder, ENVIRONMENT)
    freeze_plan(folder, plan_to_json(experiment, plan), has_begun=False)
    append_records(folder, [record_of(trial, environment="abc") for trial in plan.trials().values()])
    return root


@pytest.fixture(autouse=True)
def results(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good result folder, below the folder in which the test runs."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    return tmp_path / "results" / "f"


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(BAD_FOLDERS) >= 20


def test_the_folder_that_is_damaged_is_good_before() -> None:
    answer = invoke("compare", "results/f")
    assert (answer.exit_code, answer.stderr) == (0, "")


@CASES
def test_a_bad_folder_is_answered_with_the_exit_code_and_the_message_by_every_reader_and_not_changed(
    bad: BadFolder, results: Path
) -> None:
    bad.damage(results)
    before = {path: path.lstat().st_mtime_ns for path in results.parent.rglob("*")}
    answer = invoke("compare", "results/f")
    assert answer.exit_code == bad.exit_code, answer.stderr
    assert bad.message in answer.stderr
    assert (answer.stdout == "") == bool(bad.exit_code)
    assert len(answer.stderr.splitlines()) <= 3
    assert all(line.isprintable() for line in answer.stderr.splitlines())
    for verb, *options in OTHER_READERS:
        answer = invoke(verb, *(["results/f"] if verb != "plan" else []), *options)
        assert answer.exit_code in (0, bad.exit_code)
        if options[-1:] == ["json"] and not answer.exit_code:
            json.loads(answer.stdout, parse_constant=pytest.fail)
    assert {path: path.lstat().st_mtime_ns for path in results.parent.rglob("*")} == before
    assert not Path("pwned").exists()


@pytest.fixture(scope="module")
def good_arms(good: Path) -> object:
    """The arms of the good folder with their numbers."""
    return json.loads(invoke("compare", good / "results" / "f", "--format", "json").stdout)["arms"]


@pytest.mark.parametrize("bad", DESCRIPTIONS.values(), ids=DESCRIPTIONS.keys())
def test_what_is_described_wrongly_changes_no_number(bad: BadFolder, results: Path, good_arms: object) -> None:
    bad.damage(results)
    assert json.loads(invoke("compare", "results/f", "--format", "json").stdout)["arms"] == good_arms
    read = load_results(results, results.parent)
    assert page(read, primary_comparison(read), {}).startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("bad", JOURNALS.values(), ids=JOURNALS.keys())
def test_no_line_that_was_not_written_here_counts(bad: BadFolder, results: Path) -> None:
    bad.damage(results)
    answer = invoke("compare", "results/f", "--format", "json")
    if not answer.exit_code:
        assert sum(arm["n"] for arm in json.loads(answer.stdout)["arms"]) <= 5
        assert all(arm["mean"] in (None, 0.03) for arm in json.loads(answer.stdout)["arms"])


def test_without_any_folder_it_is_said_what_to_do(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "results")
    for made in (lambda: None, (tmp_path / "results").mkdir, lambda: (tmp_path / "results" / "x").write_text("")):
        made()
        answer = invoke("compare")
        assert answer.exit_code == 2
        assert answer.stderr == "actbench: results: no results here; run an experiment first, or name a result folder\n"


def test_a_results_folder_that_is_a_file_is_exit_4(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Path("f.yaml").write_text(EXPERIMENT.replace("data: {dataset: mnist}", ""), encoding="utf-8")
    answer = invoke("run", "f.yaml", "--results", "file", "--jobs", "1")
    assert (answer.exit_code, answer.stdout) == (4, "")
    assert re.search(r"^actbench: file/f.*: cannot be ", answer.stderr, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="names of folders have no control characters there")
def test_the_name_of_a_result_folder_cannot_steer_the_terminal(results: Path) -> None:
    name = "\x1b[2J\u202e\u200b"
    hostile = results.rename(results.with_name(name))
    (hostile / JOURNAL).write_bytes(b"damaged\n")
    for arguments in (["compare"], ["compare", hostile], ["report", hostile, "--metric", "x"], ["compare", "results"]):
        answer = invoke(*arguments)
        assert answer.stderr
        for text in (answer.stdout, answer.stderr):
            assert all(line.isprintable() for line in text.splitlines())
        assert "\\x1b[2J\\u202e\\u200b" in answer.stderr
