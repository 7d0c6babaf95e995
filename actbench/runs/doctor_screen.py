"""What `doctor` found, as a table and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actbench.render.sections import Section

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: a `problem` stands in the way of training, a `note` does not; `cure` ends it."""

    name: str
    state: State
    found: str
    cure: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def is_ready(checks: Sequence[Check]) -> bool:
    """Whether nothing stands in the way of training."""
    return all(check.state != "problem" for check in checks)


def doctor_section(checks: Sequence[Check]) -> Section:
    """A row for everything that was looked at, and below what to do."""
    problems = sum(check.state == "problem" for check in checks)
    verdict = "Everything to train on the CPU is here." if not problems else f"{problems} of these stand in the way."
    cures = [f"{check.name}: {check.cure}" for check in checks if check.cure]
    rows = [[check.name, check.state, check.found] for check in checks]
    return Section("doctor", ["what", "state", "found"], rows, [*cures, verdict], prose=(2,))


def doctor_document(checks: Sequence[Check]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "ready": is_ready(checks),
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "found": check.found,
                "cure": check.cure or None,
                "facts": dict(check.facts),
            }
            for check in checks
        ],
    }
