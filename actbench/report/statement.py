"""A statement: one fact about a comparison, for a table's notes, the page's paragraph and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actbench.text import listed

Family = Literal["numbers", "baseline", "best set", "all pairs", "caveats", "claims"]

MAX_NAMES = 12


@dataclass(frozen=True)
class Statement:
    """One fact about a comparison.

    `family` names the tests that a statement about arms belongs to: against the baseline, with the best mean, or
    all pairs. `note` goes below a table and `sentence` into the page's paragraph; either is empty where it would
    repeat what is beside it.
    """

    kind: str
    family: Family
    note: str = ""
    sentence: str = ""
    arms: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The statement as plain data, with its plainest wording as `text`."""
        numbers = {"numbers": dict(self.numbers)} if self.numbers else {}
        text = self.sentence or self.note
        return {"kind": self.kind, "family": self.family, "arms": list(self.arms), **numbers, "text": text}


def few(names: Sequence[str], noun: str) -> str:
    """The names, or how many if they are many."""
    return listed(names) if len(names) <= MAX_NAMES else f"{len(names)} {noun}"
