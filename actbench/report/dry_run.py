"""What a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench import store
from actbench.catalogue.datasets import is_present
from actbench.experiment import Arm, Experiment
from actbench.plan import count_trials, epochs_to_do, make_plan
from actbench.report.sections import Section
from actbench.results import known_trials, result_folder
from actbench.shards import Shard


@dataclass(frozen=True)
class ArmToDo:
    """How many of an arm's trials are for tuning, planned in all, and done."""

    arm: Arm
    tuning: int
    planned: int
    done: int


@dataclass(frozen=True)
class ToDo:
    """What a run would train.

    `may_grow` says that tuning may ask for more trials, `tries_again` that failed tuning trials are tried again, and
    `downloads` names the dataset that would be fetched first into `data_folder`.
    """

    experiment: Experiment
    folder: Path
    shard: Shard | None
    arms: tuple[ArmToDo, ...]
    planned: int
    done: int
    epochs: int
    may_grow: bool
    tries_again: bool
    downloads: str | None
    data_folder: Path

    def waits_for_others(self) -> bool:
        """Whether final trials follow only after other shards' tuning has been merged."""
        return self.shard is not None and self.may_grow


def _count_to_do(
    experiment: Experiment, root: Path, data_folder: Path, *, fresh: bool, shard: Shard | None = None
) -> ToDo:
    folder = result_folder(root, experiment, shard)
    journal = store.read_journal(folder)
    records = {} if fresh else journal.records
    known = {} if fresh else known_trials(root, experiment, shard, journal)
    plan = make_plan(experiment, known, shard)
    own = plan.trials()
    tunings = {tuning.arm.values: tuning.trials() for tuning in plan.tunings}
    arms = []
    for arm, trials in plan.arms:
        tuning = [trial for trial in tunings.get(arm.values, ()) if trial.id in own]
        final = [trial for trial in trials if trial.id in own]
        unknown = 0 if plan.is_tuned() or shard else len(experiment.seeds)
        done = sum(trial.id in known for trial in (*tuning, *final))
        arms.append(ArmToDo(arm, len(tuning), len(tuning) + len(final) + unknown, done))
    dataset = experiment.settings.data.facts()
    is_unsettled = bool(tunings) and not plan.is_tuned()
    return ToDo(
        experiment=experiment,
        folder=folder,
        shard=shard,
        arms=tuple(arms),
        planned=count_trials(experiment, plan),
        done=sum(key in known for key in plan.trials()),
        epochs=epochs_to_do(experiment, plan, known),
        may_grow=is_unsettled,
        tries_again=is_unsettled and any(key in records and key not in known for key in plan.trials()),
        downloads=None if is_present(dataset, data_folder) else dataset.name,
        data_folder=data_folder,
    )


def dry_run_section(
    experiment: Experiment, root: Path, data_folder: Path, *, fresh: bool, shard: Shard | None = None
) -> Section:
    """Trials planned, done and to do for every arm; reads the result folder under `root` and changes nothing."""
    to_do = _count_to_do(experiment, root, data_folder, fresh=fresh, shard=shard)
    has_tuning = bool(to_do.experiment.tune)
    rows = [
        [
            one.arm.label(),
            *([str(one.tuning)] if has_tuning else []),
            *map(str, _counts(one.planned, one.done).values()),
        ]
        for one in to_do.arms
    ]
    header = ["arm", *(["tuning"] if has_tuning else []), "planned", "done", "to do"]
    return Section(
        f"{to_do.experiment.name}: dry run{f' of shard {shard}' if shard else ''}", header, rows, list(_notes(to_do))
    )


def _notes(to_do: ToDo) -> Iterator[str]:
    yield (
        f"{to_do.planned} trials, {to_do.done} done, {to_do.planned - to_do.done} to do ({to_do.epochs:,} epochs) "
        f"-> {to_do.folder}"
    )
    if to_do.may_grow:
        yield "Tuning an arm takes more trials where its best value is the outermost of the grid."
    if to_do.waits_for_others():
        yield "A shard tunes whole arms; its final trials follow once the tuning of all shards is merged."
    if to_do.tries_again:
        yield "Failed tuning trials are tried again; final trials that stay as they were count as to do."
    if to_do.downloads:
        yield f"{to_do.downloads} is not in {to_do.data_folder}; the run would download it."


def dry_run_document(
    experiment: Experiment, root: Path, data_folder: Path, *, fresh: bool, shard: Shard | None = None
) -> dict[str, Any]:
    """The same as plain data."""
    to_do = _count_to_do(experiment, root, data_folder, fresh=fresh, shard=shard)
    return {
        "name": to_do.experiment.name,
        "folder": str(to_do.folder),
        "shard": str(shard) if shard else None,
        "waits_for_other_shards": to_do.waits_for_others(),
        "trials": _counts(to_do.planned, to_do.done),
        "epochs_to_do": to_do.epochs,
        "tuning_may_ask_for_more": to_do.may_grow,
        "download": to_do.downloads,
        "arms": [
            {"arm": one.arm.to_yaml(), "label": one.arm.label(), "tuning": one.tuning} | _counts(one.planned, one.done)
            for one in to_do.arms
        ],
    }


def _counts(planned: int, done: int) -> dict[str, int]:
    return {"planned": planned, "done": done, "to_do": planned - done}
