"""What tuning tried for each arm, as lines over the values of one setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.experiment.definition import Values, label_of
from actbench.experiment.metrics import parse_metric
from actbench.experiment.records import TrialRecord
from actbench.plan.tuning import ArmTuning, Candidate, is_number

METRIC = parse_metric("validation_accuracy")


@dataclass(frozen=True)
class Tried:
    """One point: the value of the setting along x, the mean over the tuning seeds, and what became of it."""

    value: Any
    mean: float | None
    failed: int
    is_chosen: bool
    is_at_edge: bool


@dataclass(frozen=True)
class Line:
    """The values tried with everything else the same."""

    label: str
    points: tuple[Tried, ...]


@dataclass(frozen=True)
class Sensitivity:
    """All lines, by arm, over one setting; `others` says that there are more, a line for each of their values."""

    path: str
    arms: tuple[tuple[ArmTuning, tuple[Line, ...]], ...]
    others: tuple[str, ...]

    def values(self) -> list[Any]:
        """Everything that was tried along x, from the smallest, or in its order where it is no number."""
        found = list(dict.fromkeys(one.value for one in self.points()))
        return sorted(found) if all(is_number(one) for one in found) else found

    def points(self) -> list[Tried]:
        """All points of all lines."""
        return [one for _, lines in self.arms for line in lines for one in line.points]


def sensitivity_of(tunings: Sequence[ArmTuning], records: Mapping[str, TrialRecord]) -> Sensitivity:
    """Along x goes the number with the most values; other settings have a line for each of theirs."""
    tried: dict[str, dict[Any, None]] = {}
    for tuning in tunings:
        for candidate in tuning.candidates:
            for path, one in candidate.values:
                tried.setdefault(path, {})[one] = None
    along = max(tried, key=lambda path: (all(map(is_number, tried[path])), len(tried[path])))
    others = tuple(path for path in tried if path != along)
    return Sensitivity(along, tuple((tuning, _lines(tuning, records, along)) for tuning in tunings), others)


def _lines(tuning: ArmTuning, records: Mapping[str, TrialRecord], along: str) -> tuple[Line, ...]:
    groups: dict[Values, list[Tried]] = {}
    for candidate in tuning.candidates:
        rest = tuple((path, one) for path, one in candidate.values if path != along)
        groups.setdefault(rest, []).append(_tried(tuning, candidate, records, along))
    return tuple(Line(label_of(rest) if rest else tuning.arm.label(), tuple(found)) for rest, found in groups.items())


def _tried(tuning: ArmTuning, candidate: Candidate, records: Mapping[str, TrialRecord], along: str) -> Tried:
    found = [records[trial.id] for trial in candidate.trials if trial.id in records]
    values = [one for record in found if (one := METRIC.value(record)) is not None]
    is_chosen = candidate.values == tuning.chosen
    return Tried(
        value=dict(candidate.values)[along],
        mean=sum(values) / len(values) if values else None,
        failed=sum(record.outcome != "done" for record in found),
        is_chosen=is_chosen,
        is_at_edge=is_chosen and bool(tuning.edges),
    )
