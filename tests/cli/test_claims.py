"""Claims on the command line: printed after the table, kept in the result folder, and a gate where one asks for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas
import pytest

from program import TINY, Finished, actbench, assert_one_message

HELD, REFUTED = "more than 2 % are right", "less than 2 % are right"
CLAIMS = f"""\
expect:
  - {{claim: {HELD}, above: 0.02}}
  - {{claim: {REFUTED}, arm: {{model.activation: relu}}, below: 0.02}}
"""
ONE_THAT_HOLDS = f"expect=[{{claim: {HELD}, above: 0.02}}]"
GATE = "gate: failed; 1 contradicted"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    """A folder in which the tiny experiment has been run with its claims, and what that printed."""
    folder = tmp_path_factory.mktemp("claims")
    (folder / "tiny.yaml").write_text(TINY.replace("epochs: 2", "epochs: 4, lr: 0.03") + CLAIMS, encoding="utf-8")
    return folder, actbench("run", "tiny.yaml", "--jobs", "1", folder=folder)


@pytest.fixture
def folder(trained: tuple[Path, Finished], tmp_path: Path) -> Path:
    """A copy of it, in which a test may run the experiment again."""
    return Path(shutil.copytree(trained[0], tmp_path / "copy"))


def test_a_run_prints_its_claims_after_the_table_and_a_contradicted_one_is_no_failure(
    trained: tuple[Path, Finished],
) -> None:
    _, finished = trained
    assert finished.returncode == 0, finished.stderr
    table, claims = finished.stdout.split("\n\nclaims\n")
    assert table.startswith("Which ")
    header, held, refuted, note, *_ = claims.splitlines()
    assert header.split() == ["claim", "verdict", "about", "expected", "estimate", "95", "%", "interval", "n"]
    assert held.startswith(f"{HELD}  supported ")
    assert "test_accuracy of all trials" in held
    assert refuted.startswith(f"{REFUTED}  ")
    assert " contradicted " in refuted
    assert note.startswith("1 supported, 1 contradicted, 0 undecided.")
    assert GATE not in finished.stderr


def test_under_a_gate_a_contradicted_claim_is_exit_1(folder: Path, trained: tuple[Path, Finished]) -> None:
    finished = actbench("run", "tiny.yaml", "--gate", folder=folder)
    assert finished.returncode == 1, finished.stderr
    assert finished.stdout == trained[1].stdout
    assert GATE in finished.stderr
    assert f"  contradicted: {REFUTED} (test_accuracy of relu is " in finished.stderr
    assert "0 trained now" in finished.stderr


@pytest.mark.parametrize(("overrides", "verdict"), [
    ([ONE_THAT_HOLDS], "supported"), (["seeds=2"], "undecided"),
])  # fmt: skip
def test_under_a_gate_supported_claims_are_exit_0_and_undecided_ones_exit_5(
    overrides: list[str], verdict: str, folder: Path
) -> None:
    options = [part for override in overrides for part in ("--set", override)]
    finished = actbench("run", "tiny.yaml", "--gate", *options, folder=folder)
    assert finished.returncode == (0 if verdict == "supported" else 5), finished.stderr
    assert f"{HELD}  {verdict} " in finished.stdout
    assert "0 trained now" in finished.stderr
    assert GATE not in finished.stderr


@pytest.mark.parametrize(("claims", "option", "reason"), [
    ("", [], "tiny.yaml has neither `expect` nor `baseline`"), (CLAIMS, ["--smoke"], "--smoke judges nothing"),
    ("", ["--smoke"], "--smoke judges nothing"),
    ("", ["--dry-run"], "tiny.yaml has neither `expect` nor `baseline`"),
])  # fmt: skip
def test_a_gate_without_claims_is_exit_2_and_nothing_is_trained(
    claims: str, option: list[str], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(
        TINY.replace("baseline: {model.activation: relu}\n", "") + claims, encoding="utf-8"
    )
    finished = actbench("run", "tiny.yaml", "--gate", *option, folder=tmp_path)
    assert_one_message(finished, 2, f"--gate: nothing to judge, since {reason}")
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_report_has_the_claims_after_the_table(folder: Path, trained: tuple[Path, Finished]) -> None:
    printed = trained[1].stdout.split("\n\nclaims\n")[1]
    text = actbench("report", "results/tiny", folder=folder).stdout
    assert f"\n\nclaims\n{printed}\n" in text
    markdown = actbench("report", "results/tiny", "--format", "markdown", folder=folder).stdout
    assert [line for line in markdown.splitlines() if line.startswith("## ")][:3] == [
        "## test accuracy by arm",
        "## one run of each: the winner by seed",
        "## claims",
    ]
    assert f"| {HELD} | supported | test_accuracy of all trials | above 2.00 % | " in markdown
    assert f"| {REFUTED} | contradicted | test_accuracy of relu | below 2.00 % | " in markdown


def test_a_report_on_another_metric_judges_the_same_claims(folder: Path, trained: tuple[Path, Finished]) -> None:
    text = actbench("report", "results/tiny", "--metric", "test_loss", folder=folder).stdout
    assert text.startswith("Which activation and init give the lowest test loss")
    assert trained[1].stdout.split("\n\nclaims\n")[1] in text


def test_pandas_reads_the_claims_of_a_run_which_are_the_same_bytes_when_it_is_run_again(folder: Path) -> None:
    path = folder / "results" / "tiny" / "claims.csv"
    before = path.read_bytes()
    table = pandas.read_csv(path)
    assert list(table["claim"]) == [HELD, REFUTED]
    assert list(table["verdict"]) == ["supported", "contradicted"]
    trials = pandas.read_csv(path.with_name("trials.csv"))
    assert table["estimate"][0] == pytest.approx(trials["test_accuracy"].mean())
    path.unlink()
    assert actbench("run", "tiny.yaml", folder=folder).returncode == 0
    assert path.read_bytes() == before


def test_the_same_trials_trained_again_give_the_same_bytes(folder: Path) -> None:
    before = (folder / "results" / "tiny" / "claims.csv").read_bytes()
    finished = actbench("run", "tiny.yaml", "--jobs", "1", "--results", "again", folder=folder)
    assert "12 trained now" in finished.stderr
    assert (folder / "again" / "tiny" / "claims.csv").read_bytes() == before


def test_a_mistake_in_a_claim_is_exit_2_with_its_place(tmp_path: Path) -> None:
    claim = "expect:\n  - {claim: a, better: {model.activation: mish}, than: {model.activation: relu}}\n"
    (tmp_path / "bad.yaml").write_text(TINY + claim, encoding="utf-8")
    for verb in ("run", "validate"):
        place = "bad.yaml:10:25: expect[0].better.model.activation"
        sentence = "expected one of the varied values (relu, tanh), found 'mish' (text)"
        assert_one_message(actbench(verb, "bad.yaml", folder=tmp_path), 2, f"{place}: {sentence}")
