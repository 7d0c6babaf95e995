"""The run loop: plan, train what is missing, store it, and derive the tables."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.catalogue.custom_files import files_in_use
from actbench.catalogue.datasets import Arrays, Dataset, fetch, is_present, load
from actbench.catalogue.torch_private import multiplies_in_bf16
from actbench.errors import ConfigurationError
from actbench.experiment import records
from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.records import Ending, Trial, unusable_text
from actbench.plan.looks import seeds_range
from actbench.plan.plan import make_plan, plan_checksum, plan_to_json, settings_to_do
from actbench.plan.stacks import CPU_CACHE_BYTES, GPU_CACHE_BYTES, Stack, make_stacks
from actbench.processes import start_server
from actbench.report.looks import look_lines, moved_look, preregistration_line
from actbench.report.statement import fresh_seeds
from actbench.report.tables import write_tables
from actbench.report.tuning import chosen_lines, extended_lines
from actbench.runs import environment
from actbench.runs.estimates import expected_text, speed_here
from actbench.runs.executors import local as executors
from actbench.runs.executors.local import Limits
from actbench.runs.executors.worker import TrainStack, is_with_torch, module_of, train_with_torch
from actbench.runs.log import RunLog, write_log
from actbench.runs.options import QUIET, RunOptions
from actbench.runs.progress import RunProgress, RunState, Uninterrupted, initial_state, progress_display
from actbench.runs.status import keep_standing, standing_of
from actbench.store import checkpoints, weights
from actbench.store.checkpoints import Checkpoints
from actbench.store.files import FolderChangedError, HeldFolder, changed_file, end_of
from actbench.store.folder import (
    environments_by_id,
    freeze_plan,
    read_plan,
    set_aside,
    write_environment,
    write_experiment,
)
from actbench.store.journal import Journal, copy_records, read_journal, set_damaged_lines_aside
from actbench.store.lock import locked
from actbench.store.names import DAMAGED, JOURNAL
from actbench.store.results import (
    Results,
    has_other_seeds,
    known_trials,
    load_results,
    other_training_code,
    plan_and_finished_trials,
    result_folder,
)
from actbench.text import counted, say
from actbench.version import __version__

WARNING = "warning: "
ROUNDED = (
    f"{WARNING}train.precision bf16: this processor has no products in bf16; factors are rounded and multiplied in "
    "float32, which is slower than float32."
)


@dataclass(frozen=True)
class RunResult:
    """A finished run: the contents of its folder, and how many trials there are, were trained now, and ended how.

    `comparison` is the table of arms. `left` trials are not trained since the run was out of time. `waits` is true
    after a shard has trained its share of the tuning, or of the trials before a look: the rest needs the other shards.
    """

    results: Results
    comparison: Comparison
    total: int
    left: int
    trained: int
    endings: Counter[Ending]
    waits: bool = False

    @property
    def folder(self) -> Path:
        """The result folder."""
        return self.results.folder

    def summary_line(self) -> str:
        """`results/mnist: 40 trials, 12 trained now, 1 diverged, 0 collapsed, 0 failed`."""
        trials = counted(self.total, "trial")
        return f"{self.folder}: {trials}, {self.trained} trained now, {unusable_text(self.endings)}"


@dataclass(frozen=True)
class TrainingSite:
    """The device that stacks train on, how many at once, within what limits, and the function that trains them.

    `checkpoints` is None where stacks have none: with Ray, whose workers may not reach the result folder.
    """

    device: str
    workers: int
    limits: Limits
    run_stacks: Callable[[Sequence[Stack], Arrays, executors.Emit], None]
    checkpoints: Checkpoints | None = None


def run_with_progress(
    experiment: Experiment,
    options: RunOptions,
    *,
    check: Callable[[RunState], None] = lambda _state: None,
    uninterrupted: Uninterrupted = contextlib.nullcontext,
) -> RunResult:
    """Train what is missing, with progress on standard error unless quiet; `check` is called before it is shown.

    Warnings are said in any case.

    Raises what `run_experiment` raises.
    """
    is_quiet = options.verbosity == QUIET

    def tell(line: str) -> None:
        if not is_quiet or line.startswith(WARNING):
            say(line)

    folder = result_folder(options.results, experiment, options.shard)
    tell(f"{experiment.name}: {counted(experiment.arm_count(), 'arm')} x {seeds_range(experiment)} -> {folder}")
    with progress_display(is_quiet=is_quiet) as show:

        def check_and_show(state: RunState) -> None:
            check(state)
            show(state)

        return run_experiment(experiment, options, check_and_show, tell, uninterrupted=uninterrupted)


def run_experiment(
    experiment: Experiment,
    options: RunOptions,
    show: Callable[[RunState], None],
    tell: Callable[[str], None],
    train: TrainStack = train_with_torch,
    *,
    uninterrupted: Uninterrupted = contextlib.nullcontext,
) -> RunResult:
    """Train every trial that the result folder does not hold yet, tuning before final ones, then write the tables.

    Finished trials are stored within `uninterrupted()`, where Ctrl-C has to wait; whatever ends the run, they stay. An
    interrupted run writes no tables: they can be derived later, and the user should not have to wait.

    Raises `ConfigurationError` if a custom function is refused, and `UnusableEnvironmentError` if data, disk, device or
    a locked folder prevent the run; trials that were finished before an error or Ctrl-C stay in the folder.
    """
    limits = Limits(_alarm(options.max_seconds), options.trial_seconds)
    device = environment.resolve_device(options.device)
    folder = result_folder(options.results, experiment, options.shard)
    journal = read_journal(folder)
    known = {} if options.fresh else known_trials(options.results, experiment, options.shard, journal)
    if not options.fresh:
        _check_seeds(experiment, folder, journal, tell)
    plan = make_plan(experiment, known, options.shard)
    missing = plan.missing(known)
    if missing and (custom := experiment.custom_choices()):
        from actbench.checks.examination import named_gains, require_gains, require_passed

        require_passed(custom)
        require_gains(named_gains(experiment))
    if experiment.keep and train is train_with_torch:
        train = partial(train_with_torch, keeps_weights=True)
    load_arrays = cache(partial(_load_data, experiment.settings.data.dataset, options.data_folder, tell))
    with _training_site(missing, device, train, options, limits, folder) as site:
        if missing:
            load_arrays()
            to_do = [settings for settings, _ in settings_to_do(experiment, plan, known)]
            tell(expected_text(to_do, speed_here(folder, to_do[0], device), site.workers))
            if any(settings.train.precision == "bf16" for settings in to_do) and not multiplies_in_bf16():
                tell(ROUNDED)
        with locked(folder) as held:
            if options.fresh:
                checkpoints.clear(held)
            if options.fresh and (aside := set_aside(held)):
                tell(f"The earlier results are now in {aside}.")
            journal = read_journal(folder, journal)
            if journal.damaged_lines and (damaged := set_damaged_lines_aside(held)):
                moved = f"{counted(damaged, 'damaged line')} moved to {DAMAGED}"
                moved = f"{moved}; the trials that this loses are trained again"
                write_log(held, f"{JOURNAL}: {moved}")
                tell(f"{WARNING}{folder / JOURNAL}: {moved}")
            journal = read_journal(folder, journal)
            progress = _begin(experiment, options, site, held, journal, show, tell, uninterrupted)
            try:
                if progress.state.plan.missing(progress.state.records):
                    _train_all(options, site, progress, load_arrays(), tell)
                _freeze(progress)
            except FolderChangedError:
                raise
            except Exception:
                held.require_in_place()
                write_tables(load_results(folder, options.results, journal), held)
                raise
            held.require_in_place()
            results = load_results(folder, options.results, journal)
            if (
                not progress.stored.keys() <= results.records.keys()
                or end_of(held.file(JOURNAL)) != progress.journal_end
            ):
                raise changed_file(folder / JOURNAL)
            comparison = write_tables(results, held)
            keep_standing(
                held, experiment, lambda: standing_of(experiment, *plan_and_finished_trials(results), results.records)
            )
    state = progress.state
    left, trained = state.total - state.done, state.done - state.before
    waits = left == 0 and state.plan.waits()
    return RunResult(results, comparison, state.total, left, trained, state.endings, waits)


def _check_seeds(experiment: Experiment, folder: Path, journal: Journal, tell: Callable[[str], None]) -> None:
    """Raise `ConfigurationError` where looks would begin with seeds that have been seen under a plan without looks.

    Tell that nothing will be judged where the seeds are others than those that have been seen, and not all fresh.
    """
    frozen = read_plan(folder)
    seen = {record.seed for record in journal.records.values() if record.phase == "final"} & set(experiment.seeds)
    if experiment.looks and frozen and "looks" not in frozen and seen:
        raise ConfigurationError(
            f"{folder}: {counted(len(seen), 'seed')} of this plan with looks have been trained under one without, "
            "so the decision to look may come from their results: take fresh seeds "
            "(seeds: {looks: [11, 20, 40, 80], first: 1000}), another name, or --fresh"
        )
    now = frozen | {"seeds": experiment.seeds}
    if seen and any(has_other_seeds(plan, now) for plan in (frozen, *frozen.get("earlier", []))):
        tell(
            f"{WARNING}{folder} has final trials of other seeds: nothing is judged where seeds are changed after "
            f"looking; fresh ones can decide: {fresh_seeds(len(experiment.seeds), experiment.comparisons(), seen)}"
        )


def _alarm(seconds: float | None) -> Callable[[], bool]:
    """A function that is true once so many seconds have passed from now."""
    end = time.monotonic() + (inf if seconds is None else seconds)
    return lambda: time.monotonic() > end


def _begin(
    experiment: Experiment,
    options: RunOptions,
    site: TrainingSite,
    held: HeldFolder,
    journal: Journal,
    show: Callable[[RunState], None],
    tell: Callable[[str], None],
    uninterrupted: Uninterrupted,
) -> RunProgress:
    """Write the experiment to the locked folder; the progress of the run, which begins with the known trials."""
    known = known_trials(options.results, experiment, options.shard, journal)
    write_experiment(held, experiment_to_yaml(experiment))
    plan = make_plan(experiment, known, options.shard)
    if options.shard and plan.is_tuned():  # the shard's folder holds all that its plan needs
        tuned = {trial.id for tuning in plan.tunings for trial in tuning.trials()}
        copy_records(held, result_folder(options.results, experiment), lambda record: record.trial in tuned)
    log = RunLog(held, lambda text, detail: tell(text) if detail <= options.verbosity else None)
    keep = partial(_keep_environment, held, experiment.settings.data.dataset, site.device, site.workers)
    if notice := other_training_code(held.path):
        tell(f"{WARNING}{notice}")
        keep(None)  # from now on the folder is read as this training code's
    return RunProgress(
        experiment=experiment,
        folder=held,
        journal_end=end_of(held.file(JOURNAL)),
        stored=dict(journal.records),
        device=site.device,
        state=initial_state(experiment, plan, known),
        started=time.monotonic(),
        show=show,
        log=log,
        keep_environment=keep,
        uninterrupted=uninterrupted,
    )


def _keep_environment(
    folder: HeldFolder, dataset: Dataset, device: str, workers: int, machine: Mapping[str, Any] | None
) -> str:
    """Store the environment record of this machine or another; its id."""
    described = environment.describe_environment(dataset, device, workers, machine)
    if machine is None or described["id"] not in environments_by_id(folder.path):
        write_environment(folder, described)
    return str(described["id"])


@contextlib.contextmanager
def _training_site(
    missing: Sequence[Trial], device: str, train: TrainStack, options: RunOptions, limits: Limits, folder: Path
) -> Iterator[TrainingSite]:
    """Where stacks train: in this process, in workers that are already importing torch, or in Ray."""
    if any(trial.settings.train.precision == "bf16" for trial in missing):
        environment.require_cpu_for_bf16(device)
    if options.executor == "ray" and missing:
        from actbench.runs.executors.ray import connect_to_ray

        with connect_to_ray(train, device, options.jobs, options.ray_address, limits=limits) as ray:
            yield TrainingSite(device, ray.max_busy, limits, ray.run)
        return
    workers = environment.count_workers(device, options.jobs)
    kept = None
    if missing and is_with_torch(train):
        kept = Checkpoints(folder / checkpoints.FOLDER, environment.describe_numerics(device), checkpoints.SECONDS)
        with_torch: Any = train
        train = partial(with_torch, checkpoints=kept)
    needs_worker_process = limits.trial_seconds is not None or (is_with_torch(train) and bool(files_in_use()))
    if workers == 1 and not needs_worker_process:  # a custom function might end or disturb this process
        run_stacks = partial(executors.run_in_process, train=train, device=device, limits=limits)
        yield TrainingSite(device, workers, limits, run_stacks, kept)
        return
    if missing:
        start_server(module_of(train))  # while the images are read; it is not waited for
    with executors.Workers(train, device, workers, limits, environment.visible_gpus(device)) as pool:
        yield TrainingSite(device, workers, limits, pool.run, kept)


def _train_all(
    options: RunOptions, site: TrainingSite, progress: RunProgress, arrays: Arrays, tell: Callable[[str], None]
) -> None:
    """Train what is missing until nothing is: tuning may extend its grids, and final trials follow from it."""
    experiment = progress.experiment
    progress.environment = progress.keep_environment(None)
    progress.show(progress.state)
    if site.checkpoints:
        site.checkpoints.prepare(progress.folder)
        progress.discard = site.checkpoints.discard
    if experiment.keep:
        weights.remove_leftovers(progress.folder)
    cache_bytes = CPU_CACHE_BYTES if site.device == "cpu" else GPU_CACHE_BYTES
    state = progress.state
    settings = (
        f"actbench {__version__}, training code {records.TRAINING_CODE_VERSION}, environment {progress.environment}, "
        f"{progress.device}, {counted(site.workers, 'worker')}; {counted(state.total, 'trial')}, {state.done} done"
        + (f"; {options.command_line}" if options.command_line else "")
    )
    with progress.log.run(settings, progress.outcome):
        known, before = state.records, state.plan  # records grow
        while missing := (plan := make_plan(experiment, known, options.shard)).missing(known):
            if site.limits.is_over():
                break
            progress.expect(experiment, plan)
            for line in extended_lines(before, plan):
                progress.log.write(line, detail=0)
            before = plan
            if plan.is_tuned():
                _freeze(progress)
                lines = look_lines(plan) or chosen_lines(plan)
                if plan.looks and not look_lines(plan):
                    moved = moved_look(experiment)
                    registered = preregistration_line(experiment.name, plan_to_json(experiment, plan))
                    lines += [*([moved] if moved else []), registered]
                for line in lines:
                    tell(line)
            resumed = site.checkpoints.resume(missing, tell) if site.checkpoints else []
            begun = {trial.id for stack in resumed for trial in stack}
            rest = [trial for trial in missing if trial.id not in begun]
            stacks = make_stacks(rest, workers=site.workers, cache_bytes=cache_bytes, is_timed=plan.is_timed)
            site.run_stacks([*resumed, *stacks], arrays, progress.handle)
        progress.expect(experiment, plan)
        for line in [] if missing else look_lines(plan):
            tell(line)
    checkpoints.clear(progress.folder)


def _freeze(progress: RunProgress) -> None:
    """Write plan.json, which says what will be compared, before the first final trial starts."""
    plan = progress.state.plan
    if plan.is_tuned():
        begun = any(record.phase == "final" for record in progress.state.records.values())
        freeze_plan(progress.folder, plan_to_json(progress.experiment, plan), has_begun=begun)
        progress.plan_checksum = plan_checksum(read_plan(progress.folder.path))


def _load_data(dataset: Dataset, folder: Path, tell: Callable[[str], None]) -> Arrays:
    if not is_present(dataset, folder):
        tell(f"Downloading {dataset.name} to {folder} ...")
        fetch(dataset, folder)
    return load(dataset, folder)
