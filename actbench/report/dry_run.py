"""What a run would do, without doing it."""

from __future__ import annotations

from pathlib import Path

from actbench import store
from actbench.catalogue.datasets import is_present
from actbench.experiment import Experiment
from actbench.plan import finished, make_plan
from actbench.report.sections import Section


def dry_run_section(experiment: Experiment, folder: Path, data_folder: Path, *, fresh: bool) -> Section:
    """Trials planned, done and to do for every arm; reads the result folder and changes nothing."""
    plan = make_plan(experiment)
    done = {} if fresh else finished(store.read_journal(folder).records, plan)
    rows = []
    for arm, trials in plan.arms:
        count = sum(trial.id in done for trial in trials)
        rows.append([arm.label(), str(len(trials)), str(count), str(len(trials) - count)])
    to_do = [trial for trial in plan.trials().values() if trial.id not in done]
    epochs = sum(trial.settings.train.epochs for trial in to_do)
    notes = [f"{len(plan.trials())} trials, {len(done)} done, {len(to_do)} to do ({epochs:,} epochs) -> {folder}"]
    dataset = experiment.settings.data.facts()
    if not is_present(dataset, data_folder):
        notes.append(f"{dataset.name} is not in {data_folder}; the run would download it.")
    return Section(f"{experiment.name}: dry run", ["arm", "planned", "done", "to do"], rows, notes)
