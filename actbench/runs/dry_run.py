"""A dry run: the trials that a run would train, and their time, memory and disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actbench.catalogue.datasets import is_present
from actbench.experiment.definition import Experiment
from actbench.experiment.records import Phase, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import Plan, count_trials, make_plan, seeds_after_tuning, settings_to_do
from actbench.plan.stacks import CPU_CACHE_BYTES, GPU_CACHE_BYTES, make_stacks
from actbench.plan.trials import Shard, make_trial
from actbench.render.sections import Section
from actbench.report.looks import moved_look, settled_texts
from actbench.report.numbers import ABSENT
from actbench.runs import estimates
from actbench.store.journal import read_journal
from actbench.store.results import known_trials, other_training_code, result_folder
from actbench.text import clock, counted

MAX_ARMS_SHOWN = 200
MAX_TRIALS_STACKED = 2_000  # enough to fill the largest stacks, whose memory is what counts


@dataclass(frozen=True)
class ArmCounts:
    """An arm as an experiment file spells it, and how many of its trials are for tuning, planned in all, done, left.

    `settled` is with looks what is settled.
    """

    arm: dict[str, Any]
    label: str
    tuning: int
    planned: int
    done: int
    to_do: int
    settled: str | None


@dataclass(frozen=True)
class RunPreview:
    """What a run would train.

    `may_grow`: tuning may ask for more trials. `tries_again`: failed tuning trials are retried. `downloads` names the
    dataset to fetch first into `data_folder`. `settings` are those of every trial to do, with its phase.
    """

    experiment: Experiment
    folder: Path
    shard: Shard | None
    arms: tuple[ArmCounts, ...]
    planned: int
    done: int
    may_grow: bool
    tries_again: bool
    downloads: str | None
    data_folder: Path
    settings: tuple[tuple[TrialSettings, Phase], ...]

    def epochs(self) -> int:
        """The epochs of all trials to do."""
        return sum(settings.train.epochs for settings, _ in self.settings)

    def waits_for_others(self) -> bool:
        """Whether final trials need the merged tuning of other shards."""
        return self.shard is not None and self.may_grow


@dataclass(frozen=True)
class Costs:
    """Time, memory of a worker, and bytes of journal and weights of all trials to do.

    `seconds` are those until the last has been trained (None if unknown), `start_seconds` those before the first step.
    """

    trials: int
    workers: int
    seconds: float | None
    start_seconds: float
    basis: str
    worker_bytes: int
    journal_bytes: int
    weights_bytes: int = 0


def count_to_do(
    experiment: Experiment, root: Path, data_folder: Path, *, fresh: bool, shard: Shard | None = None
) -> RunPreview:
    """Planned, done and remaining trials of every arm; only reads the result folder under `root`."""
    folder = result_folder(root, experiment, shard)
    journal = read_journal(folder, has_probes=False)
    records = {} if fresh else journal.records
    known = {} if fresh else known_trials(root, experiment, shard, journal)
    plan = make_plan(experiment, known, shard)
    planned, done = count_trials(experiment, plan, known)
    dataset = experiment.settings.data.dataset
    is_unsettled = not plan.is_tuned()
    return RunPreview(
        experiment=experiment,
        folder=folder,
        shard=shard,
        arms=count_by_arm(experiment, plan, known),
        planned=planned,
        done=done,
        may_grow=is_unsettled,
        tries_again=is_unsettled and any(trial.id in records for trial in plan.missing(known)),
        downloads=None if is_present(dataset, data_folder) else dataset.name,
        data_folder=data_folder,
        settings=settings_to_do(experiment, plan, known),
    )


def count_by_arm(experiment: Experiment, plan: Plan, known: Mapping[str, TrialRecord]) -> tuple[ArmCounts, ...]:
    """The trials of every arm, tuning included, and how many have a record."""
    own, tunings = plan.trials(), {tuning.arm.values: tuning.trials() for tuning in plan.tunings}
    arms = []
    for (arm, trials), settled in zip(plan.arms, settled_texts(plan), strict=True):
        tuning = [trial for trial in tunings.get(arm.values, ()) if trial.id in own]
        final = [trial for trial in trials if trial.id in own]
        done = sum(trial.id in known for trial in (*tuning, *final))
        planned = len(tuning) + len(final) + seeds_after_tuning(experiment, plan)
        counts = len(tuning), planned, done, planned - done
        arms.append(ArmCounts(arm.to_yaml(), arm.label(), *counts, settled or None))
    return tuple(arms)


def estimate_costs(to_do: RunPreview, workers: int, device: str) -> Costs:
    """Time, memory and disk of the trials to do, on this machine."""
    settings_of_all = [settings for settings, _ in to_do.settings]
    speed = estimates.speed_here(to_do.folder, settings_of_all[0], device) if settings_of_all else None
    sample = to_do.settings[:: -(-len(to_do.settings) // MAX_TRIALS_STACKED) or 1]
    trials = [make_trial(settings, seed, phase) for seed, (settings, phase) in enumerate(sample)]
    cache_bytes = CPU_CACHE_BYTES if device == "cpu" else GPU_CACHE_BYTES
    start = estimates.start_seconds()
    return Costs(
        trials=len(settings_of_all),
        workers=workers,
        seconds=start + estimates.training_seconds(settings_of_all, speed, workers) if speed else None,
        start_seconds=start,
        basis=speed.basis if speed else f"Time: not known, since no comparable trial has been timed here on {device}.",
        worker_bytes=estimates.worker_bytes(make_stacks(trials, workers=workers, cache_bytes=cache_bytes)),
        journal_bytes=round(estimates.journal_bytes(sample) * len(settings_of_all) / max(1, len(sample))),
        weights_bytes=estimates.weights_bytes(to_do.settings) if to_do.experiment.keep else 0,
    )


def dry_run_sections(to_do: RunPreview, costs: Costs) -> list[Section]:
    """The trials to do, arm by arm, and their costs unless all are done."""
    shard = f" of shard {to_do.shard}" if to_do.shard else ""
    title, notes = f"{to_do.experiment.name}: dry run{shard}", list(_notes(to_do))
    arms = [asdict(arm) for arm in to_do.arms[:MAX_ARMS_SHOWN]]
    trials = arms_section(title, arms, notes, has_tuning=bool(to_do.experiment.tune))
    return [trials, _costs_section(costs)] if costs.trials else [trials]


def arms_section(
    title: str, arms: Sequence[Mapping[str, Any]], notes: Sequence[str] = (), *, has_tuning: bool
) -> Section:
    """One row for each arm with its trials: those for tuning if the experiment tunes, with looks what is settled."""
    is_settled = any(arm.get("settled") for arm in arms)
    columns = [*["tuning"] * has_tuning, "planned", "done", "to_do", *["settled"] * is_settled]
    rows = [[arm["label"], *(ABSENT if arm[name] is None else str(arm[name]) for name in columns)] for arm in arms]
    return Section(title, ["arm", *(name.replace("_", " ") for name in columns)], rows, notes)


def _costs_section(costs: Costs) -> Section:
    workers = counted(costs.workers, "worker")
    time = "not known"
    if costs.seconds is not None:
        time = f"about {clock(costs.seconds)} on {workers}, {clock(costs.start_seconds)} of it to start"
    rows = [
        ["time", time],
        ["memory", f"about {costs.worker_bytes / 1e9:.1f} GB for each worker"],
        ["disk", f"about {_size(costs.journal_bytes)}: {_size(costs.journal_bytes / costs.trials)} for each trial"],
    ]
    if costs.weights_bytes:
        rows.append(["weights", f"about {_size(costs.weights_bytes)} of disk"])
    notes = [
        costs.basis,
        "To start: imports, reading the images and, on a machine's first run, compiling.",
        "Memory: torch, the images and the largest stack. Disk: the journal; the tables take about half as much again.",
    ]
    return Section("what it takes", ["", ""], rows, notes, prose=(1,))


def _size(size_bytes: float) -> str:
    """`12 kB`, `3.4 MB`, `1.2 GB`."""
    if size_bytes < 1e6:
        return f"{size_bytes / 1e3:.0f} kB"
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes < 1e9 else f"{size_bytes / 1e9:.1f} GB"


def _notes(to_do: RunPreview) -> Iterator[str]:
    yield (
        f"{counted(to_do.planned, 'trial')}, {to_do.done} done, {to_do.planned - to_do.done} to do "
        f"({counted(to_do.epochs(), 'epoch')}) -> {to_do.folder}"
    )
    if notice := other_training_code(to_do.folder):
        yield notice
    if (more := len(to_do.arms) - MAX_ARMS_SHOWN) > 0:
        yield f"{counted(more, 'more arm')} not shown; --format json has them all."
    if moved := moved_look(to_do.experiment):
        yield moved
    if to_do.may_grow:
        yield "Tuning takes more trials for an arm whose best value is at the edge of the grid."
    if to_do.waits_for_others():
        yield "A shard tunes whole arms; its final trials follow once the tuning of all shards is merged."
    if to_do.tries_again:
        yield "Failed tuning trials are retried; until then, all final trials count as to do."
    if to_do.downloads:
        yield f"{to_do.downloads} is not in {to_do.data_folder}; the run would download it."


def dry_run_document(to_do: RunPreview, costs: Costs) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "name": to_do.experiment.name,
        "folder": str(to_do.folder),
        "shard": str(to_do.shard) if to_do.shard else None,
        "waits_for_other_shards": to_do.waits_for_others(),
        "trials": {"planned": to_do.planned, "done": to_do.done, "to_do": to_do.planned - to_do.done},
        "epochs_to_do": to_do.epochs(),
        "tuning_may_ask_for_more": to_do.may_grow,
        "download": to_do.downloads,
        **{name: value for name, value in asdict(costs).items() if name not in ("trials", "basis")},
        "seconds_basis": costs.basis if costs.trials else None,
        "arms": [asdict(arm) for arm in to_do.arms],
    }
