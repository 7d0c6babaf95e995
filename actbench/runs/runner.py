"""The one loop with side effects: plan, train what is missing, store it, and derive the tables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.catalogue.datasets import Arrays, Dataset, fetch, is_present, load
from actbench.experiment import records
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.records import Trial
from actbench.plan.plan import Plan, make_plan, plan_to_json
from actbench.plan.stacks import CPU_CACHE_BYTES, GPU_CACHE_BYTES, Stack, make_stacks
from actbench.report.tables import write_tables
from actbench.report.tuning import chosen_lines
from actbench.runs.account import RunProgress, Uninterrupted, initial_state
from actbench.runs.environment import count_workers, describe_environment, require_bf16, resolve_device
from actbench.runs.executors import local as executors
from actbench.runs.executors.local import Limits
from actbench.runs.executors.ray import connect_to_ray
from actbench.runs.executors.worker import TrainStack, prepare_to_start, train_with_torch
from actbench.runs.log import RunLog
from actbench.runs.merge import take_over
from actbench.runs.options import RunOptions
from actbench.runs.progress import RunState
from actbench.store import folder as store
from actbench.store.lock import locked
from actbench.store.results import Results, known_trials, load_results, other_training_code, result_folder
from actbench.version import __version__


@dataclass(frozen=True)
class RunResult:
    """A finished run: what its folder says now, and how many trials there are, were trained now, diverged and failed.

    `comparison` is what the table of arms says. `left` trials are not trained, since the time was over. `waits` says
    that a shard has trained its share of the tuning, and that final trials need that of the others.
    """

    results: Results
    comparison: Comparison
    total: int
    left: int
    trained: int
    diverged: int
    failed: int
    waits: bool = False

    @property
    def folder(self) -> Path:
        """The result folder."""
        return self.results.folder


@dataclass(frozen=True)
class Place:
    """Where stacks train: on which device, how many at once, within what limits, and what trains them."""

    device: str
    workers: int
    limits: Limits
    run_stacks: Callable[[Sequence[Stack], Arrays, executors.Emit], None]


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

    Raises `ConfigurationError` where a custom function is refused, and
    `UnusableEnvironmentError` where data, disk, device or a locked folder stand in the way; whatever was
    finished by then, or when Ctrl-C comes, stays in the folder.
    """
    limits = Limits(_alarm(options.most_seconds), options.trial_seconds)
    folder, device = result_folder(options.results, experiment, options.shard), resolve_device(options.device)
    journal = store.read_journal(folder)
    known = {} if options.fresh else known_trials(options.results, experiment, options.shard, journal)
    missing = make_plan(experiment, known, options.shard).missing(known)
    if missing and (own := experiment.custom_choices()):
        from actbench.checks.examination import require_passed

        require_passed(own)
    load_arrays = cache(partial(_load_data, experiment.settings.data.facts(), options.data_folder, say))
    with _place_to_train(missing, device, train, options, limits) as place:
        if missing:
            load_arrays()
        with locked(folder):
            if options.fresh and (aside := store.set_aside(folder)):
                say(f"The earlier results are now in {aside}.")
            journal = _mended_journal(folder, journal, say)
            progress = _begin(experiment, options, place, journal, show, say, uninterrupted)
            try:
                if progress.state.plan.missing(progress.known):
                    _train_all(experiment, options, place, progress, load_arrays(), say)
                _freeze(experiment, progress)
            except Exception:
                write_tables(load_results(folder, options.results, journal))
                raise
            results = load_results(folder, options.results, journal)
            comparison = write_tables(results)
    state = progress.state
    left, trained = state.total - state.done, state.done - state.before
    waits = left == 0 and not state.plan.is_tuned()
    return RunResult(results, comparison, state.total, left, trained, state.diverged, state.failed, waits)


def _alarm(seconds: float | None) -> Callable[[], bool]:
    """Whether so many seconds have gone by from now on."""
    end = time.monotonic() + (inf if seconds is None else seconds)
    return lambda: time.monotonic() > end


def _begin(
    experiment: Experiment,
    options: RunOptions,
    place: Place,
    journal: store.Journal,
    show: Callable[[RunState], None],
    say: Callable[[str], None],
    uninterrupted: Uninterrupted,
) -> RunProgress:
    """Write down in the locked folder what is run; the account of it, which begins with what is known."""
    folder = result_folder(options.results, experiment, options.shard)
    known = known_trials(options.results, experiment, options.shard, journal)
    store.write_experiment(folder, experiment_to_yaml(experiment))
    plan = make_plan(experiment, known, options.shard)
    if options.shard:
        _take_tuning_over(result_folder(options.results, experiment), folder, plan)
    log = RunLog(folder, lambda text, detail: say(text) if detail <= options.verbosity else None)
    keep = partial(_keep_environment, folder, experiment.settings.data.facts(), place.device, place.workers)
    if notice := other_training_code(folder):
        say(notice)
        keep(None)  # from now on the folder is read as this training code's
    state = initial_state(experiment, plan, known)
    return RunProgress(folder, "", place.device, state, time.monotonic(), show, known, log, keep, uninterrupted)


def _settings_text(progress: RunProgress, workers: int, options: RunOptions) -> str:
    """What a run begins with, for its log."""
    state = progress.state
    return (
        f"actbench {__version__}, training code {records.TRAINING_CODE_VERSION}, environment {progress.environment}, "
        f"{progress.device}, {workers} worker{'s' * (workers > 1)}; {state.total} trials, {state.done} of them done"
        + (f"; {options.asked}" if options.asked else "")
    )


def _keep_environment(
    folder: Path, dataset: Dataset, device: str, workers: int, machine: Mapping[str, Any] | None
) -> str:
    """Keep what this machine or another is, and give the id of the record."""
    environment = describe_environment(dataset, device, workers, machine)
    if machine is None or environment["id"] not in store.environments_by_id(folder):
        store.write_environment(folder, environment)
    return str(environment["id"])


def _mended_journal(folder: Path, earlier: store.Journal, say: Callable[[str], None]) -> store.Journal:
    journal = store.read_journal(folder, earlier)
    if journal.damaged_lines and (damaged := store.set_damaged_lines_aside(folder)):
        say(f"{folder / store.JOURNAL}: {damaged} damaged lines moved to {store.DAMAGED}; they are redone.")
    return store.read_journal(folder, journal)


@contextlib.contextmanager
def _place_to_train(
    missing: Sequence[Trial], device: str, train: TrainStack, options: RunOptions, limits: Limits
) -> Iterator[Place]:
    """Where stacks train: here, in workers that are already importing torch, or in Ray.

    Raises `UnusableEnvironmentError` where the trials need what the processor has not, and where Ray cannot be used.
    """
    if any(trial.settings.train.precision == "bf16" for trial in missing):
        require_bf16(device)
    if options.executor == "ray" and missing:
        with connect_to_ray(train, device, options.jobs, options.ray_address, limits=limits) as ray:
            yield Place(device, ray.most, limits, ray.run)
        return
    workers = count_workers(device, options.jobs)
    if workers == 1 and limits.trial_seconds is None:
        yield Place(device, workers, limits, partial(_run_in_process, train, device, limits))
        return
    if missing:
        prepare_to_start(train)
    with executors.start_workers(train, device, workers, limits=limits) as pool:
        yield Place(device, workers, limits, pool.run)


def _run_in_process(
    train: TrainStack, device: str, limits: Limits, stacks: Sequence[Stack], arrays: Arrays, emit: executors.Emit
) -> None:
    executors.run_in_process(stacks, train, arrays, device, emit, limits)


def _train_all(
    experiment: Experiment,
    options: RunOptions,
    place: Place,
    progress: RunProgress,
    arrays: Arrays,
    say: Callable[[str], None],
) -> None:
    """Train what the plan lacks until it lacks nothing: tuning may ask for more, and final trials follow from it."""
    progress.environment = progress.keep_environment(None)
    progress.show(progress.state)
    cache_bytes = CPU_CACHE_BYTES if place.device == "cpu" else GPU_CACHE_BYTES
    with progress.log.run(_settings_text(progress, place.workers, options), progress.outcome):
        while missing := (plan := make_plan(experiment, progress.known, options.shard)).missing(progress.known):
            if place.limits.is_over():
                break
            progress.expect(experiment, plan)
            if plan.is_tuned():
                _freeze(experiment, progress)
                for line in chosen_lines(plan):
                    say(line)
            stacks = make_stacks(missing, workers=place.workers, cache_bytes=cache_bytes, is_timed=plan.is_timed)
            place.run_stacks(stacks, arrays, progress.handle)
        progress.expect(experiment, plan)


def _take_tuning_over(merged: Path, folder: Path, plan: Plan) -> None:
    """Copy the tuning, once complete, into a shard's folder, which then says by itself what follows from it."""
    if plan.is_tuned():
        tuned = {trial.id for tuning in plan.tunings for trial in tuning.trials()}
        take_over(folder, merged, lambda record: record.trial in tuned)


def _freeze(experiment: Experiment, progress: RunProgress) -> None:
    """Write down what is going to be compared, before the first final trial starts."""
    plan = progress.state.plan
    if plan.is_tuned():
        begun = any(record.phase == "final" for record in progress.known.values())
        store.freeze_plan(progress.folder, plan_to_json(experiment, plan), has_begun=begun)


def _load_data(dataset: Dataset, folder: Path, say: Callable[[str], None]) -> Arrays:
    if not is_present(dataset, folder):
        say(f"Downloading {dataset.name} to {folder} ...")
        fetch(dataset, folder)
    return load(dataset, folder)
