"""`actbench compare` and `report` on planted folders as users and scripts call them: formats, options, exit codes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path

import pandas
import pytest

from planted import FIVE_ACTIVATIONS, MUCH, RELU, UNTUNED, above, five_arms, planted
from program import Finished, actbench, assert_one_message

JSON_KEYS = {
    "arm", "n", "failed", "mean", "sd", "ci", "difference", "difference_ci", "p", "p_holm", "probability_better",
    "verdict",
}  # fmt: skip
BETTER = {"relu": RELU, "tanh": above(RELU, MUCH)}
WORSE = {"relu": RELU, "tanh": above(RELU, [-gain for gain in MUCH])}
NO_SUMMARY = {"GITHUB_STEP_SUMMARY": ""}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds `five` (tuned, one arm for every verdict), `better` and `worse` (both untuned)."""
    root = tmp_path_factory.mktemp("planted")
    planted(root / "five", five_arms(), FIVE_ACTIVATIONS)
    planted(root / "better", BETTER, UNTUNED)
    planted(root / "worse", WORSE, UNTUNED)
    return root


def succeeded(*arguments: str, folder: Path) -> str:
    finished = actbench("compare", *arguments, folder=folder, environment=NO_SUMMARY)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def test_the_table_has_every_word_of_the_protocol_and_cuts_nothing(results: Path) -> None:
    lines = succeeded("five", "--explain", folder=results).splitlines()
    begin = lines.index("test accuracy by arm")
    verdicts = dict(line.split(maxsplit=1) for line in lines[begin + 2 : begin + 7])
    for arm, verdict in {
        "relu": "-",
        "tanh": "better",
        "elu": "better (small)",
        "gelu": "equivalent within +-0.10 pp",
        "mish": "no evidence of a difference (could still be up to 0.16 pp)",
    }.items():
        assert verdicts[arm].endswith(f" {verdict}")
    rule = "at 5 %, Bonferroni over 4 comparisons with the best; between an arm and its baseline, the verdict counts"
    assert f"Best: tanh. Not distinguishable from it: mish ({rule})." in lines


def test_markdown_is_the_table_that_a_run_leaves(results: Path, tmp_path: Path) -> None:
    text = succeeded("five", "--format", "markdown", folder=results)
    assert text.startswith("| arm | tuned |")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 5
    assert {line.count(" | ") for line in rows} == {12}


def test_csv_is_read_by_pandas(results: Path) -> None:
    table = pandas.read_csv(StringIO(succeeded("five", "--format", "csv", folder=results)), index_col="arm")
    assert list(table.index) == list(five_arms())
    assert table["difference"]["tanh"] == pytest.approx(0.00206)
    assert table["p_holm"]["tanh"] == pytest.approx(8 / 2**10)
    assert table["verdict"]["elu"] == "better (small)"
    pairs = pandas.read_csv(StringIO(succeeded("five", "--all-pairs", "--format", "csv", folder=results)))
    assert len(pairs) == 10
    assert set(pairs["first"]) | set(pairs["second"]) == set(five_arms())


def test_json_is_one_document_with_the_designs_keys(results: Path) -> None:
    document = json.loads(succeeded("five", "--format", "json", folder=results))
    assert document.keys() >= {"metric", "baseline", "seeds", "arms", "best_set", "caveats", "test_reads"}
    assert "pairs" not in document
    assert document["seeds"] == list(range(10))
    assert all(arm.keys() >= JSON_KEYS for arm in document["arms"])
    assert document["test_reads"] == 50
    assert any(
        caveat.startswith("Tuned for each arm: train.lr from 0.001, 0.003, 0.01") for caveat in document["caveats"]
    )


def test_all_pairs_are_in_json_where_they_are_asked_for(results: Path) -> None:
    document = json.loads(succeeded("five", "--all-pairs", "--format", "json", folder=results))
    assert len(document["pairs"]) == 10
    assert document["pairs"][0].keys() >= {"first", "second", "n", "difference", "p", "p_holm", "verdict"}


def test_several_folders_are_one_comparison(results: Path) -> None:
    folders = ("worse", "better", "five")
    document = json.loads(succeeded(*folders, "--shared-lr", "--format", "json", folder=results))
    assert all(arm.keys() >= JSON_KEYS | {"label", "folder"} for arm in document["arms"])
    assert [arm["label"] for arm in document["arms"][:4]] == [
        "worse: relu", "worse: tanh", "better: relu", "better: tanh",
    ]  # fmt: skip
    text = succeeded(*folders, "--shared-lr", "--explain", folder=results)
    assert "worse: Same learning rate for all arms" in text
    assert "five: Tuned for each arm" in text


def test_the_baseline_can_be_a_folder(results: Path) -> None:
    text = succeeded("worse", "--baseline", "better", "--format", "json", folder=results)
    document = json.loads(text)
    found = {arm["label"]: arm["verdict"] for arm in document["arms"] if arm["verdict"]}
    assert found == {"relu": "equivalent within +-0.10 pp", "tanh": "worse"}
    assert document["best_set"] == []


def test_without_tuning_only_shared_lr_gives_verdicts(results: Path) -> None:
    for verb in ("compare", "report"):
        plain, shared = (actbench(verb, "better", *options, folder=results).stdout for options in ([], ["--shared-lr"]))
        assert "not judged" in plain
        assert "Not judged: nothing was tuned" in plain
        assert "not judged" not in shared
        assert "Same learning rate for all arms" in shared


def test_by_takes_a_factor_and_names_those_there_are(results: Path) -> None:
    assert succeeded("five", "--by", "activation", folder=results).startswith("Which ")
    refused = actbench("compare", "five", "--by", "init", folder=results)
    assert_one_message(refused, 2, "--by init: expected a setting that is varied: model.activation")


def test_quiet_is_the_answer_in_one_line(results: Path) -> None:
    line = succeeded("better", "--shared-lr", "--quiet", folder=results)
    assert line.startswith("Which activation gives the highest test accuracy on mnist? tanh (+0.21 points) is better")
    assert line.count("\n") == 1
    refused = actbench("compare", "better", "--quiet", "--explain", folder=results)
    assert_one_message(refused, 2, "--quiet goes with neither --explain nor --images")
    as_json = ("better", "--format", "json")
    assert succeeded(*as_json, "--quiet", folder=results) == succeeded(*as_json, folder=results)


def gate(*arguments: str, folder: Path, summary: str = "") -> Finished:
    return actbench("compare", *arguments, "--gate", folder=folder, environment={"GITHUB_STEP_SUMMARY": summary})


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["better", "--shared-lr"], 0, "gate: passed; 0 worse; 0 undecided"),
        (["worse"], 5, "gate: undecided; 0 worse; 1 undecided (tanh)"),
        (["worse", "--gate-undecided", "pass"], 0, "gate: passed; 0 worse; 1 undecided (tanh)"),
        (["worse", "--gate-undecided", "fail"], 1, "gate: failed; 0 worse; 1 undecided (tanh)"),
        (["worse", "--baseline", "better"], 1, "gate: failed; 1 worse (tanh); 0 undecided"),
    ],
)
def test_the_gate_is_the_exit_code_one_line_and_a_summary(
    arguments: list[str], code: int, line: str, results: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary.md"
    finished = gate(*arguments, folder=results, summary=str(summary))
    assert finished.returncode == code
    assert finished.stderr.splitlines()[0] == line
    assert finished.stdout.startswith(("Which ", "Is any arm better or worse than in "))
    assert summary.read_text(encoding="utf-8").startswith(f"**{line}**\n")


def test_the_gate_is_part_of_json(results: Path) -> None:
    finished = gate("worse", "--baseline", "better", "--format", "json", folder=results)
    document = json.loads(finished.stdout)["gate"]
    assert document["exit_code"] == finished.returncode == 1
    assert document["line"] == finished.stderr.splitlines()[0]
    assert [case["word"] for case in document["cases"]] == ["equivalent", "worse"]


def test_a_gate_with_nothing_to_compare_is_exit_2(results: Path, tmp_path: Path) -> None:
    text = UNTUNED.replace("baseline: {model.activation: relu}\n", "")
    planted(tmp_path / "without", BETTER, text)
    finished = gate("without", folder=tmp_path)
    assert finished.returncode == 2
    assert finished.stderr == (
        "actbench: --gate: no arm is compared with a baseline; name one with --baseline ARM or FOLDER\n"
    )
    planted(tmp_path / "alone", {"relu": RELU}, UNTUNED.replace("[relu, tanh]", "[relu]"))
    assert_one_message(
        gate("alone", folder=tmp_path), 2,
        "--gate: no arm is compared with a baseline; it is the only arm: name --baseline FOLDER",
    )  # fmt: skip


def test_a_gate_whose_report_cannot_be_written_does_not_pass(results: Path) -> None:
    finished = gate("better", "--shared-lr", "--gate-report", "absent/gate.xml", folder=results)
    assert finished.returncode == 4
    assert finished.stderr.endswith("absent/gate.xml: cannot be used (No such file or directory)\n")
    assert finished.stdout.startswith("Is any arm better or worse than in better, ") or "Which " in finished.stdout


def test_a_summary_that_cannot_be_written_leaves_the_gates_exit_code(results: Path) -> None:
    for arguments, code in ((["better", "--shared-lr"], 0), (["worse", "--baseline", "better"], 1)):
        finished = gate(*arguments, folder=results, summary="absent/summary.md")
        assert finished.returncode == code
        assert finished.stdout.startswith(("Which ", "Is any arm better or worse than in better, "))
        assert "warning: GITHUB_STEP_SUMMARY=absent/summary.md: cannot be written" in finished.stderr


def on_a_terminal(*arguments: str, folder: Path, columns: int) -> list[str]:
    """The lines that a terminal of so many columns gets."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 200, columns, 0, 0))
    variables = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "actbench", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=terminal, env=variables | {"NO_COLOR": "1", "TERM": "dumb"})
    os.close(terminal)
    chunks: list[bytes] = []
    try:
        while chunk := os.read(screen, 65536):
            chunks.append(chunk)
    except OSError:  # Linux says so where the program has closed the terminal
        pass
    os.close(screen)
    assert process.wait() == 0
    return b"".join(chunks).decode().splitlines()


def test_a_narrow_terminal_keeps_arm_mean_difference_and_verdict(results: Path) -> None:
    lines = on_a_terminal("compare", "five", "--explain", folder=results, columns=80)
    assert max(map(len, lines)) <= 80
    header = next(line for line in lines if line.startswith("arm"))
    assert "mean" in header
    assert "difference" in header
    assert "verdict" in header
    assert "sd" not in header
    assert any(line.startswith("Not shown at this width: ") for line in lines)


def test_a_damaged_journal_is_compared_with_what_is_whole(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "better", tmp_path / "better")
    journal = tmp_path / "better" / "trials.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join([*lines[:7], lines[7][:100] + "\n", *lines[8:]]), encoding="utf-8")
    finished = actbench("compare", "better", "--shared-lr", folder=tmp_path)
    assert finished.returncode == 0
    assert finished.stderr.splitlines() == [
        "better: 1 damaged line of the journal is left out",
        "better: 1 of 20 trials is not trained yet",
    ]
    assert "Some differences rest on only 9 of 10 seeds" in finished.stdout
    exported = actbench("export", "better", "--to", "tensorboard", folder=tmp_path)
    assert exported.stderr.splitlines()[:2] == finished.stderr.splitlines()
    assert actbench("predictions", "better", folder=tmp_path).stderr.startswith(finished.stderr)
    assert " better" in finished.stdout


@pytest.mark.parametrize("verb", ["predictions", "export --to mlflow", "export --to tensorboard"])
def test_of_an_empty_journal_nothing_is_printed_or_exported(verb: str, results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "better", tmp_path / "better", ignore=shutil.ignore_patterns("*.jsonl"))
    name, *options = verb.split()
    refused = actbench(name, "better", *options, folder=tmp_path)
    assert_one_message(refused, 2, "better: no ", " trial has a result; actbench run trains what is missing")


@pytest.mark.parametrize("again", [["five/../five"], ["--baseline", "five"]])
def test_a_folder_is_not_compared_with_itself(again: list[str], results: Path) -> None:
    refused = actbench("compare", "five", *again, folder=results)
    assert_one_message(refused, 2, "five is named twice: compare it with other results")


def test_the_baseline_may_be_an_arm_of_another_folder_than_the_first(results: Path) -> None:
    table = succeeded("better", "five", "--baseline", "five: tanh", "--shared-lr", "--format", "csv", folder=results)
    arms = pandas.read_csv(StringIO(table)).set_index("arm")
    assert arms.index[arms["verdict"].isna()].tolist() == ["five: tanh"]
    refused = actbench("compare", "better", "five", "--baseline", "five: elo", folder=results)
    assert_one_message(refused, 2, "'elo' is not in this experiment; did you mean elu")
