"""A statement: one fact about a comparison in one wording, for the answer, a table's notes, the page and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from actbench.statistics.multiple import ALPHA
from actbench.statistics.power import fewest_seeds
from actbench.text import counted, listed

Family = Literal["numbers", "baseline", "best set", "all pairs", "caveats", "claims"]

MAX_NAMES = 12
FRESH_SEEDS = 1000  # far from those that an experiment begins with


@dataclass(frozen=True)
class Statement:
    """One fact about a comparison.

    `family` names the tests that a statement about arms belongs to: against the baseline, with the best mean, or
    all pairs. `place` is where it is read: in the answer in one line, in the notes below the table of arms, in both,
    or below the table of claims.
    """

    kind: str
    family: Family
    text: str
    arms: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    place: Literal["answer", "notes", "both", "claims"] = "notes"

    def to_json(self) -> dict[str, Any]:
        """The statement as plain data."""
        numbers = {"numbers": dict(self.numbers)} if self.numbers else {}
        return {"kind": self.kind, "family": self.family, "arms": list(self.arms), **numbers, "text": self.text}


def listed_or_counted(names: Sequence[str], noun: str) -> str:
    """The names, or how many if they are many."""
    return listed(names) if len(names) <= MAX_NAMES else f"{len(names)} {noun}"


def fresh_seeds(count: int, comparisons: int, seen: Iterable[int]) -> str:
    """The option of `run` for so many seeds, or as many as can decide, none of which has been seen."""
    count, first = max(count, fewest_seeds(max(1, comparisons))), max(FRESH_SEEDS, max(seen, default=0) + 1)
    return f"--set 'seeds={{looks: [{count}], first: {first}}}'"


def cannot_decide(
    count: int, comparisons: int, noun: str = "seed", *, alpha: float = ALPHA, is_paired: bool = True
) -> str:
    """`5 seeds cannot decide 7 comparisons, 9 can`: at the level alpha, that of a look for example."""
    fewest = fewest_seeds(comparisons, alpha, is_paired=is_paired)
    return f"{counted(count, noun)} cannot decide {counted(comparisons, 'comparison')}, {fewest} can"
