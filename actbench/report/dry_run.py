"""What a run would do, without doing it."""

from __future__ import annotations

from actbench import store
from actbench.catalogue.datasets import is_present
from actbench.experiment import Experiment
from actbench.plan import make_plan
from actbench.report.sections import Section
from actbench.runner import RunOptions, finished


def dry_run_section(experiment: Experiment, options: RunOptions) -> Section:
    """Trials planned, done and to do for every arm; reads the result folder and changes nothing."""
    folder = options.results / experiment.name
    plan = make_plan(experiment)
    done = {} if options.fresh else finished(store.read_journal(folder).records, plan)
    rows = []
    for arm, trials in plan.arms:
        count = sum(trial.id in done for trial in trials)
        rows.append([arm.label(), str(len(trials)), str(count), str(len(trials) - count)])
    to_do = [trial for trial in plan.trials().values() if trial.id not in done]
    epochs = sum(trial.settings.train.epochs for trial in to_do)
    notes = [f"{len(plan.trials())} trials, {len(done)} done, {len(to_do)} to do ({epochs:,} epochs) -> {folder}"]
    dataset = experiment.settings.data.facts()
    if not is_present(dataset, options.data_folder):
        notes.append(f"{dataset.name} is not in {options.data_folder}; the run would download it.")
    return Section(f"{experiment.name}: dry run", ["arm", "planned", "done", "to do"], rows, notes)
