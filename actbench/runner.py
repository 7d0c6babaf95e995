"""The one loop with side effects: plan, train what is missing, store it, and derive the tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from actbench import executors, store
from actbench.catalogue.datasets import Arrays, Dataset, fetch, is_present, load
from actbench.environment import DeviceOption, available_cores, describe_environment, resolve_device
from actbench.executors import EpochsDone, Event, StackDone, TrainStack, TrialFailed
from actbench.experiment import Experiment, experiment_to_yaml
from actbench.plan import CPU_CACHE_BYTES, GPU_CACHE_BYTES, Plan, Stack, finished, make_plan
from actbench.records import RunState, TrialRecord
from actbench.report.tables import write_tables


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about a run, apart from the experiment."""

    results: Path
    data_folder: Path
    device: DeviceOption = "auto"
    jobs: int | None = None
    fresh: bool = False


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, and how many trials there are, were trained now, diverged and failed."""

    folder: Path
    total: int
    trained: int
    diverged: int
    failed: int


@dataclass
class _Progress:
    """The counters of a run, and where each finished stack is stored."""

    folder: Path
    environment: str
    device: str
    state: RunState
    started: float
    show: Callable[[RunState], None]
    epochs: int = 0
    epochs_by_trial: dict[str, int] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        if isinstance(event, EpochsDone):
            self._count_epochs(event.stack, event.epochs)
        else:
            records = event.records if isinstance(event, StackDone) else (self._failure(event),)
            store.append(
                self.folder, [record.model_copy(update={"environment": self.environment}) for record in records]
            )
            self._count(event.stack, records)
        self._refresh()

    def _count_epochs(self, stack: Stack, epochs: int) -> None:
        for trial in stack:
            self.epochs += epochs - self.epochs_by_trial.get(trial.id, 0)
            self.epochs_by_trial[trial.id] = epochs

    def _failure(self, event: TrialFailed) -> TrialRecord:
        trial = event.stack[0]
        data = trial.settings.data
        return TrialRecord(
            trial=trial.id,
            phase=trial.phase,
            seed=trial.seed,
            settings=trial.settings,
            outcome="failed",
            cause=event.cause,
            train_count=data.train_count(),
            validation_count=data.validation_count(),
            test_count=data.test_count(),
            wall_seconds=0.0,
            stack_trials=1,
            device=self.device,
        )

    def _count(self, stack: Stack, records: tuple[TrialRecord, ...]) -> None:
        outcomes = [record.outcome for record in records]
        self._count_epochs(stack, stack[0].settings.train.epochs)
        self.state = replace(
            self.state,
            done=self.state.done + len(records),
            diverged=self.state.diverged + outcomes.count("diverged"),
            failed=self.state.failed + outcomes.count("failed"),
        )

    def _refresh(self) -> None:
        self.state = replace(self.state, epochs=self.epochs, seconds=time.monotonic() - self.started)
        self.show(self.state)


def plan_run(experiment: Experiment, device: str, workers: int) -> Plan:
    """The plan for a device: stacks that fit a core's share of cache, or a GPU's memory."""
    cache_bytes = CPU_CACHE_BYTES if device == "cpu" else GPU_CACHE_BYTES
    return make_plan(experiment, workers=workers, cache_bytes=cache_bytes)


def count_workers(device: str, jobs: int | None) -> int:
    """Worker processes: as many as asked for, else one for each core, and one on a GPU."""
    return (jobs or available_cores()) if device == "cpu" else 1


def run_experiment(
    experiment: Experiment,
    options: RunOptions,
    show: Callable[[RunState], None],
    say: Callable[[str], None],
    train: TrainStack = executors.train_with_torch,
) -> RunResult:
    """Train every trial that the result folder does not hold yet, then write the tables.

    Raises `UnusableEnvironmentError` where data, disk, device or a locked folder stand in the way; whatever was
    finished by then, or when Ctrl-C comes, stays in the folder.
    """
    folder = options.results / experiment.name
    device = resolve_device(options.device)
    workers = count_workers(device, options.jobs)
    plan = plan_run(experiment, device, workers)
    dataset = experiment.settings.data.facts()
    arrays = None
    if options.fresh or _missing_stacks(plan, store.read_journal(folder).records):
        arrays = _load_data(dataset, options.data_folder, say)
    with store.locked(folder):
        if options.fresh and (aside := store.set_aside(folder)):
            say(f"The earlier results are now in {aside}.")
        if damaged := store.set_damaged_lines_aside(folder):
            say(f"{folder / store.JOURNAL}: {damaged} damaged lines moved to {store.DAMAGED}; their trials are redone.")
        before = finished(store.read_journal(folder).records, plan)
        stacks = _missing_stacks(plan, before)
        if stacks and arrays is None:
            arrays = _load_data(dataset, options.data_folder, say)
        store.write_experiment(folder, experiment_to_yaml(experiment))
        progress = _Progress(
            folder=folder,
            environment="",
            device=device,
            state=_initial_state(plan, before, stacks),
            started=time.monotonic(),
            show=show,
        )
        try:
            if stacks and arrays is not None:
                environment = describe_environment(dataset, device, workers)
                store.write_environment(folder, environment)
                progress.environment = environment["id"]
                show(progress.state)
                if workers == 1:
                    executors.run_in_process(stacks, train, arrays, device, progress.handle)
                else:
                    executors.run_in_workers(stacks, train, arrays, device, workers, progress.handle)
        finally:
            write_tables(folder, experiment, plan, store.read_journal(folder).records)
    state = progress.state
    return RunResult(folder, state.total, state.done - state.before, state.diverged, state.failed)


def _missing_stacks(plan: Plan, records: dict[str, TrialRecord]) -> list[Stack]:
    """The plan's stacks without the trials that need no training."""
    before = finished(records, plan)
    return [kept for stack in plan.stacks if (kept := tuple(trial for trial in stack if trial.id not in before))]


def _load_data(dataset: Dataset, folder: Path, say: Callable[[str], None]) -> Arrays:
    if not is_present(dataset, folder):
        say(f"Downloading {dataset.name} to {folder} ...")
        fetch(dataset, folder)
    return load(dataset, folder)


def _initial_state(plan: Plan, before: dict[str, TrialRecord], stacks: list[Stack]) -> RunState:
    return RunState(
        total=len(plan.trials()),
        before=len(before),
        done=len(before),
        diverged=sum(record.outcome == "diverged" for record in before.values()),
        failed=0,
        epochs=0,
        epochs_to_do=sum(trial.settings.train.epochs for stack in stacks for trial in stack),
        seconds=0.0,
    )
