"""Every word of a command line that means nothing is named at once, with the nearest names, and nothing is started."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from actbench.cli import usage
from actbench.cli.app import program
from actbench.cli.usage import requested_help, unknown_words
from program import actbench, assert_one_message

pytestmark = pytest.mark.oldest

PROGRAM = program()


def said(line: str) -> list[str]:
    return unknown_words(PROGRAM, shlex.split(line))


@pytest.mark.parametrize(
    "line",
    [
        "", "-h", "--help", "--version", "run", "run a.yaml --set train.lr=1 --jobs 2 --smoke", "run --set=a=b a.yaml",
        "run --results --smoke", "run -- --nonsense", "compare a b --metric test_loss --all-pairs", "data",
        "data --data-dir x fetch mnist", "data fetch --data-dir=x", "show relu tanh", "init --no-schema", "run - -h",
        "compare --baseline -3", "compare --baseline --nonsense",
    ],
)  # fmt: skip
def test_words_that_mean_something_pass(line: str) -> None:
    assert said(line) == []


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("rnu", ["no verb is called 'rnu'; did you mean run?"]),
        ("sumary a.yaml --foo", ["no verb is called 'sumary'; did you mean summary?"]),
        ("--verion run --smok", [
            "no option of actbench is called '--verion'; did you mean --version?",
            "no option of actbench run is called '--smok'; did you mean --smoke?",
        ]),
        ("run a.yaml --sett x=1 --job 2 --freshh", [
            "no option of actbench run is called '--sett'; did you mean --set, --use or --use-data?",
            "no option of actbench run is called '--job'; did you mean --jobs?",
            "no option of actbench run is called '--freshh'; did you mean --fresh?",
        ]),
        ("compare --gate-undecide=fail", [
            "no option of actbench compare is called '--gate-undecide'; did you mean --gate-undecided?",
        ]),
        ("data fech", ["no verb of actbench data is called 'fech'; did you mean fetch?"]),
        ("data --dta-dir x fetch --dat-dir y", [
            "no option of actbench data is called '--dta-dir'; did you mean --data-dir?",
            "no option of actbench data fetch is called '--dat-dir'; did you mean --data-dir?",
        ]),
        ("run a.yaml --device gpu --format=jsn --smok", [
            "--device takes auto, cpu, cuda or mps, not 'gpu'; did you mean cpu?",
            "--format takes table or json, not 'jsn'; did you mean json?",
            "no option of actbench run is called '--smok'; did you mean --smoke?",
        ]),
        ("report '' --html '' --figures=", [
            "an argument: expected a value, found an empty text (of a variable that is not set?)",
            "--html: expected a value, found an empty text (of a variable that is not set?)",
            "--figures: expected a value, found an empty text (of a variable that is not set?)",
        ]),
        ("report --figure-format zzz", ["--figure-format takes svg, png or pdf, not 'zzz'"]),
        ("schema -x", ["no option of actbench schema is called '-x'; known here: --use, -h, --help"]),
        ("schema -hx", ["no option of actbench schema is called '-x'; known here: --use, -h, --help"]),
        ("schema '--\x1b[31m'", [
            "no option of actbench schema is called '--\\x1b[31m'; known here: --use, -h, --help",
        ]),
    ],
)  # fmt: skip
def test_all_that_mean_nothing_are_named_with_up_to_three_nearest_names(line: str, sentences: list[str]) -> None:
    assert said(line) == sentences


@pytest.mark.parametrize(
    "line", ["init . --force", "init /", "report --html .", "show relu --save /", "run a --gate-report ."]
)
def test_a_folder_is_no_place_for_a_file_and_nothing_is_started(line: str, tmp_path: Path) -> None:
    assert_one_message(actbench(*line.split(), folder=tmp_path), 2, "is a directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("help", "--help"), ("help run", "run --help"), ("help data fetch", "data fetch --help"),
        ("run a.yaml --nonsense -h --set", "run --help"), ("data --data-dir x fetch --help", "data fetch --help"),
        ("--version --help", "--help"), ("show -h relu", "show --help"),
    ],
)  # fmt: skip
def test_help_is_given_wherever_it_is_asked_for_whatever_else_is_said(line: str, meant: str) -> None:
    assert requested_help(PROGRAM, shlex.split(line)) == meant.split()


@pytest.mark.parametrize("line", ["", "run a.yaml", "run -- --help", "rnu --help", "show help"])
def test_no_other_line_asks_for_help(line: str) -> None:
    assert requested_help(PROGRAM, shlex.split(line)) is None


def test_the_program_helps_in_the_middle_of_a_line_and_with_the_verb_help(tmp_path: Path) -> None:
    whole = actbench("data", "fetch", "--help", folder=tmp_path)
    for line in (["help", "data", "fetch"], ["data", "fetch", "--nonsense", "mnist", "-h", "x"]):
        assert actbench(*line, folder=tmp_path).stdout == whole.stdout
    assert_one_message(actbench("help", "rnu", folder=tmp_path), 2, "no verb is called 'rnu'; did you mean run?")


@pytest.mark.parametrize("missing", ["params", "param_type_name", "opts", "nargs", "is_flag", "type_descriptor"])
def test_without_an_attribute_of_typer_every_command_line_still_works(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typer then names the first mistake itself."""

    class Without:
        """A command or a parameter of typer's without one of its attributes."""

        def __init__(self, whole: Any) -> None:
            self._whole = whole

        def __getattr__(self, name: str) -> Any:
            if name == missing:
                raise AttributeError(name)
            value = getattr(self._whole, name)
            return [Without(parameter) for parameter in value] if name == "params" else value

    read = usage._options
    monkeypatch.setattr(usage, "_options", lambda command: read(Without(command)))
    assert actbench("list", "loss", folder=tmp_path).returncode == 0
    mistake = actbench("list", "loss", "--format", "jsn", folder=tmp_path)
    assert (mistake.returncode, mistake.stdout) == (2, "")
    assert "jsn" in mistake.stderr
    assert actbench("list", "--fromat", "json", folder=tmp_path).returncode == 2


def test_where_no_name_is_near_all_verbs_are_named() -> None:
    (sentence,) = said("zzz")
    assert sentence == f"no verb is called 'zzz'; known here: {', '.join(PROGRAM.commands)}"


def test_the_program_says_it_in_one_message_and_starts_nothing(tmp_path: Path) -> None:
    finished = actbench("run", "missing.yaml", "--sett", "x=1", "--freshh", folder=tmp_path)
    assert_one_message(finished, 2, "did you mean --set", "did you mean --fresh")
    assert len(finished.stderr.splitlines()) == 2
    assert_one_message(actbench("trian", folder=tmp_path), 2, "actbench: no verb is called 'trian'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--lr", "0.01"], "--set train.lr=0.01"),
        (["--seeds=5"], "--set seeds=5"),
        (["--batch-size", "64"], "--set train.batch_size=64"),
        (["--learning-rate", "0.1"], "--set train.lr=0.1"),
        (["--epochs"], "--set train.epochs=..."),
        (["--hidden", "[64, 32]"], "--set 'model.hidden=[64, 32]'"),
    ],
)
def test_a_setting_given_as_an_option_is_answered_with_the_set_line(
    words: list[str], line: str, tmp_path: Path
) -> None:
    finished = actbench("run", "x.yaml", *words, folder=tmp_path)
    assert_one_message(finished, 2, f"settings are changed by {line}")
