"""A custom function goes from a file to a verdict by one command, against common baselines, and continues like run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from actbench import errors
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Entry, Kind
from actbench.config.reader import read_experiment
from actbench.config.starter import PAIRS, STANDING, challenge_text
from actbench.experiment.definition import Experiment
from custom_files import TENT, custom_file, entries_of, function_text
from in_process import invoke

SMALL = ["--dataset", "digits", "--smoke", "--jobs", "1"]
QUICK = ["--set", "tune={train.lr: [1e-3, 1e-2]}", "--set", "data.train=60", "--set", "data.test=40"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    custom_file(tmp_path)
    return tmp_path


def experiment_of(challenger: Entry, against: tuple[str, ...] = ()) -> Experiment:
    """The challenge as an experiment."""
    return read_experiment(challenge_text([challenger], "own.py", "digits", against), "challenge", "c").experiment


@pytest.mark.parametrize(
    "entry", [one for kind in ("activation", "output", "initialiser", "loss") for one in entries(kind)],
    ids=lambda one: f"{one.kind}-{one.name}",
)  # fmt: skip
def test_every_kind_of_custom_function_has_a_standard_experiment_without_warnings(entry: Entry) -> None:
    others = [one for one in entries(entry.kind) if one is not entry and one.yields == entry.yields]
    opponents = [one.name for one in others if entry.kind != "loss" or entry.accepts[0] in one.accepts][:1]
    if not opponents:
        pytest.skip("there is no other of its sort")
    text = challenge_text([entry], "own.py", "digits", opponents)
    loaded = read_experiment(text, "challenge", "c")
    assert loaded.warnings == ()
    assert loaded.experiment.arm_count() == 2
    assert len(loaded.experiment.seeds) == 10
    assert loaded.experiment.tuning_seeds == 3


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("activation", TENT),
        (
            "initialiser",
            function_text(
                "initialiser(formula='0', reference='y')",
                "own(shape, fan_in, fan_out, generator)",
                "return torch.zeros(shape)",
            ),
        ),
        ("output", function_text("output(formula='x', yields='scores', reference='y')", "own(x)", "return x")),
        (
            "loss",
            function_text(
                "loss(formula='-prediction[label]', accepts=('probabilities',), reference='y')",
                "own(prediction, label)",
                "return 0",
            ),
        ),
    ],
)
def test_the_opponents_are_the_usual_ones_that_can_take_its_place(kind: Kind, text: str, tmp_path: Path) -> None:
    with entries_of(custom_file(tmp_path, text)) as (entry,):
        experiment = experiment_of(entry)
        names = [arm.values[0][1].name for arm in experiment.arms()]
    assert names[-1] == entry.name
    assert names[-1] == dict(experiment.baseline)[experiment.factors[0].path].name
    if kind in STANDING:
        assert tuple(names[:-1]) == STANDING[kind]
    else:
        assert names[0] in {name for pair in PAIRS.values() for name in pair}


def test_one_command_goes_from_the_file_to_a_verdict_and_goes_on_where_it_was(here: Path) -> None:
    command = ["challenge", "tent.py", "--against", "relu", *SMALL, *QUICK, "--format", "json"]
    command.remove("--smoke")
    command += ["--set", "train.epochs=1", "--set", "seeds=2", "--set", "tuning_seeds=1"]
    first = invoke(*command)
    assert first.exit_code == 0, first.stderr
    table = json.loads(first.stdout)
    assert "verdict" in first.stdout
    assert "tent" in json.dumps(table)
    assert "The experiment is in challenge-tent-digits.yaml, without the values of --set.\n" in first.stderr
    assert (here / "challenge-tent-digits.yaml").is_file()
    again = invoke(*command)
    assert ", 0 trained now" in again.stderr
    assert again.stdout == first.stdout
    by_hand = ["run", "challenge-tent-digits.yaml", "--use", "tent.py", *command[6:]]
    assert ", 0 trained now" in invoke(*by_hand).stderr


def test_a_dry_run_leaves_nothing_behind(here: Path) -> None:
    planned = invoke("challenge", "tent.py", "--dry-run")
    assert planned.exit_code == 0
    assert "tent" in planned.stdout
    assert [path.name for path in here.iterdir()] == ["tent.py"]


def test_opponents_that_are_not_there_are_named_all_at_once(here: Path) -> None:
    refused = invoke("challenge", "tent.py", "--against", "rellu", "--against", "gelo", "--against", "tent")
    assert refused.exit_code == errors.EXIT_USAGE
    assert "--against rellu: no activation is called 'rellu'; did you mean relu" in refused.stderr
    assert "--against gelo: no activation is called 'gelo'; did you mean gelu" in refused.stderr
    assert "--against tent: is there already" in refused.stderr


def test_a_custom_function_that_is_refused_is_not_challenged(here: Path) -> None:
    custom_file(here, TENT.replace("bounds=(0, 1)", "bounds=(0, 2)"))
    refused = invoke("challenge", "tent.py", *SMALL)
    assert refused.exit_code == errors.EXIT_USAGE
    assert "activation tent is refused: bounds: no value comes near 2" in refused.stderr
    assert not (here / "challenge-tent-digits.yaml").exists()
    assert "The experiment is in" not in refused.stderr


def test_a_smoke_test_of_a_challenge_ends_with_the_challenge(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["challenge", "tent.py", "--against", "relu", *SMALL, *QUICK]
    monkeypatch.setattr("sys.argv", ["actbench", *command])
    answer = invoke(*command)
    assert answer.exit_code == 0, answer.stderr
    command.remove("--smoke")
    assert answer.stderr.endswith(f"Next: actbench {shlex.join(command)}\n")
    quiet = invoke("challenge", "tent.py", "--against", "relu", *SMALL, *QUICK, "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")


def test_a_loss_that_accepts_nothing_is_refused_with_the_reason(here: Path) -> None:
    text = function_text(
        "loss(formula='sum((prediction - target) ** 2)', accepts=(), reference='y')",
        "own(prediction, label)",
        "target = torch.nn.functional.one_hot(label, prediction.shape[-1])",
        "return ((prediction - target) ** 2).sum(-1)",
    )
    custom_file(here, text)
    refused = invoke("challenge", "tent.py", *SMALL)
    assert refused.exit_code == errors.EXIT_USAGE
    assert "tent.py:9: accepts is empty: say for which outputs it is" in refused.stderr


def test_custom_functions_of_two_kinds_are_challenged_one_kind_at_a_time(here: Path) -> None:
    second = function_text("output(formula='x', yields='scores', reference='y')", "own(x)", "return x")
    custom_file(here, second + "\n\n" + TENT)
    refused = invoke("challenge", "tent.py", *SMALL)
    assert refused.exit_code == errors.EXIT_USAGE
    assert "entries of several kinds (activation, output)" in refused.stderr


def test_an_experiment_that_has_been_changed_by_hand_is_not_replaced_unasked(here: Path) -> None:
    file = custom_file(here, "seeds: 2\n", "challenge-tent-digits.yaml")
    refused = invoke("challenge", "tent.py", *SMALL)
    assert refused.exit_code == errors.EXIT_USAGE
    assert "challenge-tent-digits.yaml: is there already" in refused.stderr
    assert file.read_text(encoding="utf-8") == "seeds: 2\n"


def test_a_custom_function_that_no_arm_uses_is_named_with_the_line_that_lists_it(here: Path) -> None:
    assert invoke("init").exit_code == 0
    unused = invoke("validate", "starter.yaml", "--use", "tent.py")
    assert "warning: tent.py adds tent, which no arm uses; " in unused.stderr
    assert "list it under vary: model.activation: [..., tent]\n" in unused.stderr
    used = invoke("validate", "starter.yaml", "--use", "tent.py", "--set", "vary.model.activation=[relu, tent]")
    assert "warning" not in used.stderr
