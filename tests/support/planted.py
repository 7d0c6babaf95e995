"""Result folders whose every number is chosen, for tests of what is said about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actbench.analysis.comparison import Comparison
from actbench.analysis.contrasts import Contrast
from actbench.experiment.definition import Experiment
from actbench.experiment.records import Curves, TrialRecord
from actbench.plan.plan import make_plan
from actbench.report.request import Request, requested_comparison
from actbench.report.statements import answer_line, statements
from actbench.store.journal import append_records
from actbench.store.results import Results, load_results
from builders import experiment_from, record_of

IMAGES = 10_000
UNTUNED = """
name: planted
data: {dataset: mnist}
model: {hidden: [4]}
train: {epochs: 1}
vary: {model.activation: [relu, tanh]}
seeds: 10
baseline: {model.activation: relu}
"""
TUNED = UNTUNED + "tune: {train.lr: [0.001, 0.003, 0.01]}\ntuning_seeds: 1\n"
DIVERGED = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
BEST_RATE, RATE_OUT_OF_REACH = 0.003, 1e-9

# Ten seeds of relu, and what another arm gets more of: the same ten seeds under every verdict.
RELU = [9780, 9795, 9770, 9788, 9801, 9779, 9790, 9783, 9775, 9799]
MUCH = [20, 15, 25, 18, 22, 30, 12, 19, 21, 24]
LITTLE = [5, 4, 6, 3, 7, 5, 4, 6, 5, 5]
NOTHING = [2, -3, 1, 0, -2, 4, -1, 2, -3, 1]
NOISE = [20, -25, 10, -5, 15, -20, 30, -15, 5, -10]
FIVE_ACTIVATIONS = TUNED.replace("[relu, tanh]", "[relu, tanh, elu, gelu, mish]")

Counts = Mapping[str, Sequence[int | None]]
Change = Callable[[str, int], dict[str, Any]]


def unchanged(_label: str, _seed: int) -> dict[str, Any]:
    """Records as `record_of` makes them."""
    return {}


def planted(
    folder: Path,
    counts: Counts,
    text: str = TUNED,
    *,
    change: Change = unchanged,
    best_rates: Mapping[str, float] | None = None,
) -> Results:
    """A result folder on disk, read back.

    The arms (by label) have these correct counts, seed by seed; there is no record where one is None or missing.
    `change` gives fields of a record by its arm's label and seed. Tuning finds each arm's best rate, or 0.003.
    """
    folder.mkdir(parents=True, exist_ok=True)
    experiment = experiment_from(text, folder)
    records = _tuning_records(experiment, best_rates or {})
    for arm, trials in make_plan(experiment, records).arms:
        for trial, count in zip(trials, counts.get(arm.label(), ()), strict=False):
            if count is not None:
                fields = {"test_correct_count": count} | change(arm.label(), trial.seed)
                records[trial.id] = record_of(trial, **fields)
    append_records(folder, records.values())
    return load_results(folder, folder.parent)


def _tuning_records(experiment: Experiment, best_rates: Mapping[str, float]) -> dict[str, TrialRecord]:
    """What tuning leaves where an arm gets fewer validation images right the further its rate is from the best."""
    records: dict[str, TrialRecord] = {}
    while not (plan := make_plan(experiment, records)).is_tuned():
        for tuning in plan.tunings:
            best = best_rates.get(tuning.arm.label(), BEST_RATE)
            for trial in tuning.trials():
                images = min(5000, trial.settings.data.validation_count())
                right = max(0, images - round(100 * abs(math.log10(trial.settings.train.lr / best))))
                curves = Curves(train_loss=(0.5,), train_correct_count=(9,), validation_loss=(0.5,),
                                validation_correct_count=(right,))  # fmt: skip
                record = record_of(trial, curves=curves)
                records[trial.id] = record.model_copy(update={"test_correct_count": None, "test_loss": None})
    return records


def asked(results: Results | Sequence[Results], reference: Results | None = None, **request: Any) -> Comparison:
    """What `actbench compare` would compare, with these options."""
    found = [results] if isinstance(results, Results) else list(results)
    return requested_comparison(found, reference, Request(**request), lambda line: None)


def verdicts(comparison: Comparison) -> dict[str, str | None]:
    """The verdict on every sample that is compared with another, by its label."""
    return {row.sample.label: row.contrast.verdict for row in comparison.rows if row.contrast}


def with_counts(results: Results, counts: Counts) -> Results:
    """The same folder as if its records had these correct counts, without writing them."""
    records = dict(results.records)
    for arm, trials in results.plan.arms:
        for trial, count in zip(trials, counts[arm.label()], strict=True):
            records[trial.id] = records[trial.id].model_copy(update={"test_correct_count": count})
    return replace(results, records=records)


def contrast_of(comparison: Comparison, label: str) -> Contrast:
    """The sample with this label against its baseline."""
    (found,) = [row.contrast for row in comparison.rows if row.sample.label == label]
    assert found is not None
    return found


def five_arms() -> dict[str, list[int]]:
    """Counts for relu, and for tanh, elu, gelu and mish with much, little, nothing and noise beside it."""
    gains = {"tanh": MUCH, "elu": LITTLE, "gelu": NOTHING, "mish": NOISE}
    return {"relu": RELU} | {label: above(RELU, gain) for label, gain in gains.items()}


def above(counts: Sequence[int], gains: Sequence[int]) -> list[int]:
    """Counts with so many more images right, seed by seed."""
    return [count + gain for count, gain in zip(counts, gains, strict=True)]


def said(results: Results, **request: Any) -> str:
    """The answer as one text."""
    return answer_line(statements(asked(results, **request), [results]))
