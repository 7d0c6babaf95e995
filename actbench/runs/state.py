"""How far a run is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan


@dataclass(frozen=True)
class RunState:
    """How far a run is: trials finished (`before` of them by earlier runs), and the share of this run's epochs.

    `records` are those of all trials that have finished so far, those of earlier runs among them; the plan grows while
    arms are tuned.
    """

    total: int
    before: int
    done: int
    diverged: int
    failed: int
    epochs: int
    epochs_to_do: int
    seconds: float
    plan: Plan = field(default_factory=partial(Plan, ()))
    records: Mapping[str, TrialRecord] = field(default_factory=dict)

    def seconds_left(self) -> float | None:
        """Extrapolated from this run's epochs; None before two percent of them, which start-up distorts."""
        if self.epochs == 0 or 50 * self.epochs < self.epochs_to_do:
            return None
        return self.seconds * (self.epochs_to_do - self.epochs) / self.epochs
