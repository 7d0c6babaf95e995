"""The progress of one shard of an experiment, and the commands that come next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Phase
from actbench.plan.plan import make_plan
from actbench.plan.trials import Shard
from actbench.render.sections import Section
from actbench.store.names import EXPERIMENT
from actbench.store.results import known_trials, result_folder

PHASES: dict[Phase, str] = {"tune": "tuning", "final": "final"}


def _counts(experiment: Experiment, root: Path, shard: Shard) -> dict[str, dict[str, int]]:
    """The shard's trials by phase: how many are planned, and how many are done here or in the merged folder."""
    known = known_trials(root, experiment, shard)
    trials = make_plan(experiment, known, shard).trials()
    return {
        name: {"planned": len(ids), "done": sum(key in known for key in ids)}
        for phase, name in PHASES.items()
        if (ids := [key for key, trial in trials.items() if trial.phase == phase])
    }


def shard_section(experiment: Experiment, root: Path, shard: Shard, waits: bool) -> Section:
    """The shard's trials by phase, and what it waits for."""
    parts = _counts(experiment, root, shard)
    rows = [[name, *map(str, counts.values())] for name, counts in parts.items()]
    notes = ["A shard's table would show a part of every arm: tables and claims follow after `actbench merge`."]
    if waits and PHASES["final"] in parts:
        notes.append("The look takes the trials of all shards: those after it follow once these are merged.")
    elif waits:
        notes.append("Whole arms are tuned by one shard; final trials follow once the tuning of all shards is merged.")
    return Section(f"{experiment.name}: shard {shard}", ["trials", "planned", "done"], rows, notes)


def shard_document(experiment: Experiment, root: Path, shard: Shard, waits: bool) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "name": experiment.name,
        "shard": str(shard),
        "folder": str(result_folder(root, experiment, shard)),
        "trials": _counts(experiment, root, shard),
        "waits_for_other_shards": waits,
    }


def command_that_continues(folder: Path, shard: Shard | None) -> str:
    """The command that continues the run of a result folder under its present name."""
    which = ["--shard", str(shard)] if shard else ["--set", f"name={folder.resolve().name}"]
    return shlex.join(["actbench", "run", str(folder / EXPERIMENT), "--results", str(root_of(folder)), *which])


def root_of(folder: Path) -> Path:
    """The parent of a result folder, as typed unless that is `.` or a link."""
    there = folder.resolve().parent
    return folder.parent if folder.parent.resolve() == there else there


def next_step(merged: Path, shard: Shard, *, waits: bool) -> str:
    """What to type when all shards have come as far as this one; `merged` is the folder of the merged ones."""
    merge = f"actbench merge {shlex.quote(str(merged))}.shard-*-of-{shard.of}"
    if waits:
        return f"When all shards have come so far: {merge}, then the same command again."
    return f"When all shards are done: {merge}"
