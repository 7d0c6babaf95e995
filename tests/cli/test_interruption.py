"""Ctrl-C, SIGTERM and SIGHUP: what is finished is kept, nothing else is waited for, and a second one ends at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actbench.catalogue.datasets import Arrays
from actbench.cli.guard import SIGNAL_EXIT_CODES, Interrupted, interruptible
from actbench.experiment.records import TrialRecord
from actbench.plan.stacks import Stack
from actbench.runs.options import RunOptions
from actbench.runs.runner import run_experiment
from actbench.runs.verify import verify_folder
from actbench.store.journal import read_journal
from actbench.store.names import JOURNAL
from builders import TWO_ACTIVATIONS, experiment_from, fake_train
from in_process import invoke
from program import MADE_UP
from stopwatch import assert_within

LONG = """
name: long
data: {dataset: digits, train: 120, test: 60}
model: {hidden: [1500]}
train: {epochs: 2, batch_size: 32}
vary: {model.activation: [relu, tanh], model.init: [he_normal, xavier_normal]}
seeds: 40
"""
AGAIN = " trials kept. Continue with: actbench run long.yaml --jobs "
MAX_SECONDS = 30
MAX_PROCESSOR_SECONDS = 0.4


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNAL_EXIT_CODES}
    for number, handler in before.items():
        if handler == signal.SIG_IGN:  # as below `nohup` or a shell's `&`; programs started here would ignore it too
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def started(folder: Path, what: str, jobs: int) -> Iterator[subprocess.Popen[str]]:
    """The program, training without an end, alone in a process group as in a terminal."""
    (folder / "long.yaml").write_text(LONG, encoding="utf-8")
    command = [sys.executable, str(MADE_UP), what, "run", "long.yaml", "--jobs", str(jobs)]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def journal_lines(folder: Path, running: subprocess.Popen[str]) -> list[bytes]:
    """The lines of the journal, as soon as there are any."""
    journal = folder / "results" / "long" / JOURNAL
    while not journal.exists() or not journal.stat().st_size:
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    return journal.read_bytes().splitlines()


def processor_seconds(pid: int) -> float:
    """What a process itself, not its workers, has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def interrupt(running: subprocess.Popen[str], send: Callable[[int, int], None], sent: int) -> tuple[float, str, str]:
    """The processor seconds that the program itself took to end, what it printed and what it said."""
    before = processor_seconds(running.pid)
    send(running.pid, sent)
    deadline = time.monotonic() + MAX_SECONDS
    while not os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) and time.monotonic() < deadline:
        time.sleep(0.01)
    used = processor_seconds(running.pid) - before
    return used, *running.communicate(timeout=MAX_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("jobs", "send", "sent", "exit_code"),
    [
        (1, os.kill, signal.SIGINT, 130),
        (2, os.killpg, signal.SIGINT, 130),
        (2, os.kill, signal.SIGTERM, 143),
        (2, os.killpg, signal.SIGHUP, 129),
        pytest.param(2, os.kill, signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(1, os.killpg, signal.SIGTERM, 143, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_keeps_its_trials_waits_for_no_others_and_says_how_to_go_on(
    jobs: int, send: Callable[[int, int], None], sent: int, exit_code: int, tmp_path: Path
) -> None:
    """The rest would never end; and no table, which may take long, is written first."""
    with started(tmp_path, "stuck", jobs) as running:
        before = journal_lines(tmp_path, running)
        used, out, said = interrupt(running, send, sent)
    assert (running.returncode, out) == (exit_code, ""), said
    assert said.endswith(f"{AGAIN}{jobs}\n")
    assert said.count("Interrupted") == 1
    assert_within(used, MAX_PROCESSOR_SECONDS)
    folder = tmp_path / "results" / "long"
    assert journal_lines(tmp_path, running) == before
    assert len(before) == len(read_journal(folder).records) > 0
    assert not list(folder.glob("*.csv"))
    assert not [finding for finding in verify_folder(folder) if finding.state == "damaged"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_real_training_is_interrupted_within_a_step(tmp_path: Path) -> None:
    with started(tmp_path, "real", 1) as running:
        before = journal_lines(tmp_path, running)
        used, _, said = interrupt(running, os.kill, signal.SIGINT)
    assert (running.returncode, AGAIN in said, "Traceback" in said) == (130, True, False), said
    assert_within(used, MAX_PROCESSOR_SECONDS)
    after = journal_lines(tmp_path, running)
    assert after[: len(before)] == before
    assert len(after) < 160
    assert read_journal(tmp_path / "results" / "long").damaged_lines == 0


def test_a_second_signal_ends_at_once_even_what_takes_no_notice_of_the_first(tmp_path: Path) -> None:
    with started(tmp_path, "tables", 1) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "writing\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "not yet\n"
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=MAX_SECONDS)[1]
    assert running.returncode == 130, said
    assert said.endswith(f"{AGAIN}1\n")
    assert "Traceback" not in said


def run(root: Path, train: Any, **options: Any) -> None:
    experiment = experiment_from(TWO_ACTIVATIONS.replace("hidden: [4]", "hidden: [9000]"), root)
    run_experiment(
        experiment, RunOptions(root / "results", root, "cpu", jobs=1), lambda state: None, print, train, **options
    )


def test_a_stack_that_is_just_being_stored_is_stored_before_the_run_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, folder = os.write, tmp_path / "results" / "made-up"

    def write_a_part_and_be_interrupted(descriptor: int, payload: bytes) -> int:
        if (folder / JOURNAL).exists() and signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:
            signal.raise_signal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return real(descriptor, payload[: len(payload) // 2 + 1])

    monkeypatch.setattr(os, "write", write_a_part_and_be_interrupted)
    with pytest.raises(Interrupted) as stopped, interruptible("bye") as interruption:
        run(tmp_path, fake_train, uninterrupted=interruption.held)
    assert (stopped.value.exit_code, str(stopped.value)) == (143, "bye")
    found = read_journal(folder)
    assert (len(found.records) > 1, len(found.records) < 6, found.damaged_lines) == (True, True, 0)


def test_a_signal_that_python_has_swallowed_stops_the_run_at_the_next_sign_of_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupting:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def train(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
        Interrupting()
        return fake_train(stack, arrays, device, on_epoch)

    swallowed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", swallowed.append)
    experiment = experiment_from(TWO_ACTIVATIONS, tmp_path)
    options = RunOptions(tmp_path / "results", tmp_path, "cpu", jobs=1)
    with pytest.raises(Interrupted), interruptible("bye") as interruption:
        run_experiment(experiment, options, lambda state: interruption.check(), print, train)
    assert len(swallowed) == 1
    assert read_journal(tmp_path / "results" / "made-up").records == {}


def test_a_command_that_trains_nothing_is_interrupted_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actbench.render.printing.print_answer", interrupted)
    answer = invoke("list")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (130, "", "Interrupted.\n")


SIGNALLED = """
import signal, sys
number, module = int(sys.argv[1]), sys.argv[2]

class Signals:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == module:
            signal.raise_signal(number)

signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
sys.meta_path.insert(0, Signals)
from actbench.__main__ import main
sys.argv[1:] = ["list"]
main()
"""


@pytest.mark.parametrize("module", ["actbench.cli.app", "actbench.cli.runs", "actbench.report.listing"])
@pytest.mark.parametrize(("number", "exit_code"), SIGNAL_EXIT_CODES.items())
def test_a_signal_while_the_program_is_imported_is_one_line(number: int, exit_code: int, module: str) -> None:
    command = [sys.executable, "-c", SIGNALLED, str(int(number)), module]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (exit_code, "", "Interrupted.\n")


def test_a_run_that_is_interrupted_before_it_trains_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("actbench.cli.runs._load", interrupted)
    monkeypatch.setattr(sys, "argv", ["actbench", "run", "quickstart", "--fresh"])
    answer = invoke("run", "quickstart")
    assert (answer.exit_code, answer.stdout) == (130, "")
    assert answer.stderr == "Interrupted; every finished trial is kept. Continue with: actbench run quickstart\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible("bye"):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_handlers_are_as_before_where_nothing_was_interrupted() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible("bye") as interruption, interruption.held():
        assert signal.getsignal(signal.SIGTERM) == interruption.handle
    assert signal.getsignal(signal.SIGTERM) == before
