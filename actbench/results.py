"""Reading a result folder back: its experiment, its plan and its records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actbench import store
from actbench.config import load_experiment
from actbench.experiment import Experiment
from actbench.plan import Plan, make_plan
from actbench.records import TrialRecord


@dataclass(frozen=True)
class Results:
    """What a result folder says."""

    folder: Path
    experiment: Experiment
    plan: Plan
    records: dict[str, TrialRecord]
    damaged_lines: int

    def missing(self) -> int:
        """Trials of the experiment that have not been trained."""
        return sum(trial not in self.records for trial in self.plan.trials())


def load_results(folder: Path | None, root: Path) -> Results:
    """Read a result folder, or the latest under `root`; raises `ConfigurationError` where there is none."""
    found = store.require_result_folder(folder) if folder else store.latest_folder(root)
    experiment = load_experiment(found / store.EXPERIMENT).experiment
    journal = store.read_journal(found)
    return Results(found, experiment, make_plan(experiment), journal.records, journal.damaged_lines)
