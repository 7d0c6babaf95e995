"""Where stacks train: the same numbers from any number of workers, and a lost worker costs only its own trial."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.plan.stacks import Stack, make_stacks
from actbench.runs.executors.local import Event, StackDone, Task, TrialFailed, Work, Workers, run_in_process
from actbench.runs.executors.worker import train_with_torch
from builders import experiment_from, fake_train, without_times

POISON_SEED = 1
EXPERIMENT = """
data: {dataset: digits, train: 300, test: 60}
model: {hidden: [24, 11]}
train: {epochs: 2, batch_size: 37}
vary: {model.activation: [relu, mish, gelu, tanh]}
seeds: 3
"""


def die_on_poison(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    if any(trial.seed == POISON_SEED for trial in stack):
        os._exit(7)
    return fake_train(stack, arrays, device, on_epoch)


def raise_on_poison(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    if any(trial.seed == POISON_SEED for trial in stack):
        raise ValueError("poison")
    return fake_train(stack, arrays, device, on_epoch)


def name_gpu(stack: Stack, arrays: Arrays, device: str, on_epoch: Callable[[int], None]) -> list[TrialRecord]:
    if stack[0].seed == POISON_SEED and len(stack) > 1:
        os._exit(7)
    return [
        record.model_copy(update={"device": os.environ["CUDA_VISIBLE_DEVICES"]})
        for record in fake_train(stack, arrays, device, on_epoch)
    ]


@pytest.fixture(scope="module")
def digits() -> Arrays:
    return load(DATASETS["digits"], Path())


def stacks_for(workers: int, folder: Path) -> tuple[Stack, ...]:
    return make_stacks(make_plan(experiment_from(EXPERIMENT, folder)).trials().values(), workers=workers)


@pytest.fixture
def stacks(tmp_path: Path) -> tuple[Stack, ...]:
    return stacks_for(2, tmp_path)


def records_of(events: list[Event]) -> list[TrialRecord]:
    return [record for event in events if isinstance(event, StackDone) for record in event.records]


def test_any_number_of_workers_and_any_stacking_gives_the_same_bits(tmp_path: Path, digits: Arrays) -> None:
    outcomes = []
    for workers in (1, 3):
        events: list[Event] = []
        stacks = stacks_for(workers, tmp_path)
        if workers == 1:
            run_in_process(stacks, digits, events.append, train_with_torch, "cpu")
        else:
            with Workers(train_with_torch, "cpu", workers) as pool:
                pool.run(stacks, digits, events.append)
        outcomes.append(without_times(records_of(events)))
    assert len(outcomes[0]) == 12
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("train", [die_on_poison, raise_on_poison])
def test_a_trial_that_kills_or_fails_its_worker_costs_only_itself(
    train: Callable[..., list[TrialRecord]], stacks: tuple[Stack, ...], digits: Arrays
) -> None:
    events: list[Event] = []
    with Workers(train, "cpu", 2) as pool:
        pool.run(stacks, digits, events.append)
    failed = [event for event in events if isinstance(event, TrialFailed)]
    assert [event.stack[0].seed for event in failed] == [POISON_SEED] * 4
    assert all("poison" in event.cause or "code 7" in event.cause for event in failed)
    assert {record.seed for record in records_of(events)} == {0, 2}
    assert len(records_of(events)) == 8


def test_records_of_other_trials_and_what_is_no_message_are_not_expected_of_a_worker(
    stacks: tuple[Stack, ...], digits: Arrays
) -> None:
    ours, others = (fake_train(stack, digits, "cpu", lambda epoch: None) for stack in stacks[:2])
    work = Work(Task(stacks[0]))
    assert list(map(work.expects, [None, ours, 1, ""])) == [True, False, False, False]
    work.started = 0.0
    assert list(map(work.expects, [ours, 1, 0.5, "a cause"])) == [True] * 4
    assert list(map(work.expects, [None, others, ours[:0], {}])) == [False] * 4


def test_an_interrupted_run_leaves_no_worker_behind(stacks: tuple[Stack, ...], digits: Arrays) -> None:
    import multiprocessing

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Workers(fake_train, "cpu", 2) as pool:
        pool.run(stacks, digits, interrupt)
    assert multiprocessing.active_children() == []


def test_each_worker_has_a_gpu_alone_and_the_worker_that_replaces_it_has_the_same(
    tmp_path: Path, digits: Arrays
) -> None:
    seen: list[Event] = []
    stacks = stacks_for(2, tmp_path)
    with Workers(name_gpu, "cpu", 2, gpus=("3", "GPU-5")) as pool:
        pool.run(stacks, digits, seen.append)
        assert sorted(worker.gpu for worker in pool.processes) == ["3", "GPU-5"]
    devices = {record.device for event in seen if isinstance(event, StackDone) for record in event.records}
    assert devices
    assert devices <= {"3", "GPU-5"}
