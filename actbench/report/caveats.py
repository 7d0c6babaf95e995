"""What stands between the numbers of a result folder and a conclusion."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.definition import SECTIONS, Experiment, value_to_text
from actbench.plan.plan import PRIMARY_METRIC
from actbench.plan.tuning import in_order
from actbench.store.results import Results

PLANNED = {
    "seeds": "seeds",
    "baseline": "the baseline",
    "margin": "the margin",
    "metric": "the metric",
    "tuning_seeds": "the tuning seeds",
    "arms": "the arms or what was chosen for them",
}
MATTERS = ("torch", "numpy", "machine", "processor", "device", "device_name", "training_code")


def caveats(comparison: Comparison, results: Sequence[Results]) -> Iterator[str]:
    """One sentence for each thing to bear in mind, with its folder where there are several."""
    for one in results:
        where = f"{one.folder}: " if len(results) > 1 else ""
        yield from (f"{where}{sentence}" for sentence in (*_tuning(comparison, one), *_history(one)))
    yield from _other_settings(results)
    yield from _environments(results)
    yield from _doubts(comparison)
    if comparison.metric.name != PRIMARY_METRIC:
        yield (
            f"Descriptive: this experiment was planned to decide {PRIMARY_METRIC}; p (Holm) is adjusted within this "
            "table only."
        )


def _tuning(comparison: Comparison, results: Results) -> Iterator[str]:
    """What was chosen for each arm, and whether arms share a learning rate that suits some better than others."""
    experiment, tunings = results.experiment, results.plan.tunings
    if len(comparison.rows) < 2:
        return
    if tunings:
        count = experiment.tuning_seeds
        seeds = "1 tuning seed that is" if count == 1 else f"{count} tuning seeds that are"
        tried: dict[str, list[Any]] = {path: [] for path, _ in tunings[0].candidates[0].values}
        for values in dict.fromkeys(candidate.values for tuning in tunings for candidate in tuning.candidates):
            for path, one in values:
                tried[path] += [] if one in tried[path] else [one]
        grids = "; ".join(
            f"{path} from {', '.join(map(value_to_text, in_order(grid)))}" for path, grid in tried.items()
        )
        yield (
            f"Tuned for each arm: {grids}, by validation accuracy over {seeds} not among these; tuning.csv has all "
            "that was tried."
        )
    elif not comparison.is_judged:
        yield (
            "Not judged: nothing was tuned for each arm by itself, so this ranks how well the settings suit an arm as "
            "much as the arm."
        )
    made = [row.contrast for row in comparison.rows if row.contrast]
    are_other_arms = any(one.first.values != one.second.values for one in made) or not made
    if comparison.is_judged and are_other_arms and not _has_own_rate(experiment):
        yield "Same learning rate for all arms: ranks confound an arm with how well this rate happens to suit it."


def _has_own_rate(experiment: Experiment) -> bool:
    """Whether the learning rate is tuned for each arm, or is itself what is compared."""
    return any(factor.path == "train.lr" for factor in (*experiment.tune, *experiment.factors))


def _other_settings(results: Sequence[Results]) -> Iterator[str]:
    """Settings, apart from what is varied and tuned, in which the experiments of several folders differ."""
    first = results[0].experiment
    for one in results[1:]:
        other = one.experiment
        free = {factor.path for each in (first, other) for factor in (*each.factors, *each.tune)}
        differing = [
            f"{section}.{name}"
            for section in SECTIONS
            for name, value in getattr(first.settings, section)
            if value != getattr(getattr(other.settings, section), name) and f"{section}.{name}" not in free
        ]
        if differing:
            yield f"{results[0].folder} and {one.folder} differ in {', '.join(differing)}."


def _doubts(comparison: Comparison) -> Iterator[str]:
    failed = sum(row.sample.failed for row in comparison.rows)
    collapsed = sum(row.sample.collapsed for row in comparison.rows)
    if failed:
        kinds = (
            f"{failed} trial{'s' * (failed != 1)} failed: diverged, raised an error, or predict a single class "
            f"({collapsed} of them)"
        )
        kept = "those that predict anything stay in the mean"
        if comparison.metric.name != PRIMARY_METRIC:
            kept = "those without a finite value are left out, which flatters their arm"
        yield f"{kinds}; {kept}."
    for row in comparison.rows:
        if row.sample.doubt:
            yield f"Not judged: for {row.sample.label}, {row.sample.doubt}."


def _history(results: Results) -> Iterator[str]:
    frozen = results.frozen
    earlier = frozen.get("earlier", [])
    counts = [len(plan.get("seeds", ())) for plan in (*earlier, frozen)]
    if len(set(counts)) > 1:
        steps = " to ".join(map(str, counts))
        how = "extended" if counts[-1] == max(counts) else "changed"
        yield f"n was {how} after looking, from {steps} seeds: p-values no longer mean what they say."
    changed = [key for key in PLANNED if len({json.dumps(plan.get(key)) for plan in (*earlier, frozen)}) > 1]
    if len(set(counts)) == 1 and "seeds" in changed:
        yield "Other seeds were drawn after looking: p-values no longer mean what they say."
    if others := [PLANNED[key] for key in changed if key != "seeds"]:
        yield f"Changed after looking: {', '.join(others)} (plan.json has the earlier plans)."
    if results.test_reads:
        times = f"{results.test_reads} time{'s' * (results.test_reads != 1)}"
        yield f"In this folder the test images have been scored {times}, once per final trial."


def _environments(results: Sequence[Results]) -> Iterator[str]:
    """Whether processors, devices or versions differ, so that the same seed may have given other numbers."""
    different = set()
    for one in results:
        final = [trial.id for _, trials in one.plan.arms for trial in trials if trial.id in one.records]
        used = {one.records[trial].environment for trial in final}
        different |= {tuple(one.environments.get(name, {"id": name}).get(key) for key in MATTERS) for name in used}
    if len(different) > 1:
        yield f"Mixed environments: these trials come from {len(different)} of them, which environment.json lists."
