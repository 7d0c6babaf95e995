"""Help that teaches: the first screen, the examples of every verb, which run, and the exit codes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actbench import errors
from actbench.cli.app import FETCH, FIRST_STEPS, PURPOSE, VERBS, program
from custom_files import custom_file
from places import ROOT
from program import Finished, actbench

COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
CALLS = [*(verb.name for verb in VERBS), FETCH.name]
SLOW_CALLS = ("challenge", "check", "doctor", "show")  # README.md and the golden screens run their like
COMMAND = f'actbench() {{ "{sys.executable}" -m actbench "$@"; }}\n'


def typed(command: str, folder: Path) -> Finished:
    """A command line as somebody types it into a shell, with the tests' own data."""
    if ">" not in command:
        return actbench(*shlex.split(command)[1:], folder=folder, has_data=True)
    return subprocess.run(
        ["bash", "-c", COMMAND + command], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the two first commands have been typed as they stand on the first screen."""
    folder = tmp_path_factory.mktemp("started")
    custom_file(folder)
    for command in examples(actbench(folder=folder).stdout):
        finished = typed(command, folder)
        assert finished.returncode == 0, finished.stderr
    if "ACTBENCH_DATA" in os.environ:
        (folder / "datasets").symlink_to(os.environ["ACTBENCH_DATA"])
    return folder


def examples(text: str) -> list[str]:
    """The commands in a text, each on a line of its own; on the first screen words stand behind them."""
    return [
        re.split(r" {2,}", line.strip())[0]
        for line in text.splitlines()
        if line.startswith(("  actbench ", "    actbench "))
    ]


def test_without_a_verb_there_is_the_purpose_two_commands_that_run_and_the_verbs_in_the_order_of_work(
    started: Path,
) -> None:
    finished = actbench(folder=started)
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert " ".join(finished.stdout.split("\n\n")[0].split("\n")) == PURPOSE
    assert examples(finished.stdout) == [command for command, _ in FIRST_STEPS]
    listed = [line.split()[0] for line in lines if re.match(r"  \w+ +[A-Z]", line)]
    assert listed == [verb.name for verb in VERBS] == list(program().commands)
    order = ["init", "validate", "plan", "run", "compare", "report"]
    assert sorted(order, key=listed.index) == order
    assert (started / "results" / "starter" / "table.csv").is_file()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=pytest.mark.slow if call in SLOW_CALLS else ()) for call in CALLS]
)
def test_help_opens_with_examples_and_each_of_them_runs(call: str, started: Path) -> None:
    helped = actbench(*call.split(), "--help", folder=started)
    opening = re.split(r"^(?:Arguments|Options):", helped.stdout, flags=re.MULTILINE)[0]
    found = examples(opening)
    assert len(found) >= 2
    assert all(f"{example} ".startswith(f"actbench {call} ") for example in found if call != "data")
    for example in found:
        if "fetch mnist" in example and "ACTBENCH_DATA" not in os.environ:
            continue
        if call in SLOW_CALLS and "ACTBENCH_DATA" in os.environ and example in COMMANDS.splitlines():
            continue  # the slow test of docs/commands.md runs it
        finished = typed(example, started)
        assert finished.returncode == 0, (example, finished.stderr)
        assert finished.stdout or ">" in example, example


@pytest.mark.parametrize("call", ["", *CALLS])
def test_the_short_help_option_is_the_long_one_and_no_line_is_broken_in_an_example(call: str, tmp_path: Path) -> None:
    short, long = (actbench(*call.split(), option, folder=tmp_path) for option in ("-h", "--help"))
    assert (short.returncode, short.stderr) == (0, "")
    assert short.stdout == long.stdout
    assert "..." not in short.stdout.partition("\n")[2]
    assert "\x1b" not in short.stdout
    written = {example for verb in (*VERBS, FETCH) for example in verb.examples}
    assert set(examples(short.stdout)) <= written | {command for command, _ in FIRST_STEPS}


def test_the_exit_codes_stand_in_one_table_in_the_help_and_in_the_docs(tmp_path: Path) -> None:
    known = {value for name, value in vars(errors).items() if name.startswith("EXIT_")} | {0}
    table = actbench("--help", folder=tmp_path).stdout.split("Exit codes:\n")[1]
    rows = [re.match(r" +((?:\d+, )*\d+) +\w", line) for line in table.splitlines()]
    assert all(rows)
    assert {int(code) for row in rows if row for code in row[1].split(", ")} == known
    documented = re.findall(r"^\| ((?:\d+, )*\d+) \| ", COMMANDS.split("| exit code | meaning |")[1], re.MULTILINE)
    assert {int(code) for row in documented for code in row.split(", ")} == known
