"""The one loop with side effects: plan, train what is missing, store it, and derive the tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from actbench import executors, store
from actbench.catalogue.datasets import Arrays, Dataset, fetch, is_present, load
from actbench.disk import append_lines
from actbench.environment import DeviceOption, available_cores, describe_environment, require_bf16, resolve_device
from actbench.executors import EpochsDone, Event, StackDone, TrialFailed
from actbench.experiment import Experiment, experiment_to_yaml
from actbench.merging import new_lines
from actbench.plan import Plan, count_trials, epochs_to_do, make_plan, plan_to_json
from actbench.records import RunState, Trial, TrialRecord
from actbench.report.tables import write_tables
from actbench.report.tuning import chosen_lines
from actbench.results import known_trials, load_results, result_folder
from actbench.shards import Shard
from actbench.stacks import CPU_CACHE_BYTES, GPU_CACHE_BYTES, Stack, make_stacks
from actbench.worker import TrainStack, prepare_to_start, train_with_torch

Uninterrupted = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True)
class RunOptions:
    """What the command line says about a run, apart from the experiment."""

    results: Path
    data_folder: Path
    device: DeviceOption = "auto"
    jobs: int | None = None
    fresh: bool = False
    shard: Shard | None = None


@dataclass(frozen=True)
class RunResult:
    """A finished run: its folder, and how many trials there are, were trained now, diverged and failed.

    `waits` says that a shard has trained its share of the tuning, and that final trials need that of the others.
    """

    folder: Path
    total: int
    trained: int
    diverged: int
    failed: int
    waits: bool = False


@dataclass
class _Progress:
    """The counters of a run, and where each finished stack is stored."""

    folder: Path
    environment: str
    device: str
    state: RunState
    started: float
    show: Callable[[RunState], None]
    known: dict[str, TrialRecord]
    uninterrupted: Uninterrupted = contextlib.nullcontext
    epochs: int = 0
    epochs_by_trial: dict[str, int] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        if isinstance(event, EpochsDone):
            self._count_epochs(event.stack, event.epochs)
        else:
            records = event.records if isinstance(event, StackDone) else (self._failure(event),)
            kept = [record.model_copy(update={"environment": self.environment}) for record in records]
            with self.uninterrupted():
                store.append(self.folder, kept)
            self.known |= {record.trial: record for record in kept}
            self._count(event.stack, records)
        self._refresh()

    def expect(self, experiment: Experiment, plan: Plan) -> None:
        """Take the trials that the plan now asks for into the account, with those that an earlier run has finished."""
        left = epochs_to_do(experiment, plan, self.known)
        planned = [self.known[key] for key in plan.trials() if key in self.known]
        expected = replace(
            self.state,
            total=count_trials(experiment, plan),
            before=self.state.before + len(planned) - self.state.done,
            done=len(planned),
            diverged=sum(record.outcome == "diverged" for record in planned),
            epochs_to_do=self.epochs + left,
        )
        if expected != self.state:
            self.state = expected
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


def count_workers(device: str, jobs: int | None) -> int:
    """Worker processes: as many as asked for, else one for each core, and one on a GPU."""
    return (jobs or available_cores()) if device == "cpu" else 1


def run_experiment(
    experiment: Experiment,
    options: RunOptions,
    show: Callable[[RunState], None],
    say: Callable[[str], None],
    train: TrainStack = train_with_torch,
    *,
    uninterrupted: Uninterrupted = contextlib.nullcontext,
) -> RunResult:
    """Train every trial that the result folder does not hold yet, tuning before final ones, then write the tables.

    Finished trials are stored within `uninterrupted()`, where Ctrl-C has to wait. It waits for no tables: they follow
    from the journal, and whoever has stopped a run is not to wait.

    Raises `UnusableEnvironmentError` where data, disk, device or a locked folder stand in the way; whatever was
    finished by then, or when Ctrl-C comes, stays in the folder.
    """
    shard, folder = options.shard, result_folder(options.results, experiment, options.shard)
    device = resolve_device(options.device)
    workers = count_workers(device, options.jobs)
    dataset = experiment.settings.data.facts()
    journal = store.read_journal(folder)
    known = {} if options.fresh else known_trials(options.results, experiment, shard, journal)
    with _place_to_train(_missing(experiment, known, shard), device, workers, train) as run_stacks:
        load_arrays = cache(partial(_load_data, dataset, options.data_folder, say))
        if _missing(experiment, known, shard):
            load_arrays()
        with store.locked(folder):
            if options.fresh and (aside := store.set_aside(folder)):
                say(f"The earlier results are now in {aside}.")
            journal = _mended_journal(folder, journal, say)
            known = known_trials(options.results, experiment, shard, journal)
            store.write_experiment(folder, experiment_to_yaml(experiment))
            if shard:
                _take_tuning_over(result_folder(options.results, experiment), folder, make_plan(experiment, known))
            state = _initial_state(experiment, known, shard)
            progress = _Progress(folder, "", device, state, time.monotonic(), show, known, uninterrupted)
            try:
                if _missing(experiment, known, shard):
                    environment = describe_environment(dataset, device, workers)
                    store.write_environment(folder, environment)
                    progress.environment = environment["id"]
                    show(progress.state)
                    arrays = load_arrays()
                    _train_all(
                        experiment,
                        progress,
                        device,
                        workers,
                        lambda stacks: run_stacks(stacks, arrays, progress.handle),
                        say,
                        shard,
                    )
                plan = make_plan(experiment, known)
                _freeze(experiment, plan, folder, known)
            except Exception:
                write_tables(load_results(folder, options.results, journal))
                raise
            write_tables(load_results(folder, options.results, journal))
    state = progress.state
    return RunResult(folder, state.total, state.done - state.before, state.diverged, state.failed, not plan.is_tuned())


def _mended_journal(folder: Path, earlier: store.Journal, say: Callable[[str], None]) -> store.Journal:
    journal = store.read_journal(folder, earlier)
    if journal.damaged_lines and (damaged := store.set_damaged_lines_aside(folder)):
        say(f"{folder / store.JOURNAL}: {damaged} damaged lines moved to {store.DAMAGED}; they are redone.")
    return store.read_journal(folder, journal)


@contextlib.contextmanager
def _place_to_train(
    missing: Sequence[Trial], device: str, workers: int, train: TrainStack
) -> Iterator[Callable[[Sequence[Stack], Arrays, executors.Emit], None]]:
    """Where stacks train: workers that are already importing torch, as far as there is anything to do, or here.

    Raises `UnusableEnvironmentError` where the trials need what the processor has not.
    """
    if any(trial.settings.train.precision == "bf16" for trial in missing):
        require_bf16(device)
    if workers == 1:
        yield lambda stacks, arrays, emit: executors.run_in_process(stacks, train, arrays, device, emit)
        return
    if missing:
        prepare_to_start(train)
    with executors.start_workers(train, device, workers) as pool:
        yield pool.run


def _train_all(
    experiment: Experiment,
    progress: _Progress,
    device: str,
    workers: int,
    run_stacks: Callable[[Sequence[Stack]], None],
    say: Callable[[str], None],
    shard: Shard | None,
) -> None:
    """Train what the plan lacks until it lacks nothing: tuning may ask for more, and final trials follow from it."""
    while missing := _missing(experiment, progress.known, shard):
        plan = make_plan(experiment, progress.known, shard)
        if plan.is_tuned():
            _freeze(experiment, plan, progress.folder, progress.known)
            for line in chosen_lines(plan):
                say(line)
        progress.expect(experiment, plan)
        cache_bytes = CPU_CACHE_BYTES if device == "cpu" else GPU_CACHE_BYTES
        stacks = make_stacks(missing, workers=workers, cache_bytes=cache_bytes, is_timed=plan.is_timed)
        run_stacks(stacks)
    progress.expect(experiment, make_plan(experiment, progress.known, shard))


def _missing(experiment: Experiment, known: Mapping[str, TrialRecord], shard: Shard | None) -> list[Trial]:
    """The trials that the plan asks for and nobody has trained."""
    return [trial for key, trial in make_plan(experiment, known, shard).trials().items() if key not in known]


def _take_tuning_over(merged: Path, folder: Path, plan: Plan) -> None:
    """Copy the tuning, once complete, into a shard's folder, which then says by itself what follows from it."""
    if plan.is_tuned():
        tuned = {trial.id for tuning in plan.tunings for trial in tuning.trials()}
        append_lines(folder / store.JOURNAL, new_lines(folder, merged, lambda record: record.trial in tuned))


def _freeze(experiment: Experiment, plan: Plan, folder: Path, known: Mapping[str, TrialRecord]) -> None:
    """Write down what is going to be compared, before the first final trial starts."""
    if plan.is_tuned():
        begun = any(record.phase == "final" for record in known.values())
        store.freeze_plan(folder, plan_to_json(experiment, plan), has_begun=begun)


def _load_data(dataset: Dataset, folder: Path, say: Callable[[str], None]) -> Arrays:
    if not is_present(dataset, folder):
        say(f"Downloading {dataset.name} to {folder} ...")
        fetch(dataset, folder)
    return load(dataset, folder)


def _initial_state(experiment: Experiment, known: Mapping[str, TrialRecord], shard: Shard | None) -> RunState:
    plan = make_plan(experiment, known, shard)
    done = [known[key] for key in plan.trials() if key in known]
    return RunState(
        total=count_trials(experiment, plan),
        before=len(done),
        done=len(done),
        diverged=sum(record.outcome == "diverged" for record in done),
        failed=0,
        epochs=0,
        epochs_to_do=epochs_to_do(experiment, plan, known),
        seconds=0.0,
    )
