"""Lists in the docs are those of the program: JSON keys, pictures, limits and variables."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from actbench.catalogue.arrays import MAX_CLASSES
from actbench.config.plain_values import MAX_LOOKS, MAX_SEEDS, MAX_TUNING_SEEDS
from actbench.config.reader import MAX_ARMS, MAX_TRIALS
from actbench.errors import MAX_NAMED_FILE_BYTES
from actbench.experiment.definition import NAME_LENGTH
from actbench.experiment.settings import MAX_WIDTH
from actbench.plan.trials import MAX_SHARDS
from actbench.report.claims import CLAIM_COLUMNS
from actbench.report.gate import GITHUB_VARIABLE, SUMMARY_VARIABLE
from actbench.training.compiled import COMPILERS, OFF_VARIABLE
from in_process import invoke
from places import ROOT

COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
EXPERIMENT_FILE = (ROOT / "docs" / "experiment-file.md").read_text(encoding="utf-8")
FLAT = " ".join(COMMANDS.split())
GATED = ("compare", "results/mnist-settled", "--gate", "--gate-undecided", "pass", "--all-pairs", "--images")
D4 = "results/documents/d4-network"


def rows(page: str, header: str) -> list[list[str]]:
    """The cells of the table that begins with this header."""
    table = page.split(f"\n{header}\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def names(text: str) -> list[str]:
    return re.findall(r"`([a-z_]+)`", text)


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(invoke(*words, "--format", "json").stdout)
    return found


@pytest.fixture(scope="module")
def documents() -> Mapping[str, Mapping[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        compared, report = document(*GATED), document("report", D4)
        folders = sorted(str(path.parent) for path in (ROOT / "results" / "across").glob("*/trials.jsonl"))
        return {
            "`compare`": compared,
            "`compare`, in `arms`": compared["arms"][0],
            "`compare`, in `statements`": compared["statements"][0],
            "`compare`, in `gate`": compared["gate"],
            "`compare --across`": document("compare", "--across", *folders, "--all-pairs"),
            "`run`, `report`": report,
            "`status`": document("status", D4),
            "`verify`": document("verify", D4),
            "`doctor`": document("doctor"),
        }


def test_the_keys_that_the_page_names_are_those_of_the_documents(documents: Mapping[str, Mapping[str, Any]]) -> None:
    named = {name: set(names(re.sub(r"\(.*?\)", "", keys))) for name, keys in rows(COMMANDS, "| document | keys |")}
    assert named.pop("every one") == {"schema"}
    assert "`run`, `report`, in `claims` | the columns of `claims.csv` |" in COMMANDS
    assert not named.pop("`run`, `report`, in `claims`")
    assert {*documents["`run`, `report`"]["claims"][0]} == {*CLAIM_COLUMNS}
    assert {name: keys - {*documents[name]} for name, keys in named.items()} == {name: set() for name in documents}
    assert {name for name, one in documents.items() if " in " not in name and "schema" not in one} == set()
    (states,) = re.findall(r"`state` \((.*?)\)", COMMANDS)
    assert names(states) == ["running", "stopped", "finished"]


def test_the_pictures_that_the_page_names_are_those_that_are_drawn() -> None:
    calls = [
        node
        for path in (ROOT / "actbench" / "report").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "picture"
    ]
    drawn = {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}
    texts = re.findall(r"saves the pictures (.*?)\.|those of these pictures for which there are data: (.*?)\.", FLAT)
    assert {name for pair in texts for name in names("".join(pair))} == drawn


def test_the_limits_that_the_page_names_are_those_of_the_program() -> None:
    found = " ".join(cell for row in rows(EXPERIMENT_FILE, "| at most | |") for cell in row)
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", found)]
    assert numbers == [
        MAX_ARMS, MAX_TRIALS, MAX_SEEDS, MAX_LOOKS, MAX_TUNING_SEEDS, MAX_WIDTH, MAX_CLASSES, NAME_LENGTH,
        MAX_NAMED_FILE_BYTES, MAX_SHARDS,
    ]  # fmt: skip


def test_the_variables_that_the_page_names_are_those_that_the_program_reads() -> None:
    named = {name for row in rows(COMMANDS, "| variable | effect |") for name in re.findall(r"`([A-Z_]+)`", row[0])}
    assert named == {
        "ACTBENCH_DATA", OFF_VARIABLE, "CC", "COLUMNS", "NO_COLOR", GITHUB_VARIABLE, SUMMARY_VARIABLE,
    }  # fmt: skip
    assert f"else {', '.join(f'`{name}`' for name in COMPILERS[:-1])} or `{COMPILERS[-1]}`" in COMMANDS
