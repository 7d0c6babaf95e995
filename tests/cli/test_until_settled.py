"""`run --gate --until-settled`: a gate that asks for seeds until every arm is settled, or its time is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench import errors
from program import Finished, actbench, assert_one_message

TEXT = """
name: asks-on
data: {dataset: digits, train: 500, test: 200}
model: {hidden: [32]}
train: {epochs: 4, batch_size: 32, lr: 0.01}
vary: {model.activation: [relu, sigmoid]}
tune: {model.init: [he_normal, xavier_normal]}
tuning_seeds: 1
seeds: {looks: [7, 12], first: 100}
baseline: {model.activation: relu}
"""
ALIKE = TEXT.replace("sigmoid]", "leaky_relu]").replace("[7, 12]", "[7, 8]")


def gate(folder: Path, text: str, *words: str) -> Finished:
    (folder / "asks-on.yaml").write_text(text, encoding="utf-8")
    return actbench("run", "asks-on.yaml", "--jobs", "1", "--gate", *words, folder=folder)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (TEXT, errors.EXIT_CHECK_FAILED, "gate: failed; 1 worse (sigmoid); 0 undecided"),
        (TEXT.replace("activation: relu}", "activation: sigmoid}"), 0, "gate: passed; 0 worse; 0 undecided"),
        (ALIKE, errors.EXIT_UNDECIDED, "gate: undecided; 0 worse; 1 undecided (leaky_relu)"),
    ],
    ids=["worse", "better", "undecided"],
)
def test_worse_better_and_undecided_have_their_exit_codes(text: str, code: int, line: str, tmp_path: Path) -> None:
    finished = gate(tmp_path, text, "--until-settled")
    assert finished.returncode == code, finished.stderr
    assert line in finished.stderr
    assert "look 1 of 2, 7 seeds: " in finished.stderr


@pytest.mark.parametrize(("undecided", "code"), [("exit", errors.EXIT_UNDECIDED), ("pass", 0), ("fail", 1)])
def test_when_the_time_is_over_the_gate_says_what_is_settled(undecided: str, code: int, tmp_path: Path) -> None:
    words = ["--until-settled", "--gate-undecided", undecided]
    stopped = gate(tmp_path, TEXT, *words, "--max-time", "0.000001s")
    assert stopped.returncode == code, stopped.stderr
    assert "trials left. Continue with: " in stopped.stderr
    assert "tuning has not finished" in stopped.stderr


def test_a_gate_that_was_out_of_time_is_continued_to_its_verdict(tmp_path: Path) -> None:
    gate(tmp_path, TEXT, "--until-settled", "--max-time", "0.000001s")
    continued = gate(tmp_path, TEXT, "--until-settled", "--max-time", "10m")
    assert continued.returncode == errors.EXIT_CHECK_FAILED
    assert "1 worse (sigmoid)" in continued.stderr


def test_before_the_first_look_no_claim_and_no_arm_is_judged(tmp_path: Path) -> None:
    claim = "expect: [{claim: some are right, above: 0.02}]\n"
    text = TEXT.replace("tune: {model.init: [he_normal, xavier_normal]}\ntuning_seeds: 1\n", "") + claim
    stopped = gate(tmp_path, text, "--max-time", "0.000001s")
    assert stopped.returncode == errors.EXIT_UNDECIDED, stopped.stderr
    assert "the first look, after 7 seeds, lacks trials" in stopped.stderr
    assert gate(tmp_path, text).returncode == 0


def test_the_usual_looks_are_taken_where_the_file_has_none(tmp_path: Path) -> None:
    fixed = TEXT.replace("{looks: [7, 12], first: 100}", "3")
    assert gate(tmp_path, fixed, "--until-settled", "--at-most", "12").returncode == errors.EXIT_CHECK_FAILED
    again = gate(tmp_path, fixed, "--until-settled", "--at-most", "12")
    assert again.returncode == errors.EXIT_CHECK_FAILED
    assert ", 0 trained now" in again.stderr


def test_a_gate_does_not_ask_on_where_final_trials_exist_under_a_plan_without_looks(tmp_path: Path) -> None:
    fixed = TEXT.replace("{looks: [7, 12], first: 100}", "3")
    gate(tmp_path, fixed)
    refused = gate(tmp_path, fixed, "--until-settled")
    assert_one_message(refused, errors.EXIT_USAGE, "have been trained under one without", "take fresh seeds")
    assert gate(tmp_path, fixed, "--until-settled", "--at-most", "12", "--fresh").returncode == 1
