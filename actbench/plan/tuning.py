"""Tuned settings, chosen for each arm on the validation images before its final trials begin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actbench.experiment.cells import Group, product
from actbench.experiment.compatibility import conflicts
from actbench.experiment.definition import Arm, Experiment, with_values
from actbench.experiment.metrics import Metric, parse_metric
from actbench.experiment.naming import SettingValues
from actbench.experiment.records import Trial, TrialRecord
from actbench.experiment.validation import validated_setting
from actbench.plan.trials import make_trials

MAX_EXTENSIONS = 2
TIE_DIGITS = 12  # sums of equal counts of images are equal, whatever their fractions round to


@dataclass(frozen=True)
class Candidate:
    """Values of the tuned settings that are tried for an arm, with the trials that try them."""

    values: SettingValues
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class ArmTuning:
    """The tuning of one arm.

    `chosen` is None while trials of a candidate are missing. `edges` are the settings whose chosen value is at the edge
    of the fully extended grid. `metric` is what they are chosen by.
    """

    arm: Arm
    candidates: tuple[Candidate, ...]
    chosen: SettingValues | None = None
    edges: tuple[str, ...] = ()
    metric: str = "validation_accuracy"

    def is_settled(self) -> bool:
        """Whether the values are chosen."""
        return self.chosen is not None

    def trials(self) -> tuple[Trial, ...]:
        """The trials of all candidates."""
        return tuple(trial for candidate in self.candidates for trial in candidate.trials)


def tune_arm(
    experiment: Experiment, arm: Arm, records: Mapping[str, TrialRecord], training_code: int | None = None
) -> ArmTuning:
    """The tuned values of an arm by its records, or the trials that are still needed.

    All candidates are tried with the same tuning seeds, distinct from the final ones, for the full number of epochs.
    The best has the best validation metric after the last epoch; candidates with diverged or failed trials rank behind
    all others; ties go to the smaller value. An optimum at the edge of its grid extends it by one step of the same
    ratio, at most twice. With a tuning margin, a candidate that is behind the best by more than it after the first seed
    gets no further seeds and cannot be chosen.
    """
    metric, seeds = parse_metric(experiment.tuned_by()), range(experiment.tuning_seeds)
    grids = {group.paths: _in_order(group.rows) for group in experiment.tuned_rows(arm)}
    extensions = dict.fromkeys(grids, 0)
    eliminated: dict[SettingValues, bool] = {}
    while True:
        candidates = tuple(
            Candidate(values, make_trials(with_values(arm.settings, values), seeds, "tune", training_code))
            for values in product(Group(paths, rows).cells() for paths, rows in grids.items())
        )
        if experiment.tuning_margin is not None:
            first = tuple(replace(candidate, trials=candidate.trials[:1]) for candidate in candidates)
            if any(candidate.trials[0].id not in records for candidate in first):
                return ArmTuning(arm, _without(candidates, eliminated, unsure=True), metric=metric.name)
            ranks = [rank(candidate, records, metric) for candidate in first]
            fewest_bad, best = min(ranks)
            for candidate, (bad, total) in zip(first, ranks, strict=True):
                is_behind = bad > fewest_bad or round(total - best, TIE_DIGITS) > experiment.tuning_margin
                eliminated.setdefault(candidate.values, is_behind)
            candidates = _without(candidates, eliminated)
        if any(trial.id not in records for candidate in candidates for trial in candidate.trials):
            return ArmTuning(arm, candidates, metric=metric.name)
        remaining = [candidate for candidate in candidates if not eliminated.get(candidate.values)]
        chosen = min(remaining, key=lambda candidate: rank(candidate, records, metric)).values
        columns = {
            path: column
            for paths, rows in grids.items()
            for path, column in zip(paths, zip(*rows, strict=True), strict=True)
        }
        edges = [path for path, value in chosen if _is_at_edge(value, columns[path])]
        extended = {
            path: value
            for path in edges
            if (path,) in grids
            and extensions[path,] < MAX_EXTENSIONS
            and (value := _next_value(arm, path, dict(chosen)[path], columns[path])) is not None
        }
        if not extended:
            return ArmTuning(arm, candidates, chosen, tuple(edges), metric.name)
        for path, value in extended.items():
            grids[path,] = _in_order((*grids[path,], (value,)))
            extensions[path,] += 1


def _in_order(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Rows of one number each from the smallest; any others as they were given."""
    return tuple(sorted(rows)) if all(len(row) == 1 and is_number(row[0]) for row in rows) else tuple(rows)


def _without(
    candidates: Sequence[Candidate], eliminated: Mapping[SettingValues, bool], *, unsure: bool = False
) -> tuple[Candidate, ...]:
    """The candidates, eliminated (or unknown) ones with their first trial only."""
    return tuple(
        replace(candidate, trials=candidate.trials[:1]) if eliminated.get(candidate.values, unsure) else candidate
        for candidate in candidates
    )


def rank(candidate: Candidate, records: Mapping[str, TrialRecord], metric: Metric) -> tuple[int, float]:
    """Trials that diverged, failed or lack the metric, then its sum, smaller if better: the smallest is the best."""
    trained = [records[trial.id] for trial in candidate.trials]
    values = [metric.value(record) for record in trained]
    bad = sum(record.outcome != "done" or value is None for record, value in zip(trained, values, strict=True))
    total = math.fsum(value for value in values if value is not None)
    return bad, round(-total if metric.larger_is_better else total, TIE_DIGITS)


def in_order(values: Sequence[Any]) -> tuple[Any, ...]:
    """Numbers from the smallest; anything else as it was given."""
    return tuple(sorted(values)) if all(map(is_number, values)) else tuple(values)


def is_number(value: Any) -> bool:
    """Whether a setting's value is one; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_at_edge(value: Any, grid: Sequence[Any]) -> bool:
    """Whether a number is the smallest or largest of its grid, and not 0, at which settings end."""
    numbers = sorted(filter(is_number, grid))
    return is_number(value) and value != 0 and len(numbers) > 1 and value in (numbers[0], numbers[-1])


def _next_value(arm: Arm, path: str, value: Any, grid: Sequence[Any]) -> Any | None:
    """One step of the grid's ratio beyond its edge, whole or to three digits; None if the setting ends."""
    numbers = sorted(filter(is_number, grid))
    neighbour = numbers[1] if value == numbers[0] else numbers[-2]
    if neighbour <= 0:
        return None
    beyond = value * value / neighbour
    found, mistakes = validated_setting(path, round(beyond) if isinstance(value, int) else float(f"{beyond:.3g}"))
    if (
        mistakes
        or found in grid
        or any(one.impossible for one in conflicts(with_values(arm.settings, ((path, found),))))
    ):
        return None
    return found
