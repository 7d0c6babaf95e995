"""How an experiment was run: facts, environments, the commands that repeat it, and the trials that went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from actbench.catalogue.registry import NOT_LOADED, PACKAGE
from actbench.experiment.layers import resolve_layers
from actbench.experiment.records import NOT_FINITE, TrialRecord
from actbench.plan.looks import schedule_of
from actbench.plan.plan import Plan
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT
from actbench.report.tuning import tuned_text
from actbench.store.results import Results
from actbench.text import listed

ENVIRONMENT_KEYS = (
    "actbench", "commit", "training_code", "python", "torch", "torchvision", "numpy", "scipy", "pandas",
    "scikit-learn", "system", "machine", "processor", "cores", "device", "device_name", "workers",
    "threads_per_worker", "data_checksum",
)  # fmt: skip


def method_sections(results: Results) -> list[Section]:
    """The facts of the experiment, and of every environment that a trial names."""
    facts = Section("the experiment", ["what", "value"], [list(fact) for fact in _facts(results)])
    used = _environments(results)
    if not used:
        return [facts]
    found = {key: [environment.get(key) for environment in used] for key in ENVIRONMENT_KEYS}
    rows = [
        [key.replace("_", " "), *(ABSENT if one is None else str(one) for one in values)]
        for key, values in found.items()
        if any(one is not None for one in values)
    ]
    names = ["value"] if len(used) == 1 else [f"environment {environment.get('id')}" for environment in used]
    notes = ["On the CPU the same versions on such a processor give the same numbers, bit by bit."]
    if any(str(environment.get("commit")).endswith("+") for environment in used):
        notes.append(
            "A + behind the commit: the source had been changed since, and the commit alone does not repeat it."
        )
    return [facts, Section("where it ran", ["what", *names], rows, notes)]


def repeat_commands(results: Results) -> list[str]:
    """The commands that train everything again, next to the first results."""
    name, used = results.experiment.name, _environments(results)
    data = results.experiment.settings.data.dataset
    file = f"{name}.yaml"
    commits = list(dict.fromkeys(str(environment["commit"]) for environment in used if environment.get("commit")))
    commands = [f"git checkout {shlex.quote(commits[-1].rstrip('+'))}"] if commits else []
    if data.file_md5:
        commands.append(f"actbench data fetch {data.name}")
    device = " --device cpu" if used and all(environment.get("device") == "cpu" for environment in used) else ""
    own = "".join(f" --use {file}" for file in _custom_files(results))
    own += f" --use-data {shlex.quote(data.name)}" if data.source == "file" else ""
    commands.append(f"actbench run {shlex.quote(file)} --results again{device}{own}")
    return [*commands, f"actbench report {shlex.quote(f'again/{name}')} --html {shlex.quote(f'{name}.html')}"]


def _custom_files(results: Results) -> list[str]:
    """The files that custom functions come from as far as they are loaded, else `FILE`; packages need no option."""
    origins = [choice.entry.origin for choice in results.experiment.custom_choices()]
    places = [origin.place for origin in origins if origin and not origin.place.startswith(PACKAGE)]
    return list(dict.fromkeys("FILE" if place == NOT_LOADED else shlex.quote(Path(place).name) for place in places))


def _facts(results: Results) -> Iterator[tuple[str, str]]:
    experiment, plan = results.experiment, results.plan
    data = experiment.settings.data
    yield "dataset", f"{data.dataset.name}: {data.dataset.summary}"
    counts = (data.train_count(), data.validation_count(), data.test_count())
    yield "images", "{:,} to train, {:,} to validate, {:,} to test".format(*counts)
    shapes = {tuple(layer.units for layer in resolve_layers(arm.settings)) for arm, _ in plan.arms}
    if len(shapes) == 1:
        (units,) = shapes
        yield "units of the layers", " - ".join(map(str, (data.dataset.features, *units)))
    if schedule := schedule_of(experiment):
        after = listed([str(count) for count in schedule.seeds])
        yield "final seeds", f"from {experiment.seeds[0]} on, looks after {after} of them"
    else:
        yield "final seeds", ", ".join(map(str, experiment.seeds))
    if experiment.tune:
        yield "tuning seeds", f"{experiment.tuning_seeds}, other ones than the final seeds"
    records = [results.records[trial] for trial in plan.trials() if trial in results.records]
    yield "trials", f"{len(records)} of {results.planned()}"
    yield "training time", f"{sum(record.wall_seconds for record in records):,.0f} s, summed over all trials"


def _environments(results: Results) -> list[dict[str, Any]]:
    """The recorded environments of the plan's trials."""
    named = dict.fromkeys(
        results.records[trial].environment for trial in results.plan.trials() if trial in results.records
    )
    return [results.environments[name] for name in named if name in results.environments]


COLLAPSED = "predicts one class for every test image"


def failures_table(rows: Sequence[Sequence[str]]) -> Section | None:
    """One row for each trial that diverged, raised an error or collapsed; None without any."""
    if not rows:
        return None
    header = ["arm", "phase", "seed", "tuned", "what happened", "epoch", "cause"]
    notes = [
        "Diverged: the loss stopped being a finite number in that epoch, and the trial stopped there. Failed: an error "
        "ended it. Collapsed: it was trained to the end and gives every test image the same class.",
        "Trials of the tuning count against the setting that was tried, those of the final phase against the arm.",
    ]
    return Section("trials that went wrong", header, [list(row) for row in rows], notes, prose=(6,))


def failure_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[list[str]]:
    """One row for each trial that went wrong, in the order of the plan."""
    for arm, tuned, trial in plan.trials_by_arm():
        record = records.get(trial.id)
        if record is None or (ending := record.ending()) == "done":
            continue
        causes = {
            "diverged": (str(record.diverged_epoch or ABSENT), record.cause or NOT_FINITE),
            "collapsed": (ABSENT, COLLAPSED),
            "failed": (ABSENT, record.cause or "not recorded"),
        }
        yield [arm.label(), trial.phase, str(trial.seed), tuned_text(tuned), ending, *causes[ending]]
