"""Learning curves of every arm by seed, with their means and the intervals of those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actbench.analysis.comparison import Comparison
from actbench.experiment.definition import Values
from actbench.lazy import LazyModule
from actbench.statistics.intervals import CONFIDENCE, t_quantile
from actbench.store.results import Results

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]
else:
    np = LazyModule("numpy")

LONG_TRAINING_EPOCHS = 200


@dataclass(frozen=True)
class ArmSeries:
    """An arm's accuracy after each epoch, a row for each seed, not a number after the epoch at which a trial stopped.

    `part` is validation, or train where no images were held out. `reference` are the values of the arm that this one is
    compared with, None where there is no baseline.
    """

    label: str
    values: Values
    part: str
    reference: Values | None
    seeds: Numbers

    @property
    def is_baseline(self) -> bool:
        """Whether others are compared with this arm."""
        return self.reference == self.values

    def epochs(self) -> int:
        """How many epochs the longest trial took."""
        return int(self.seeds.shape[1])

    def mean(self) -> Numbers:
        """The mean over the trials that reached an epoch."""
        found: Numbers = np.nanmean(self.seeds, axis=0)
        return found

    def band(self) -> tuple[Numbers, Numbers]:
        """The 95 % t interval of the mean, within what an accuracy can be; not a number below two trials."""
        count = np.isfinite(self.seeds).sum(axis=0)
        squares = np.nansum((self.seeds - self.mean()) ** 2, axis=0)
        known = np.maximum(count, 2)
        error = np.sqrt(squares / (known - 1) / known)
        quantiles = np.array([t_quantile((1 + CONFIDENCE) / 2, int(n) - 1) for n in known])
        reach = np.where(count > 1, error * quantiles, np.nan)
        return np.clip(self.mean() - reach, 0, 1), np.clip(self.mean() + reach, 0, 1)

    def last_mean(self) -> float:
        """Where the curve ends."""
        return float(self.mean()[-1])


def arm_series(results: Results, comparison: Comparison) -> list[ArmSeries]:
    """One for each arm that has been trained for at least one epoch, in the order of the plan."""
    baseline = dict(comparison.baseline)
    found = []
    for arm, trials in results.plan.arms:
        records = [results.records[trial.id] for trial in trials if trial.id in results.records]
        part = "validation" if arm.settings.data.validation_count() else "train"
        counts = [
            (getattr(record.curves, f"{part}_correct_count"), getattr(record, f"{part}_count")) for record in records
        ]
        counts = [(count, images) for count, images in counts if count]
        if not counts:
            continue
        seeds = np.full((len(counts), max(len(count) for count, _ in counts)), np.nan)
        for row, (count, images) in enumerate(counts):
            seeds[row, : len(count)] = np.asarray(count) / images
        reference = tuple((path, baseline.get(path, value)) for path, value in arm.values) if baseline else None
        found.append(ArmSeries(arm.label(), arm.values, part, reference, seeds))
    return found


def reference_of(one: ArmSeries, series: Sequence[ArmSeries]) -> ArmSeries | None:
    """The baseline that an arm stands against, unless it is one itself."""
    return next((other for other in series if other.values == one.reference != one.values), None)


def thinned_epochs(last: int, most: int) -> list[int]:
    """At most so many epochs from the first to the last: evenly spaced, or by ratio in a long training."""
    if last <= most:
        return list(range(1, last + 1))
    steps = most - 1
    if last > LONG_TRAINING_EPOCHS:
        return sorted({round(last ** (step / steps)) for step in range(most)})
    return sorted({round(1 + (last - 1) * step / steps) for step in range(most)})
