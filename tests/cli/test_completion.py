"""What the shell is given to complete: verbs, options, names, experiment files and result folders."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import names
from actbench.cli.app import VERBS
from actbench.cli.completion import BEFORE_VARIABLE, MAX_ENTRIES, experiment_files, result_folders
from actbench.config.bundled import bundled_experiments
from actbench.config.cells import SETTING_PATHS
from program import actbench

pytestmark = pytest.mark.oldest

PROGRAM = "import sys; sys.argv[0] = 'actbench'; from actbench.cli.app import main; main()"

VARYING = """\
vary:
  model.activation: [relu, tanh, {leaky_relu: {negative_slope: 0.1}}, $(id)]
  model.init: [he_normal]
  $(id): [1]
"""


def completed(line: str, folder: Path, shell: str = "bash") -> list[str]:
    """What typer's script for the shell is told for the last word of a line."""
    asked = {
        "_ACTBENCH_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        BEFORE_VARIABLE: "",
    }
    finished = actbench(folder=folder, environment=asked)
    assert (finished.returncode, finished.stderr) == (0, "")
    return finished.stdout.strip("\n").splitlines()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with experiments, results and things that are neither."""
    root = tmp_path_factory.mktemp("tree")
    for name in (
        "a.yaml", "configs/b.yaml", "configs/more/c.yml", "results/x/experiment.yaml", "results/y/experiment.yaml",
        "results/z/table.csv", ".venv/d.yaml", "configs/more/far/e.yaml", "notes.txt", "$(id).yaml", "b c.yaml",
        "x'.yaml", "-h.yaml",
    ):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "results/x/experiment.yaml").write_text(VARYING, encoding="utf-8")
    (root / "results/x/trials.jsonl").touch()
    return root


def test_verbs_and_options_are_completed(tree: Path) -> None:
    assert completed("actbench ", tree) == [verb.name for verb in VERBS]
    assert completed("actbench su", tree) == ["summary"]
    assert completed("actbench run --dr", tree) == ["--dry-run"]
    assert completed("actbench run --device c", tree) == ["cpu", "cuda"]
    assert completed("actbench data f", tree) == ["fetch"]


def test_names_of_the_catalogue_are_completed(tree: Path) -> None:
    expected = [name for name in (*names("activation"), *names("output")) if name.startswith("re")]
    assert completed("actbench show tanh re", tree) == expected
    assert {"activation", "dataset", "experiment"} <= set(completed("actbench list ", tree))
    assert completed("actbench data fetch ", tree) == list(DATASETS)


@pytest.mark.parametrize("verb", ["run", "validate", "summary", "plan"])
def test_experiment_files_are_completed_whole_and_those_of_results_are_not(verb: str, tree: Path) -> None:
    assert completed(f"actbench {verb} ", tree) == [
        *bundled_experiments(),
        "a.yaml",
        "configs/b.yaml",
        "configs/more/c.yml",
    ]
    assert completed(f"actbench {verb} configs/m", tree) == ["configs/more/c.yml", "configs/more/far/e.yaml"]
    assert completed(f"actbench {verb} .v", tree) == [".venv/d.yaml"]


@pytest.mark.parametrize("verb", ["compare", "report", "compare results/x", "plan a.yaml --pilot"])
def test_result_folders_are_completed(verb: str, tree: Path) -> None:
    assert completed(f"actbench {verb} ", tree) == ["results/x", "results/y"]
    assert completed(f"actbench {verb} results/y", tree) == ["results/y"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run a.yaml --set train.e", ["train.epochs=10"]),
        ("run a.yaml --set model.batch_norm=", ["true", "false"]),
        ("run a.yaml --set=train.schedule=", ["constant", "cosine", "linear"]),
        ("plan a.yaml --set name=x --set data.dataset=k", ["kmnist"]),
        ("run a.yaml --set baseline.model.init=he_n", ["he_normal"]),
        ("run a.yaml --set vary.model.act", ["vary.model.activation="]),
        ("run a.yaml --set train.lss=", []),
        ("run a.yaml --set name=x --dr", ["--dry-run"]),
        ("compare --metric=test_l", ["test_loss"]),
        ("report results/x --metric val", [
            "validation_accuracy", "validation_loss", "validation_nll", "validation_brier", "validation_ece",
            "validation_top2_accuracy", "validation_loss@3",
        ]),
    ],
)  # fmt: skip
def test_settings_their_values_and_metrics_are_completed_as_bash_and_as_zsh_split_words(
    words: str, offered: list[str], tree: Path
) -> None:
    assert completed(f"actbench {words}".replace("=", " = "), tree) == offered
    shown = " ".join(completed(f"actbench {words}", tree, "zsh"))
    assert all(name in shown for name in offered)


PLAIN_KEYS = ("name", "exclude", "tuning_seeds", "tuning_margin", "seeds", "match", "primary", "margin", "keep")


def test_every_setting_is_completed_and_every_registered_name_is_a_value(tree: Path) -> None:
    keys = completed("actbench run a.yaml --set ", tree)
    assert keys == [*(f"{path}=" for path in SETTING_PATHS), *(f"{key}=" for key in PLAIN_KEYS)]
    assert completed("actbench run a.yaml --set model.activation = ", tree) == list(names("activation"))
    assert completed("actbench run a.yaml --set train.optimizer = ", tree) == list(names("optimizer"))


def test_arms_and_factors_of_the_named_results_are_completed_else_of_the_latest(tree: Path) -> None:
    assert completed("actbench compare results/x --baseline ", tree) == ["relu", "tanh", "he_normal"]
    assert completed("actbench compare results/x --baseline activation = t", tree) == ["tanh"]
    assert completed("actbench compare --by ", tree) == ["activation", "model.activation", "init", "model.init"]
    assert '"model.activation=tanh"' in completed("actbench compare --baseline model.activation=t", tree, "zsh")[0]
    for unreadable in ("results/y", "results/none"):
        assert completed(f"actbench compare {unreadable} --results nowhere --baseline ", tree) == []


def test_no_name_is_offered_that_means_something_to_a_shell(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert {path for path in experiment_files("") if "/" not in path} == {"a.yaml"}


def test_a_huge_or_forbidden_folder_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").mkdir()
    for number in range(MAX_ENTRIES + 10):
        (tmp_path / "many" / f"{number}.yaml").touch()
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert MAX_ENTRIES - 10 < len(experiment_files("many/")) <= MAX_ENTRIES
    assert result_folders("missing/") == []


def test_zsh_and_fish_are_given_what_a_verb_does(tree: Path) -> None:
    summary = next(verb for verb in VERBS if verb.name == "summary")
    assert '"summary":"Show an experiment' in completed("actbench su", tree, "zsh")[0]
    assert completed("actbench su", tree, "fish") == [f"summary\t{summary.short}"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_script_that_is_shown_completes_in_a_real_bash(tree: Path) -> None:
    script = f"""
    actbench() {{ {sys.executable} -c "{PROGRAM}" "$@"; }}
    export -f actbench
    env() {{ command env "${{@:1:$#-1}}" bash -c "actbench"; }}
    eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 actbench --show-completion bash)"
    COMP_WORDS=(actbench run con); COMP_CWORD=2
    _actbench_completion actbench
    printf '%s\\n' "${{COMPREPLY[@]}}"
    COMP_WORDS=(actbench run a.yaml --set train.loss = c); COMP_CWORD=6
    _actbench_completion actbench
    printf '%s\\n' "${{COMPREPLY[@]}}"
    complete -p actbench
    """
    finished = subprocess.run(["bash", "-c", script], cwd=tree, capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines() == [
        "configs/b.yaml", "configs/more/c.yml", "cross_entropy", "complete -o default -F _actbench_completion actbench",
    ]  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_that_typer_knows_has_a_script(shell: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build: Any = typer.main.get_command  # once for all tests, but here with the variable
    monkeypatch.setattr("typer.main.get_command", build.__wrapped__)
    environment = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "_ACTBENCH_COMPLETE" in actbench("--show-completion", shell, folder=tree, environment=environment).stdout
    assert "--install-completion" in actbench("--help", folder=tree).stdout
