"""Caveats: what to bear in mind before a conclusion is drawn from a comparison."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from actbench.analysis.comparison import Comparison
from actbench.experiment.definition import SECTIONS, Experiment
from actbench.experiment.layers import resolve_layers
from actbench.experiment.metrics import parse_metric
from actbench.experiment.naming import label_of, settings_by_path, value_to_text
from actbench.experiment.records import recorded, sum_endings, unusable_document, unusable_text
from actbench.plan.tuning import in_order
from actbench.report.numbers import metric_in_words
from actbench.report.short import MAX_ALIKE_RATIO
from actbench.report.statement import MAX_NAMES, Statement, fresh_seeds, listed_or_counted
from actbench.statistics.intervals import exact_binomial_interval
from actbench.store.results import Results
from actbench.text import counted

SHARED_RATE = "Same learning rate for all arms: ranks confound an arm with how well this rate happens to suit it."
NEAR_CHANCE = 0.05  # of the way from chance to all images
FAR_FROM_CHANCE = 0.25  # of that way: so few images that this could be true say nothing of chance
PLANNED = {
    "seeds": "seeds", "baseline": "the baseline", "margin": "the margin", "match": "the matching of sizes",
    "metric": "the metric", "tuning_seeds": "the tuning seeds", "arms": "the arms or what was chosen for them",
}  # fmt: skip
KEYS_THAT_CHANGE_NUMBERS = (
    "torch", "numpy", "machine", "processor", "device", "device_name", "compiled_functions", "training_code",
)  # fmt: skip


def folder_caveats(comparison: Comparison, results: Results) -> Iterator[Statement]:
    """How one folder's arms were tuned, which of them learned next to nothing, and what was changed after looking."""
    yield from _tuning(comparison, results)
    yield from _other_baseline(comparison, results)
    yield from _at_chance(results)
    yield from _history(results)


def comparison_caveats(comparison: Comparison, results: Sequence[Results]) -> Iterator[Statement]:
    """In what the folders differ, which trials are unusable or missing, and which arms are not judged."""
    yield from _differing_settings(results)
    yield from _differing_environments(results)
    yield from _sizes(comparison, results)
    yield from _widths(results)
    yield from _doubts(comparison, results)


def _tuning(comparison: Comparison, results: Results) -> Iterator[Statement]:
    """What was chosen for each arm, and whether arms share a learning rate that suits some better than others."""
    experiment, tunings = results.experiment, results.plan.tunings
    if len(comparison.rows) < 2:
        return
    if tunings:
        yield Statement("tuned", "caveats", _tuned_note(results))
    elif not comparison.is_judged:
        note = (
            "Not judged: nothing was tuned per arm, so the ranking reflects how well the shared settings suit each arm "
            "as much as the arm itself."
        )
        yield Statement("not_tuned", "caveats", note)
    contrasts = comparison.contrasts()
    are_other_arms = any(one.first.values != one.second.values for one in contrasts) or not contrasts
    if comparison.is_judged and are_other_arms and not has_own_rate(experiment):
        yield Statement("shared_rate", "caveats", SHARED_RATE)


def has_own_rate(experiment: Experiment) -> bool:
    """Whether the learning rate is tuned for each arm, or varied, rather than the same for all."""
    return any(factor.path == "train.lr" for factor in (*experiment.tune, *experiment.factors))


def _other_baseline(comparison: Comparison, results: Results) -> Iterator[Statement]:
    """That the arms are compared with another baseline than planned."""
    planned, chosen = results.experiment.baseline, comparison.baseline
    if planned and chosen and planned != chosen:
        labels = {arm.values: arm.label() for arm, _ in results.plan.arms}
        first, other = (labels.get(values, label_of(values)) for values in (planned, chosen))
        note = (
            f"Planned was the baseline {first}: comparisons with {other} are exploratory, since this baseline may have "
            "been chosen after looking."
        )
        yield Statement("other_baseline", "caveats", note)


def _tuned_note(results: Results) -> str:
    tunings, count = results.plan.tunings, results.experiment.tuning_seeds
    seeds = "1 tuning seed that is" if count == 1 else f"{count} tuning seeds that are"
    tried = settings_by_path(candidate.values for tuning in tunings for candidate in tuning.candidates)
    are_unlike = len({frozenset(each.values for each in tuning.candidates) for tuning in tunings}) > 1
    some = " (not all by every arm)" * are_unlike
    grids = [f"{path} from {', '.join(map(value_to_text, in_order(grid)))}" for path, grid in tried.items()]
    metric = metric_in_words(parse_metric(tunings[0].metric))
    return (
        f"Tuned for each arm: {'; '.join(grids)}{some}, by {metric} over {seeds} not among these; tuning.csv has all "
        "that was tried."
    )


def _at_chance(results: Results) -> Iterator[Statement]:
    """Arms that learned next to nothing although no network of theirs that counts gives all images the same class."""
    chance = 1 / results.experiment.settings.data.dataset.classes
    accuracies: dict[str, float] = {}
    for arm, trials in results.plan.arms:
        done = [record for record in recorded(trials, results.records) if record.ending() == "done"]
        usable = [record for record in done if sum(map(bool, record.test_prediction_counts)) > 1]
        if images := sum(record.test_count for record in usable):
            correct, each = sum(record.test_correct_count or 0 for record in usable) / images, usable[0].test_count
            _, highest = exact_binomial_interval(round(correct * each), each)
            bounds = [chance + share * (1 - chance) for share in (NEAR_CHANCE, FAR_FROM_CHANCE)]
            if correct <= bounds[0] and highest <= bounds[1]:
                accuracies[arm.label()] = correct
    if accuracies:
        named = [f"{label} ({100 * accuracy:.1f} %)" for label, accuracy in accuracies.items()]
        note = (
            f"Near chance ({100 * chance:.0f} % of the test images) although several classes are predicted: "
            f"{listed_or_counted(named, 'arms')}. Try other learning rates, or a loss that belongs to the output."
        )
        yield Statement("at_chance", "caveats", note, arms=tuple(accuracies), numbers={"chance": chance})


def _history(results: Results) -> Iterator[Statement]:
    """What was changed after the first final trial, and how often the test images were scored."""
    plans = [*results.frozen_plan.get("earlier", []), results.frozen_plan]
    counts = [len(plan.get("seeds", ())) for plan in plans]
    changed = [key for key in PLANNED if len({json.dumps(plan.get(key)) for plan in plans}) > 1]
    is_doubtful, steps = bool(results.seeds_doubt()), " to ".join(map(str, counts))
    if len(set(counts)) > 1:
        how = "extended" if counts == sorted(counts) else "changed"
        seen = {record.seed for record in results.records.values() if record.phase == "final"}
        fresh = fresh_seeds(counts[-1], results.experiment.comparisons(), seen)
        doubt = f"nothing is judged. A new plan with fresh seeds can decide: {fresh}"
        end = doubt if is_doubtful else "the new seeds are fresh"
        yield Statement("changed_seeds", "caveats", f"n was {how} after looking, from {steps} seeds: {end}.")
    elif "seeds" in changed:
        end = "not all are fresh, and nothing is judged" if is_doubtful else "those of the earlier plan do not count"
        yield Statement("changed_seeds", "caveats", f"Other seeds were drawn after looking: {end}.")
    warnings = results.frozen_plan.get("warnings", [])
    for warning in warnings[:MAX_NAMES]:
        yield Statement("warning", "caveats", f"Warning: {warning}.")
    if more := len(warnings[MAX_NAMES:]):
        yield Statement("warning", "caveats", f"{counted(more, 'more warning')}: plan.json has all.")
    if others := [PLANNED[key] for key in changed if key != "seeds"]:
        note = f"Changed after looking: {', '.join(others)} (plan.json has the earlier plans)."
        yield Statement("changed_plan", "caveats", note)
    if reads := results.test_reads:
        note = f"In this folder the test images have been scored {counted(reads, 'time')}, once per final trial."
        yield Statement("test_reads", "caveats", note, numbers={"test_reads": reads})


def _differing_settings(results: Sequence[Results]) -> Iterator[Statement]:
    """Settings, apart from what is varied and tuned, in which the experiments of several folders differ."""
    for folder in results[1:]:
        first, other = results[0].experiment, folder.experiment
        free = {factor.path for each in (first, other) for factor in (*each.factors, *each.tune)}
        differing = [
            f"{section}.{name}"
            for section in SECTIONS
            for name, setting in getattr(first.settings, section)
            if setting != getattr(getattr(other.settings, section), name) and f"{section}.{name}" not in free
        ]
        if differing:
            note = f"{results[0].folder} and {folder.folder} differ in {', '.join(differing)}."
            yield Statement("differing_settings", "caveats", note)


def _differing_environments(results: Sequence[Results]) -> Iterator[Statement]:
    """Whether processors, devices or versions differ, so that the same seed may have given other numbers."""
    different = set()
    for folder in results:
        used = {one.environment for _, trials in folder.plan.arms for one in recorded(trials, folder.records)}
        known = [folder.environments[name] for name in used if name in folder.environments]
        different |= {tuple(one.get(key) for key in KEYS_THAT_CHANGE_NUMBERS) for one in known}
    if len(different) > 1:
        note = f"Mixed environments: these trials come from {len(different)} of them, which environment.json lists."
        yield Statement("differing_environments", "caveats", note, numbers={"environments": len(different)})


def _sizes(comparison: Comparison, results: Sequence[Results]) -> Iterator[Statement]:
    """What making the arms equally large has changed and left, or how different their sizes are."""
    matched = {arm.label(): arm.matched for one in results for arm, _ in one.plan.arms if arm.matched}
    if matched:
        changed = [
            f"{label} has {counted(one.units, 'unit')} instead of {one.given} in layer {one.layer} "
            f"({one.left:+,} parameters)"
            for label, one in matched.items()
            if one.units != one.given
        ]
        left = max(abs(one.left) / one.target for one in matched.values())
        named = f": {listed_or_counted(changed, 'arms are changed')}" if changed else ""
        note = f"As large as the baseline to {100 * left:.2g} % of its parameters{named}."
        numbers = {label: asdict(one) for label, one in matched.items()}
        yield Statement("matched", "caveats", note, arms=tuple(matched), numbers=numbers)
    elif comparison.size_ratio() > MAX_ALIKE_RATIO:
        counts = {row.sample.label: row.sample.size.parameters for row in comparison.rows if row.sample.size}
        least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        note = (
            f"Of different sizes: {counts[least]:,} ({least}) to {counts[most]:,} parameters ({most}), which may "
            "explain a difference; `match: parameters` makes arms equally large."
        )
        yield Statement("sizes", "caveats", note, arms=(least, most), numbers=counts)


def _widths(results: Sequence[Results]) -> Iterator[Statement]:
    """That networks of other widths are not drawn alike."""
    arms = [arm for one in results for arm, _ in one.plan.arms]
    if len({tuple(layer.units for layer in resolve_layers(arm.settings)) for arm in arms}) > 1:
        note = "Networks of other widths have other draws of weights, so that pairing by seed removes less noise."
        yield Statement("widths", "caveats", note)


def _doubts(comparison: Comparison, results: Sequence[Results]) -> Iterator[Statement]:
    """Trials that failed or are missing, and arms that are not judged."""
    samples = [row.sample for row in comparison.rows]
    endings = sum_endings(sample.endings for sample in samples)
    numbers = unusable_document(endings) | {"trials": sum(sample.trials for sample in samples)}
    if failed := numbers["failed"]:
        kept = "those that predict anything stay in the mean"
        if not comparison.metric.name.endswith("accuracy"):
            kept = "those without a finite value are left out, which flatters their arm"
        note = f"{counted(failed, 'trial')} unusable, counted as (failed): {unusable_text(endings)}; {kept}."
        yield Statement("failed", "caveats", note, numbers=numbers)
    missing, planned = sum(one.missing() for one in results), sum(one.planned() for one in results)
    if missing:
        note = f"Still missing: {missing} of {counted(planned, 'training')}, so all this is provisional."
        yield Statement("missing", "caveats", note, numbers={"missing": missing, "planned": planned})
    by_doubt: dict[str, list[str]] = {}
    for row in (row for row in comparison.rows if row.sample.doubt):
        by_doubt.setdefault(row.sample.doubt, []).append(row.sample.label)
    if by_doubt:
        reasons = "; ".join(f"{listed_or_counted(labels, 'arms')} ({doubt})" for doubt, labels in by_doubt.items())
        arms = tuple(label for labels in by_doubt.values() for label in labels)
        yield Statement("not_judged", "caveats", f"Not judged: {reasons}.", arms)
