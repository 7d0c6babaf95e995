"""Whatever the output goes to, nothing crashes and no number is lost: pipes, code pages, terminals, closed streams."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from actbench.store.journal import read_journal
from planted import RELU, UNTUNED, planted
from program import MADE_UP, TINY, actbench_in_turn

pty = pytest.importorskip("pty", reason="terminals are made by a POSIX system")

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
EXPERIMENT = UNTUNED.replace("planted", "f").replace("[relu, tanh]", "[relu, tanh], model.init: [kaiming_normal]")
ARMS = ("activation=relu, init=kaiming_normal", "activation=tanh, init=kaiming_normal")
CLAIMS = "expect:\n  - {claim: 'Größe ≥ 漢字 → ½', arm: {model.activation: relu}, above: 0.9}\n"
LINES = (
    *(["compare", "results/f", "--format", name] for name in ("table", "markdown", "csv", "json", "latex")),
    *(["report", "results/f", "--format", name] for name in ("table", "markdown", "latex")),
    ["validate", "f.yaml"], ["summary", "f.yaml"], ["plan", "f.yaml"], ["run", "f.yaml", "--dry-run"],
    ["list"], ["data"], ["--help"], ["run", "--help"],
)  # fmt: skip
ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
PROGRAM = [sys.executable, "-m", "actbench"]
UNTRAINED = [sys.executable, str(MADE_UP), "at once"]
UTF_8 = {"PYTHONIOENCODING": "utf-8"}
IN_EVERY_ENCODING = [
    pytest.param(environment, id=name, marks=() if name in ("ascii", "cp437") else pytest.mark.slow)
    for name, environment in ENCODINGS.items()
]
ABOUT_TERMINALS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "ACTBENCH_DATA", *ENCODINGS["the C locale"])


def variables(changes: Mapping[str, str]) -> dict[str, str]:
    """The tests' own environment, without what says anything about terminals."""
    kept = {name: value for name, value in os.environ.items() if name not in ABOUT_TERMINALS}
    return kept | {"OMP_NUM_THREADS": "1"} | dict(changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an experiment that has a claim beyond ASCII, and with its results."""
    folder = tmp_path_factory.mktemp("terminals")
    counts = dict(zip(ARMS, (RELU, [count + 21 for count in RELU]), strict=True))
    planted(folder / "results" / "f", counts, EXPERIMENT + CLAIMS)
    (folder / "f.yaml").write_text(EXPERIMENT + CLAIMS, encoding="utf-8")
    return folder


def printed(folder: Path, environment: Mapping[str, str], lines: Sequence[Sequence[str]] = LINES) -> list[str]:
    """What each of the lines prints into a pipe, in one process."""
    answers = actbench_in_turn(lines, folder, variables(environment))
    assert {answer.returncode for answer in answers} == {0}
    return [answer.stdout for answer in answers]


@pytest.fixture(scope="module")
def as_utf_8(folder: Path) -> list[str]:
    return printed(folder, UTF_8)


@pytest.mark.slow
@pytest.mark.parametrize("environment", IN_EVERY_ENCODING)
def test_an_encoding_that_lacks_signs_costs_no_number_and_machines_read_the_same(
    environment: dict[str, str], folder: Path, as_utf_8: list[str]
) -> None:
    for line, text, whole in zip(LINES, printed(folder, environment), as_utf_8, strict=True):
        escaped = re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", "?", text)
        assert NUMBER.findall(escaped) == NUMBER.findall(whole), line
        if "json" in line:
            assert json.loads(text) == json.loads(whole)
        if "csv" in line:
            assert list(csv.DictReader(text.splitlines())) == list(csv.DictReader(whole.splitlines()))


@pytest.mark.parametrize("environment", [
    {"COLUMNS": "5000", "LINES": "1", "TERM": "xterm-256color"},
    pytest.param({"COLUMNS": "0", "LINES": "20", "NO_COLOR": "1", "TERM": "dumb"}, marks=pytest.mark.slow),
    pytest.param({"COLUMNS": "x", "TERM": ""}, marks=pytest.mark.slow),
], ids=str)  # fmt: skip
def test_a_pipe_gets_the_same_bytes_whatever_is_said_about_terminals(
    environment: dict[str, str], folder: Path, as_utf_8: list[str]
) -> None:
    found = printed(folder, UTF_8 | environment)
    for line, text, whole in zip(LINES, found, as_utf_8, strict=True):
        if "--help" not in line:  # typer's own, which breaks its lines
            assert text == whole, line
            assert not re.search("[\x1b\r…]", text), line


def in_a_terminal(
    line: Sequence[str], folder: Path, columns: int, environment: Mapping[str, str], program: Sequence[str] = PROGRAM
) -> tuple[int, str]:
    """The exit code of a command line that has a terminal of so many columns to itself, and what stands in it."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    running = subprocess.Popen(
        [*program, *line], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env=variables({"TERM": "xterm-256color", **environment}),
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how Linux says that nobody has the other end any more
        pass
    os.close(ours)
    return running.wait(timeout=60), shown.decode(errors="replace").replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [20, pytest.param(60, marks=pytest.mark.slow), 200])
def test_in_a_terminal_no_number_and_no_name_is_cut_and_each_column_is_shown(columns: int, folder: Path) -> None:
    exit_code, text = in_a_terminal(["compare", "results/f"], folder, columns, UTF_8)
    assert exit_code == 0
    shown = COLOUR.sub("", text)
    assert "…" not in shown
    assert {"97.86", "98.07"} <= set(NUMBER.findall(shown))
    assert {"relu", "tanh"} <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= columns
    words = " ".join(shown.split())
    parts = ("won: 10 of 10", "mean: 97.86", "mean: 98.07", "verdict: not judged", "difference: +0.21")
    assert columns > 20 or all(part in words for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_no_colour_is_written_where_none_is_wanted(environment: dict[str, str], folder: Path) -> None:
    for line in (["report", "results/f"], ["list", "loss"]):
        exit_code, text = in_a_terminal(line, folder, 100, UTF_8 | environment)
        assert exit_code == 0
        assert not re.search(r"\x1b\[[0-9;]*(3|4|9|10)[0-9](;[0-9;]*)?m", text)
        assert environment.get("TERM") != "dumb" or "\x1b" not in text


@pytest.mark.parametrize(
    "environment", [ENCODINGS["ascii"] | {"TERM": "dumb"}, pytest.param(UTF_8, marks=pytest.mark.slow)], ids=str
)
def test_a_run_in_any_terminal_ends_with_its_table(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 2"), encoding="utf-8")
    exit_code, text = in_a_terminal(["run", "tiny.yaml", "--jobs", "1"], tmp_path, 30, environment, UNTRAINED)
    assert exit_code == 0, text
    assert "Which activation" in text
    assert "8 trained now" in " ".join(text.split())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("closed", "program", "jobs"),
    [("<&- >&- 2>&-", PROGRAM, 2)]
    + [pytest.param(closed, UNTRAINED, 1, marks=pytest.mark.slow) for closed in ("<&-", ">&-", "2>&-")],
)
def test_a_run_without_some_of_its_streams_keeps_every_trial(
    closed: str, program: Sequence[str], jobs: int, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    command = f"{shlex.join(program)} run tiny.yaml --jobs {jobs} {closed}"
    finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr
    folder = tmp_path / "results" / "tiny"
    journal = read_journal(folder)
    assert (len(journal.records), journal.damaged_lines) == (4, 0)
    assert len(list(csv.DictReader((folder / "table.csv").read_text(encoding="utf-8").splitlines()))) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_run_under_nohup_survives_its_terminal(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    command = f"nohup {shlex.join(UNTRAINED)} run tiny.yaml --jobs 1 > log 2>&1 & wait"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, stdin=subprocess.DEVNULL, check=True)
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Which activation" in log
    assert "4 trained now" in log
    assert not re.search("[\x1b\r]", log)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_run_whose_reader_leaves_keeps_its_results(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("seeds: 3", "seeds: 1"), encoding="utf-8")
    command = f"{shlex.join(UNTRAINED)} run tiny.yaml --jobs 1 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert len(read_journal(tmp_path / "results" / "tiny").records) == 4


@pytest.mark.parametrize("environment", IN_EVERY_ENCODING)
def test_messages_for_people_survive_every_encoding(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "größe.yaml").write_text("name: größe\nmodel: {activation: 漢字}\n", encoding="utf-8")
    command = [sys.executable, "-m", "actbench", "validate", "größe.yaml"]
    finished = subprocess.run(command, cwd=tmp_path, env=variables(environment), capture_output=True, check=False)
    assert finished.returncode == 2
    assert b"Traceback" not in finished.stderr
    assert b":1:1: name: expected a name of letters" in finished.stderr
    assert b":2:9: model.activation: no activation is called" in finished.stderr


def test_curves_are_drawn_in_ascii_too(folder: Path) -> None:
    for text in printed(folder, ENCODINGS["ascii"], [["show", "relu", "softmax"], ["show", "gelu"]]):
        assert "function on -8 ... 8: *" in text
