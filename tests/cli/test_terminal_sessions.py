"""A session at a terminal: a run that is interrupted, the same run continued, and once more when nothing is left."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from actbench.store.journal import read_journal

pytest.importorskip("pexpect", reason="terminals are made by a POSIX system")
from program import MADE_UP
from terminal import Terminal

EXPERIMENT = """
name: long
data: {dataset: cube}
vary: {model.hidden: [[8], [1000]], model.activation: [relu, tanh]}
seeds: 2
baseline: {model.activation: relu}
"""
COMMAND = ["run", "long.yaml", "--jobs", "1"]
ARMS = ("8, relu", "1000, tanh")
COUNTED = re.compile(r"\b(\d+)/8 trials")
Session = tuple[int, Terminal]


def some_are_done(text: str) -> bool:
    """Whether the progress counts a finished trial, and not all of them."""
    return any(0 < int(done) < 8 for done in COUNTED.findall(text))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    (folder / "long.yaml").write_text(EXPERIMENT, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def interrupted(folder: Path) -> Session:
    """80 columns: Ctrl-C as soon as a trial is finished."""
    terminal = Terminal([MADE_UP, "leisure"], COMMAND, folder, columns=80)
    terminal.wait_for(some_are_done)
    terminal.press_control_c()
    return terminal.wait_for_end(), terminal


@pytest.fixture(scope="module")
def kept(interrupted: Session, folder: Path) -> int:
    """How many trials the interrupted run has left."""
    journal = read_journal(folder / "results" / "long")
    assert journal.damaged_lines == 0
    return len(journal.records)


@pytest.fixture(scope="module")
def resumed(kept: int, folder: Path) -> Session:
    """40 columns: the same command again."""
    terminal = Terminal([MADE_UP, "leisure"], COMMAND, folder, columns=40)
    terminal.wait_for(lambda text: COUNTED.search(text))
    return terminal.wait_for_end(), terminal


def test_control_c_ends_a_run_with_the_command_that_continues_and_keeps_what_is_finished(
    interrupted: Session, kept: int
) -> None:
    exit_code, terminal = interrupted
    assert exit_code == 130, terminal.text()
    assert f"Continue with: {shlex.join(['actbench', *COMMAND])}" in terminal.text()
    assert "Traceback" not in terminal.text()
    assert 0 < kept < 8


def test_the_same_command_goes_on_where_the_run_was_and_ends_with_the_table(resumed: Session, kept: int) -> None:
    exit_code, terminal = resumed
    text = terminal.text()
    assert exit_code == 0, text
    assert f"8 trials, {8 - kept} trained now, 0 diverged, 0 collapsed, 0 failed" in text
    assert "Which hidden and activation" in " ".join(text.split())
    assert all(arm in text for arm in ARMS)
    assert "Next: actbench report results/long" in text


def test_once_more_trains_nothing_and_shows_the_same_means_at_twice_the_width(resumed: Session, folder: Path) -> None:
    terminal = Terminal([MADE_UP, "leisure"], COMMAND, folder, columns=80)
    assert terminal.wait_for_end() == 0
    text = terminal.text()
    assert "8 trials, 0 trained now" in text
    means = [
        re.findall(r"^ *(?:8|1000), \w+ +(\d\d\.\d\d)", row, re.ASCII) for row in (*resumed[1].rows(), *terminal.rows())
    ]
    found = [mean for (mean,) in filter(None, means)]
    assert len(found) == 8
    assert found[:4] == found[4:]


def test_nothing_of_the_progress_is_left_on_the_screen_and_the_cursor_is_back(
    interrupted: Session, resumed: Session
) -> None:
    assert "of all epochs" not in resumed[1].text()
    for _, terminal in (interrupted, resumed):
        assert not terminal.screen.cursor.hidden
        assert terminal.screen.cursor.x == 0
