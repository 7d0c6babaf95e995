"""A worker that is killed, crashes or hangs costs its own stack a second try; a poisonous trial fails alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, batched_tuple
from actbench.runs.executors.local import Event, Limits, StackDone, TrialFailed, Workers, run_in_process
from builders import TWO_ACTIVATIONS, experiment_from, fake_train, without_times
from lost_workers import is_running, lost_once, poisoned
from places import SUPPORT


@pytest.fixture
def markers(tmp_path: Path) -> Path:
    (tmp_path / "markers").mkdir()
    return tmp_path / "markers"


@pytest.fixture
def stacks(tmp_path: Path) -> list[Stack]:
    trials = list(make_plan(experiment_from(TWO_ACTIVATIONS, tmp_path)).trials().values())
    return batched_tuple(trials, 2)


@pytest.fixture(scope="module")
def digits() -> Arrays:
    return load(DATASETS["digits"], Path())


def records_of(events: list[Event]) -> list[TrialRecord]:
    return [record for event in events if isinstance(event, StackDone) for record in event.records]


def run(
    train: Callable[..., list[TrialRecord]], stacks: list[Stack], arrays: Arrays, silence_seconds: float = 60.0
) -> list[Event]:
    events: list[Event] = []
    with Workers(train, "cpu", 2, limits=Limits(silence_seconds=silence_seconds)) as workers:
        workers.run(stacks, arrays, events.append)
    return events


@pytest.mark.parametrize(
    "how", ["killed", "segfault", "out of memory", "exception", pytest.param("hang", marks=pytest.mark.slow)]
)
def test_a_worker_lost_once_costs_no_trial(how: str, stacks: list[Stack], digits: Arrays, markers: Path) -> None:
    events = run(partial(lost_once, how, markers), stacks, digits, silence_seconds=6.0 if how == "hang" else 60.0)
    assert not [event for event in events if isinstance(event, TrialFailed)]
    undisturbed: list[Event] = []
    run_in_process(stacks, digits, undisturbed.append, fake_train, "cpu")
    assert without_times(records_of(events)) == without_times(records_of(undisturbed))


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("killed", "worker process ended with code -9"),
        ("segfault", "worker process ended with code -11"),
        ("exception", "ValueError: poison"),
        ("exit", "SystemExit: 0"),
    ],
)
def test_a_poisonous_trial_fails_alone_after_its_stack_has_been_tried_twice(
    how: str, cause: str, stacks: list[Stack], digits: Arrays, markers: Path
) -> None:
    events = run(partial(poisoned, how, markers), stacks, digits)
    (failed,) = [event for event in events if isinstance(event, TrialFailed)]
    assert (failed.stack[0].seed, failed.stack[0].settings.model.activation.name) == (1, "relu")
    assert failed.cause == cause
    assert len(records_of(events)) == 5
    tries = sorted(path.name.split("-")[0] for path in markers.iterdir())
    assert tries == ["1", "2", "2"]


@pytest.mark.slow
def test_a_worker_that_says_nothing_is_taken_to_hang(stacks: list[Stack], digits: Arrays, markers: Path) -> None:
    events: list[Event] = []
    poison = next(trial for stack in stacks for trial in stack if trial.seed == 1)
    with Workers(partial(poisoned, "hang", markers), "cpu", 1, limits=Limits(silence_seconds=2.0)) as workers:
        workers.run([(poison,)], digits, events.append)
    *_, failed = events
    assert isinstance(failed, TrialFailed)
    assert failed.cause == "worker unresponsive for 2 s"


@pytest.mark.parametrize(("how", "cause"), [("exception", "ValueError: poison"), ("exit", "SystemExit: 0")])
def test_a_stack_that_fails_in_this_process_is_tried_again_too(
    how: str, cause: str, stacks: list[Stack], digits: Arrays, markers: Path
) -> None:
    events: list[Event] = []
    run_in_process(stacks, digits, events.append, partial(poisoned, how, markers), "cpu")
    assert [event.cause for event in events if isinstance(event, TrialFailed)] == [cause]
    assert len(records_of(events)) == 5
    assert len(list(markers.iterdir())) == 3


PARENT = """
import sys, os, threading, time
sys.path[:0] = {path!r}
from actbench.runs.executors.local import Workers
from lost_workers import busy_forever
if __name__ == "__main__":
    with Workers(busy_forever, "cpu", 2) as workers:
        def show(event):
            print(*[worker.process.pid for worker in workers.processes], flush=True)
        workers.run([(1,), (2,)], object(), show)
"""


def test_no_worker_outlives_a_killed_parent_by_two_seconds(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT.format(path=[str(SUPPORT)]), encoding="utf-8")
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        heard = [parent.stdout.readline() for _ in range(2)]
        workers = [int(pid) for pid in heard[0].split()]
        assert len(workers) == 2
        assert heard[0] == heard[1]
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 30  # for a busy machine; the loop ends as soon as they have
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            pass
        assert not any(map(is_running, workers))
