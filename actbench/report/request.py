"""Answering a request: the comparison for result folders, a metric, a baseline and a factor; short names of arms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from actbench.analysis.comparison import Comparison, Question, compare, compare_samples
from actbench.analysis.samples import Sample, arm_samples, marginal_samples
from actbench.errors import ConfigurationError, all_found
from actbench.experiment.cells import distinguishing_paths, find_references, restricted
from actbench.experiment.definition import Arm, Experiment, parse_arm
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import SettingValues, label_of, short_label, values_to_yaml
from actbench.report.statement import listed_or_counted
from actbench.store.results import Results, is_result_folder, load_results
from actbench.text import counted, did_you_mean


@dataclass(frozen=True)
class Request:
    """The options of a comparison; without a metric, of the primary one."""

    baseline: str | None = None
    metric: str | None = None
    by: str | None = None
    shared_lr: bool = False
    all_pairs: bool = False


def load_folders(
    folders: Sequence[Path], root: Path, request: Request, *, has_short_names: bool = False
) -> tuple[list[Results], Results | None]:
    """The results to compare (the latest where no folder is named), and those that `--baseline FOLDER` names."""
    metrics = (request.metric,) if request.metric else ()
    found = [load_results(folder, root, metrics=metrics) for folder in folders or (None,)]
    reference = load_reference(root, request)
    if has_short_names:
        return [with_short_names(one) for one in found], with_short_names(reference) if reference else None
    return found, reference


def load_reference(root: Path, request: Request) -> Results | None:
    """The results that `--baseline` names, where it names a folder."""
    if request.baseline is None or not is_result_folder(Path(request.baseline)):
        return None
    return load_results(Path(request.baseline), root, metrics=(request.metric,) if request.metric else ())


def requested_comparison(
    results: Sequence[Results], reference: Results | None, request: Request, say: Callable[[str], None]
) -> Comparison:
    """The requested comparison; missing or damaged trials are reported through `say`.

    Raises `ConfigurationError` on a metric, baseline or factor that the experiment does not have, and where a folder is
    named twice: its trials count once.
    """
    everything = [*results, reference] if reference else list(results)
    places = [one.folder.resolve() for one in everything]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise ConfigurationError(f"{twice.name} is named twice: compare it with other results")
    for one in everything:
        say_what_is_missing(one, say)
    first, name = results[0].experiment, request.baseline
    names = _folder_names(everything) if everything[1:] else []
    home = next((place for place, folder in enumerate(names) if name and name.startswith(f"{folder}: ")), 0)
    arm = name and name.removeprefix(f"{names[home]}: " if names else "")
    lookups: tuple[Callable[[], Any], ...] = (
        lambda: metric_of(everything, request.metric or first.primary),
        lambda: () if reference else first.baseline if arm is None else parse_arm(results[home].experiment, arm),
        lambda: _factor_of([one.experiment for one in everything], request.by),
    )
    metric, baseline, by = all_found(lookups)
    question = Question(
        metric,
        baseline,
        first.margin_of(metric),
        by=by,
        accepts_shared_rate=request.shared_lr,
        all_pairs=request.all_pairs,
        seeks_best=reference is None,
        doubt=next(filter(None, (one.seeds_doubt() for one in everything)), ""),
    )
    if len(everything) == 1:
        return compare(results[0].plan, results[0].records, question)
    return _compare_folders(results, reference, question, home)


def _folder_names(folders: Sequence[Results]) -> list[str]:
    """What the arms of each folder are told apart by: its name, or its path if another has this name."""
    short = [one.folder.resolve().name for one in folders]
    return short if len(set(short)) == len(short) else [str(one.folder) for one in folders]


def _compare_folders(
    results: Sequence[Results], reference: Results | None, question: Question, home: int
) -> Comparison:
    """The arms of several folders side by side, each against the baseline arm of one of them, its home.

    With a reference folder each arm stands against the same arm there; those of a single folder keep their names.
    """
    everything = [*results, reference] if reference else results
    names = _folder_names(everything)
    is_alone = reference is not None and len(results) == 1
    before = ["" if is_alone else f"{name}: " for name in names]
    by_folder = [_samples_in(one, question, name) for one, name in zip(results, before, strict=False)]
    samples = [sample for found in by_folder for sample in found]
    if reference is None:
        references = find_references(samples, by_folder[home], question.baseline)
    else:
        earlier = _samples_in(reference, question, f"baseline {names[-1]}: ")
        same_arm = {_spelt(sample): sample for sample in earlier}
        if not any(_spelt(sample) in same_arm for sample in samples):
            there, here = (
                listed_or_counted([arm.label() for one in folders for arm, _ in one.plan.arms], "arms")
                for folders in ([reference], results)
            )
            raise ConfigurationError(f"--baseline {reference.folder}: its arms ({there}) are none of these ({here})")
        references = [*(same_arm.get(_spelt(sample)) for sample in samples), *earlier]
        samples = [*samples, *earlier]
    plans = [one.plan for one in results]
    seeds = sorted({trial.seed for plan in plans for _, trials in plan.arms for trial in trials})
    is_judged = question.accepts_shared_rate or reference is not None or all(plan.tunings for plan in plans)
    return compare_samples(samples, references, question, seeds=tuple(seeds), is_judged=is_judged)


def _spelt(sample: Sample) -> str:
    """The arm as an experiment file spells it, whichever version of a custom function it had."""
    return json.dumps(values_to_yaml(sample.values), sort_keys=True)


def _samples_in(results: Results, question: Question, before: str) -> list[Sample]:
    """A folder's samples, with this before their labels."""
    samples = arm_samples(results.plan, results.records, question.metric)
    if question.by is not None:
        samples = marginal_samples(samples, question.by)
    return [replace(sample, label=f"{before}{sample.label}", folder=str(results.folder)) for sample in samples]


def say_what_is_missing(results: Results, say: Callable[[str], None]) -> None:
    """Report trials that are missing, and lines that are damaged."""
    if damaged := results.damaged_lines:
        verb = "is" if damaged == 1 else "are"
        say(f"{results.folder}: {counted(damaged, 'damaged line')} of the journal {verb} left out")
    if missing := results.missing():
        verb = "is" if missing == 1 else "are"
        say(f"{results.folder}: {missing} of {counted(results.planned(), 'trial')} {verb} not trained yet")
    final = sum(record.phase == "final" for record in results.records.values())
    if final and not results.plan.is_tuned():
        there = f"{counted(final, 'final trial')} in the journal"
        say(f"{results.folder}: {there} cannot be placed without the tuning trials that are missing; run restores them")


def metric_of(results: Sequence[Results], name: str) -> Metric:
    """The metric of this name, which at least one arm must have; raises `ConfigurationError`."""
    try:
        metric = parse_metric(name)
    except ValueError as unknown:
        raise ConfigurationError(str(unknown)) from None
    problems = [metric.problem(arm.settings) for one in results for arm, _ in one.plan.arms]
    if problems[0] and all(problems):
        raise ConfigurationError(problems[0])
    return metric


def _factor_of(experiments: Sequence[Experiment], name: str | None) -> str | None:
    """The path of a setting that all experiments vary, by its whole or its last name."""
    shared = set.intersection(*({factor.path for factor in experiment.factors} for experiment in experiments))
    paths = [factor.path for factor in experiments[0].factors if factor.path in shared]
    found = [path for path in paths if name in (path, path.split(".")[-1])]
    if found and not all(experiment.is_full_grid() for experiment in experiments):
        raise ConfigurationError(
            f"--by {name} averages over the other settings, but here not every combination of them is an arm"
        )
    if name is None or found:
        return found[0] if found else None
    near = did_you_mean(name, [*paths, *(path.split(".")[-1] for path in paths)])
    raise ConfigurationError(
        f"--by {name}: expected a setting that is varied{near or ': ' + (', '.join(paths) or 'none is')}"
    )


def short_names(arms: Mapping[str, SettingValues]) -> dict[str, str]:
    """Short names by label, without settings that all arms share.

    An arm that its experiment file names keeps that name. Nothing where two arms would have the same name.
    """
    paths = distinguishing_paths([*arms.values()])
    names: dict[str, str] = {}
    for label, values in arms.items():
        is_long = len(values) > 1 and is_made_of_values(label, values, paths)
        names[label] = short_label(restricted(values, paths)) if is_long else label
    return names if len(set(names.values())) == len(names) else {}


def is_made_of_values(label: str, values: SettingValues, paths: Sequence[str]) -> bool:
    """Whether a label consists of values, of all settings or of these, and is not a name from the experiment file."""
    shown = restricted(values, paths)
    return label == label_of(values) or label in (label_of(shown), short_label(shown))


def with_short_names(results: Results) -> Results:
    """The same results, with arms called as readers are told of them."""
    names = short_names({arm.label(): arm.values for arm, _ in results.plan.arms})

    def renamed(arm: Arm) -> Arm:
        return replace(arm, name=names.get(arm.label(), arm.name))

    plan = replace(
        results.plan,
        arms=tuple((renamed(arm), trials) for arm, trials in results.plan.arms),
        tunings=tuple(replace(tuning, arm=renamed(tuning.arm)) for tuning in results.plan.tunings),
    )
    return replace(results, plan=plan)
