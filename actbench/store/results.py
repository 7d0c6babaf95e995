"""Reading a result folder back: its experiment, its plan and its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actbench.config.reader import load_experiment
from actbench.experiment import records
from actbench.experiment.definition import Claim, Experiment
from actbench.experiment.records import Ending, TrialRecord, count_endings
from actbench.plan.plan import Plan, count_trials, finished_for_shard, finished_in_looks, make_plan
from actbench.plan.trials import Shard, shard_of
from actbench.store.folder import (
    environments_by_id,
    latest_folder,
    latest_training_code,
    read_plan,
    require_readable,
    require_result_folder,
)
from actbench.store.journal import Journal, read_journal
from actbench.store.names import EXPERIMENT
from actbench.text import say


@dataclass(frozen=True)
class Results:
    """The contents of a result folder.

    `frozen_plan` is the plan as it was before the first final trial; `test_reads` counts how often the test images were
    scored; `environments` are by the ids that records name.
    """

    folder: Path
    experiment: Experiment
    plan: Plan
    records: dict[str, TrialRecord]
    damaged_lines: int
    frozen_plan: dict[str, Any]
    test_reads: int
    environments: dict[str, dict[str, Any]]

    @property
    def training_code(self) -> int:
        """The version of the training code whose trials these are."""
        return latest_training_code(self.environments)

    def endings(self) -> Counter[Ending]:
        """Counts of the experiment's trials by ending, without trials of earlier versions."""
        return count_endings(self.records[trial] for trial in self.plan.trials() if trial in self.records)

    def mostly_unusable(self) -> list[str]:
        """The labels of the arms with more unusable than usable final trials."""
        labels = []
        for arm, trials in self.plan.arms:
            endings = count_endings(self.records[trial.id] for trial in trials if trial.id in self.records)
            if endings.total() > 2 * endings["done"]:
                labels.append(arm.label())
        return labels

    def planned(self) -> int:
        """The number of distinct trials of the experiment that are known so far."""
        return count_trials(self.experiment, self.plan, self.records)[0]

    def seeds_doubt(self) -> str:
        """Why nothing may be judged, if seeds were added or removed after final trials had been seen; else empty.

        Fresh seeds, of which no earlier plan had any, decide as if they were the first.
        """
        are_changed = any(has_other_seeds(plan, self.frozen_plan) for plan in self.frozen_plan.get("earlier", []))
        return "seeds or looks were changed after looking" if are_changed else ""

    def is_exploratory(self, claim: Claim) -> bool | None:
        """Whether a claim was added after final trials had begun; None where the plan does not record claims."""
        plans = [
            plan["claims"] for plan in (*self.frozen_plan.get("earlier", []), self.frozen_plan) if "claims" in plan
        ]
        meaning = _without_wording(claim.to_record())
        return any(meaning not in map(_without_wording, claims) for claims in plans) if plans else None

    def missing(self) -> int:
        """Trials of the experiment that have not been trained."""
        planned, trained = count_trials(self.experiment, self.plan, self.records)
        return planned - trained


def has_other_seeds(plan: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a frozen plan shares seeds with the one of now, and has others too, or other looks."""
    seeds, seeds_now = set(plan.get("seeds", ())), set(now.get("seeds", ()))
    return bool(seeds & seeds_now) and (seeds != seeds_now or plan.get("looks") != now.get("looks"))


def _without_wording(claim: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in claim.items() if key != "claim"}


def result_folder(root: Path, experiment: Experiment, shard: Shard | None = None) -> Path:
    """An experiment's result folder; a shard has its own beside it."""
    return root / (shard.folder_name(experiment.name) if shard else experiment.name)


def known_trials(
    root: Path, experiment: Experiment, shard: Shard | None = None, journal: Journal | None = None
) -> dict[str, TrialRecord]:
    """The finished trials in a run's folder and, for a shard, in the folder of merged shards.

    Its own journal is read again only if it has changed since `journal` was read. Raises `UnusableEnvironmentError` if
    a journal cannot be read.
    """
    own = read_journal(result_folder(root, experiment, shard), journal, has_probes=_reads_probes(experiment, ()))
    return _finished(root, experiment, own.records, shard)


def _finished(
    root: Path,
    experiment: Experiment,
    own: Mapping[str, TrialRecord],
    shard: Shard | None,
    training_code: int | None = None,
) -> dict[str, TrialRecord]:
    """The trials among a folder's own records, and for a shard among the merged ones, that need no training."""
    if shard is None:
        return finished_in_looks(experiment, own, training_code)
    merged = read_journal(result_folder(root, experiment), has_probes=_reads_probes(experiment, ()))
    return finished_for_shard(own, merged.records, with_looks=experiment.looks is not None)


def plan_and_finished_trials(results: Results) -> tuple[Plan, dict[str, TrialRecord]]:
    """The plan of runs in the folder, a shard's if the folder is one's, and the trials that are finished."""
    experiment, folder = results.experiment, results.folder.resolve()
    shard = shard_of(folder.name, experiment.name)
    known = _finished(folder.parent, experiment, results.records, shard, results.training_code)
    return (make_plan(experiment, known, shard, results.training_code) if shard else results.plan), known


def other_training_code(folder: Path) -> str:
    """A sentence about a folder with trials of another version of the training code; else empty."""
    version, this = latest_training_code(environments_by_id(folder)), records.TRAINING_CODE_VERSION
    if version == this:
        return ""
    return (
        f"{folder} was trained by training code {version}, and this is {this}, which gives other numbers: "
        "earlier trials stay in the journal, but only new ones count."
    )


def is_result_folder(path: Path) -> bool:
    """Whether this path is an experiment's result folder."""
    return (path / EXPERIMENT).is_file()


def earlier_results(experiment: Experiment, root: Path) -> Results | None:
    """What an experiment's own folder holds, without layer probes; None where there is no such folder."""
    folder = root / experiment.name
    return load_results(folder, root, metrics=()) if is_result_folder(folder) else None


def recorded_experiment(folder: Path) -> Experiment:
    """The experiment of a result folder; raises as `load_results` does."""
    require_readable(folder / EXPERIMENT)
    return load_experiment(folder / EXPERIMENT, is_record=True).experiment


def load_results(
    folder: Path | None,
    root: Path = Path("results"),
    journal: Journal | None = None,
    metrics: Iterable[str] | None = None,
) -> Results:
    """Read a result folder, or the latest under `root`; its journal only if it has changed since `journal` was read.

    If only `metrics` and those of the claims are wanted, and none is about layers, records lack their layer probes.
    Its trials are those of the training code that its latest environment names, so that a newer one leaves them valid.
    Raises `ConfigurationError` where there is none, and `UnusableEnvironmentError` where it cannot be read.
    """
    if folder is None:
        folder = latest_folder(root)
        say(f"Reading {folder}")
    require_result_folder(folder, root)
    experiment = recorded_experiment(folder)
    journal = read_journal(folder, journal, has_probes=_reads_probes(experiment, metrics))
    environments = environments_by_id(folder)
    return Results(
        folder=folder,
        experiment=experiment,
        plan=make_plan(experiment, journal.records, training_code=latest_training_code(environments)),
        records=journal.records,
        damaged_lines=journal.damaged_lines,
        frozen_plan=read_plan(folder),
        test_reads=journal.test_reads,
        environments=environments,
    )


def _reads_probes(experiment: Experiment, metrics: Iterable[str] | None) -> bool:
    """Whether a metric or that of a claim is about layers, by its name; True if `metrics` is None."""
    claimed = [claim.metric for claim in experiment.claims]
    return metrics is None or any("layer" in name for name in (*metrics, experiment.primary, *claimed))
