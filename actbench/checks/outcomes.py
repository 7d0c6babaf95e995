"""Answers to checks, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from actbench.experiment.choices import Choice

Outcome = Literal["pass", "refused", "note", "skipped"]


@dataclass(frozen=True)
class Check:
    """A check of an entry and its answer; only `refused` keeps the entry from being trained."""

    name: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Examination:
    """A catalogue entry with the answers to all its checks."""

    choice: Choice
    checks: tuple[Check, ...]

    def refusals(self) -> list[Check]:
        """The checks that keep it from being trained."""
        return [check for check in self.checks if check.outcome == "refused"]
