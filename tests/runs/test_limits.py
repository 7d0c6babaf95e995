"""`--max-time` and `--timeout-per-trial`: what is finished is kept, the rest is told, and the exit code says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.errors import EXIT_TRIALS_FAILED, ConfigurationError
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, batched_tuple
from actbench.runs.executors.local import (
    Event,
    Limits,
    StackDone,
    StackRetried,
    TrialFailed,
    Workers,
    run_in_process,
)
from actbench.runs.log import read_log
from actbench.runs.options import RunOptions, parse_duration
from actbench.runs.runner import run_experiment
from actbench.store.journal import read_journal
from actbench.store.names import JOURNAL
from builders import TWO_ACTIVATIONS, experiment_from, fake_train
from in_process import invoke
from program import TINY, actbench

OnEpoch = Callable[[float], None]
SECONDS = 2.0


def slow(stack: Stack, arrays: Arrays, device: str, on_epoch: OnEpoch) -> list[TrialRecord]:
    """Never ends where seed 1 of relu is among the trials, but goes on to tell of its epochs."""
    while any(trial.seed == 1 and trial.settings.model.activation.name == "relu" for trial in stack):
        on_epoch(0)
        time.sleep(0.05)
    return fake_train(stack, arrays, device, on_epoch)


@pytest.fixture
def stacks(tmp_path: Path) -> list[Stack]:
    return batched_tuple(list(make_plan(experiment_from(TWO_ACTIVATIONS, tmp_path)).trials().values()), 3)


@pytest.fixture(scope="module")
def digits() -> Arrays:
    return load(DATASETS["digits"], Path())


@pytest.mark.parametrize(("text", "seconds"), [
    ("90s", 90), ("90", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("1h5s", 3605),
    ("0.5s", 0.5),
])  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration("--max-time", text) == seconds
    assert parse_duration("--max-time", None) is None


@pytest.mark.parametrize("text", ["", "0", "-5s", "h", "10 m", "5d", "1m1h", "1e3", "nan", "1..5s", "9" * 30, "٣s"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a duration such as 90s, 10m, 2h or 1h30m"):
        parse_duration("--max-time", text)


def test_when_the_time_is_over_no_stack_begins(stacks: list[Stack], digits: Arrays) -> None:
    events: list[Event] = []

    def is_over() -> bool:
        return any(isinstance(event, StackDone) for event in events)

    run_in_process(stacks, digits, events.append, fake_train, "cpu", Limits(is_over))
    assert [event.stack for event in events if isinstance(event, StackDone)] == stacks[:1]


def test_workers_finish_what_they_are_at_when_the_time_is_over(stacks: list[Stack], digits: Arrays) -> None:
    events: list[Event] = []
    alone = [(trial,) for stack in stacks for trial in stack]

    def is_over() -> bool:
        return any(isinstance(event, StackDone) for event in events)

    with Workers(fake_train, "cpu", 2, limits=Limits(is_over)) as workers:
        workers.run(alone, digits, events.append)
    assert 1 <= sum(isinstance(event, StackDone) for event in events) <= 2


@pytest.mark.slow
def test_a_trial_that_takes_too_long_fails_alone_and_its_stack_mates_are_trained(
    stacks: list[Stack], digits: Arrays
) -> None:
    events: list[Event] = []
    with Workers(slow, "cpu", 2, limits=Limits(trial_seconds=SECONDS)) as workers:
        workers.run(stacks, digits, events.append)
    (failed,) = [event for event in events if isinstance(event, TrialFailed)]
    assert (failed.stack[0].seed, failed.stack[0].settings.model.activation.name) == (1, "relu")
    assert failed.cause == "took longer than 2 s for each trial"
    (retried,) = [event for event in events if isinstance(event, StackRetried)]
    assert (len(retried.stack), retried.cause) == (3, failed.cause)
    assert sum(len(event.records) for event in events if isinstance(event, StackDone)) == 5


@pytest.mark.slow
def test_one_worker_is_a_process_too_where_a_trials_time_is_limited(tmp_path: Path) -> None:
    experiment = experiment_from(TWO_ACTIVATIONS, tmp_path)
    options = RunOptions(tmp_path / "results", tmp_path, device="cpu", jobs=1, trial_seconds=0.5)
    result = run_experiment(experiment, options, lambda state: None, lambda line: None, slow)
    assert (result.endings["failed"], result.left) == (1, 0)
    records = read_journal(result.folder).records.values()
    assert [record.cause for record in records if record.outcome == "failed"] == [
        "took longer than 0.5 s for each trial"
    ]
    assert sum(record.outcome == "done" for record in records) == 5


def test_a_run_whose_time_is_over_keeps_what_is_finished_and_goes_on_with_the_same_command(tmp_path: Path) -> None:
    wide = experiment_from(TWO_ACTIVATIONS.replace("hidden: [4]", "hidden: [9000]"), tmp_path)
    options = RunOptions(tmp_path / "results", tmp_path, device="cpu", jobs=1, max_seconds=1e-9)

    def first_ends(seconds: float | None) -> Callable[[], bool]:
        return lambda: (options.results / "made-up" / JOURNAL).exists()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actbench.runs.runner._alarm", first_ends)
        stopped = run_experiment(wide, options, lambda state: None, lambda line: None, fake_train)
    assert 0 < stopped.trained < 6
    assert (stopped.total, stopped.left) == (6, 6 - stopped.trained)
    assert read_log(stopped.folder)[-1].text.startswith("run stopped, out of time, after")
    options = RunOptions(tmp_path / "results", tmp_path, device="cpu", jobs=1)
    done = run_experiment(wide, options, lambda state: None, lambda line: None, fake_train)
    assert (done.trained, done.left) == (6 - stopped.trained, 0)


def test_time_that_is_over_at_once_is_exit_3_with_the_command_that_continues(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    command = ["run", "tiny.yaml", "--jobs", "1", "--max-time", "0.001s"]
    finished = actbench(*command, folder=tmp_path)
    assert finished.returncode == EXIT_TRIALS_FAILED, finished.stderr
    assert "--max-time: 12 trials left. Continue with: actbench run tiny.yaml --jobs 1" in finished.stderr
    assert finished.stdout.endswith("? No final trial has a result yet.\n")
    assert finished.stdout.count("\n") == 1
    assert (tmp_path / "results" / "tiny" / "table.csv").is_file()


@pytest.mark.parametrize("option", ["--max-time", "--timeout-per-trial"])
def test_a_bad_duration_is_exit_2_and_nothing_is_started(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    answer = invoke("run", "tiny.yaml", option, "soon")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert f"{option} soon: expected a duration" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]
