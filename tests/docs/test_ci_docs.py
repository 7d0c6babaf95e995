"""The workflow for GitHub Actions that users copy: its steps are run as they stand, against good and bad baselines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from actbench.catalogue.custom_files import custom_files_in_use
from actbench.config.reader import load_experiment
from actbench.store.journal import append_records, read_journal
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL, PLAN
from places import ROOT
from program import Finished, actbench

DOCS = ROOT / "docs"
PAGE = (DOCS / "ci.md").read_text(encoding="utf-8")


def workflow_steps() -> list[dict[str, Any]]:
    text = (DOCS / "examples" / "actbench.yml").read_text(encoding="utf-8")
    (job,) = yaml.load(text, Loader=yaml.BaseLoader)["jobs"].values()
    steps: list[dict[str, Any]] = job["steps"]
    return steps


COMMANDS = [step["run"] for step in workflow_steps() if step.get("run", "").startswith("actbench ")]
(TRAIN,) = [command for command in COMMANDS if " run " in command and "--smoke" not in command]
(COMPARE,) = [command for command in COMMANDS if " compare " in command]


def typed(command: str, folder: Path, summary: Path) -> Finished:
    """A step as the runner's shell runs it; without the images of MNIST, on the digits, which need no download."""
    if "ACTBENCH_DATA" not in os.environ:
        command = command.replace("mnist", "digits")
    program, *words = shlex.split(command)
    assert program == "actbench"
    return actbench(*words, folder=folder, environment={"GITHUB_STEP_SUMMARY": str(summary)}, has_data=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that follows the page: the file is in its place, and its first results are committed."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(DOCS / "examples", folder / "ci")
    file, dataset = folder / "ci" / "activations.yaml", "mnist" if "ACTBENCH_DATA" in os.environ else "digits"
    smaller = f"{dataset}, train: 700, test: 300"  # than on the page
    file.write_text(file.read_text("utf-8").replace("mnist, train: 2000, test: 1000", smaller), "utf-8")
    (accept, commit) = re.findall(r"^```sh\n(.*)\n(.*)\n```$", PAGE, re.MULTILINE)[0]
    finished = typed(accept, folder, folder / "none")
    assert finished.returncode == 0, finished.stderr
    for command in ("git init -q", commit):
        subprocess.run(command.split(), cwd=folder, check=True)
    kept = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    assert {Path(name).name for name in kept} == {EXPERIMENT, JOURNAL, PLAN, ENVIRONMENT}
    for path in (folder / "ci" / "baseline" / "activations").iterdir():
        if path.name not in (EXPERIMENT, JOURNAL, PLAN, ENVIRONMENT):
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def trained(project: Path) -> Path:
    """The project after all steps, each of which has passed."""
    for command in COMMANDS:
        finished = typed(command, project, project / "summary.md")
        assert finished.returncode == 0, (command, finished.stderr)
    return project


def test_the_steps_are_check_fetch_smoke_train_compare_and_report() -> None:
    assert [command.split()[1] for command in COMMANDS] == [
        "check",
        "validate",
        "data",
        "run",
        "run",
        "compare",
        "report",
    ]
    assert "--smoke" in COMMANDS[3]
    assert not set("".join(COMMANDS)) & set("${}|&;<>*\n"), "not what a shell takes as it stands"


@pytest.mark.slow
def test_the_steps_pass_in_order_and_leave_a_summary_and_what_is_to_be_kept(trained: Path) -> None:
    summary = (trained / "summary.md").read_text(encoding="utf-8")
    assert summary.count("\n## ") == 2
    rows = [line.split("|")[1].strip() for line in summary.splitlines() if line.startswith("| ")]
    now, before = "", "baseline ci/baseline/activations: "
    arms = ("relu", "gelu", "mish", "tent")
    assert {row.replace("\\", "") for row in rows} >= {f"{when}{arm}" for when in (now, before) for arm in arms}
    assert "\n**gate: passed; 0 worse; 0 undecided**\n" in summary
    assert summary.startswith("**gate: passed; 0 contradicted; 0 undecided**\n")
    (upload,) = [step["with"]["path"] for step in workflow_steps() if "upload-artifact" in step.get("uses", "")]
    assert all((trained / kept).exists() for kept in upload.split())


@pytest.mark.slow
def test_the_gate_fails_against_better_results_than_now_and_the_summary_says_which_arm(
    trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "ci", tmp_path / "ci")
    shutil.copytree(trained / "results", tmp_path / "results")
    _raise_accuracy(tmp_path / "ci" / "baseline" / "activations", arm="mish")
    finished = typed(COMPARE, tmp_path, tmp_path / "summary.md")
    assert finished.returncode == 1, finished.stderr
    said = "gate: failed; 1 worse (mish); 0 undecided"
    assert said in finished.stderr
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith(f"**{said}**\n")
    assert "  worse: mish: 100.00 -> " in finished.stderr
    assert finished.stdout.startswith(
        "Is any arm better or worse than in ci/baseline/activations, by test accuracy on "
    )
    assert " is worse than the same arm there (p " in finished.stdout


def _raise_accuracy(folder: Path, *, arm: str) -> None:
    """Every test image right, with the bits and the predictions that belong to that."""
    records = read_journal(folder).records.values()
    (folder / JOURNAL).unlink()
    append_records(
        folder,
        [
            record.model_copy(
                update={
                    "test_correct_count": record.test_count,
                    "test_top2_correct_count": None,
                    "test_is_correct": "",
                    "test_mistakes": "",
                    "test_prediction_counts": (),
                }
            )
            if record.settings.model.activation.name == arm
            else record
            for record in records
        ],
    )


@pytest.mark.slow
def test_a_contradicted_claim_and_a_baseline_that_is_not_there_fail_their_steps(trained: Path, tmp_path: Path) -> None:
    claim = "expect=[{claim: it is perfect, arm: {model.activation: relu}, above: 0.9999}]"
    finished = typed(f"{TRAIN} --set '{claim}'", trained, tmp_path / "none")
    assert finished.returncode == 1, finished.stderr
    assert ", 0 trained now" in finished.stderr
    shutil.copytree(trained / "results", tmp_path / "results")
    refused = typed(COMPARE, tmp_path, tmp_path / "none")
    assert refused.returncode == 2
    assert refused.stderr.startswith("actbench: 'ci/baseline/activations' is ")


def test_the_example_is_sound_and_its_gate_can_fail() -> None:
    with custom_files_in_use([DOCS / "examples" / "tent.py"]):
        loaded = load_experiment(DOCS / "examples" / "activations.yaml")
    assert loaded.warnings == ()
    assert len(loaded.experiment.seeds) >= 9


def test_the_page_names_every_command_and_only_files_that_are_there() -> None:
    table = re.findall(r"^\| `actbench (\w+)", PAGE, re.MULTILINE)
    assert table == [command.split()[1] for command in COMMANDS if " report " not in command]
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (DOCS / target).is_file()
