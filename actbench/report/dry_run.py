"""What a run would do, without doing it."""

from __future__ import annotations

from pathlib import Path

from actbench import store
from actbench.catalogue.datasets import is_present
from actbench.experiment import Experiment
from actbench.plan import count_trials, epochs_to_do, finished, make_plan
from actbench.report.sections import Section


def dry_run_section(experiment: Experiment, folder: Path, data_folder: Path, *, fresh: bool) -> Section:
    """Trials planned, done and to do for every arm; reads the result folder and changes nothing."""
    records = {} if fresh else store.read_journal(folder).records
    known = finished(records)
    plan = make_plan(experiment, known)
    tunings = {tuning.arm.values: tuning for tuning in plan.tunings}
    rows = []
    for arm, trials in plan.arms:
        tuning = tunings[arm.values].trials() if tunings else ()
        planned = len(tuning) + len(experiment.seeds)
        done = sum(trial.id in known for trial in (*tuning, *trials))
        rows.append(
            [arm.label(), *([str(len(tuning))] if tunings else []), str(planned), str(done), str(planned - done)]
        )
    total, done = count_trials(experiment, plan), sum(key in known for key in plan.trials())
    epochs = epochs_to_do(experiment, plan, known)
    notes = [f"{total} trials, {done} done, {total - done} to do ({epochs:,} epochs) -> {folder}"]
    if tunings and not plan.is_tuned():
        notes.append("Tuning an arm takes more trials where its best value is the outermost of the grid.")
        if any(key in records and key not in known for key in plan.trials()):
            notes.append("Failed tuning trials are tried again; final trials that stay as they were count as to do.")
    dataset = experiment.settings.data.facts()
    if not is_present(dataset, data_folder):
        notes.append(f"{dataset.name} is not in {data_folder}; the run would download it.")
    header = ["arm", *(["tuning"] if tunings else []), "planned", "done", "to do"]
    return Section(f"{experiment.name}: dry run", header, rows, notes)
