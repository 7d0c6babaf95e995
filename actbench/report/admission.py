"""What was asked of pieces before they may be trained with, as tables and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from actbench.render.sections import Section

if TYPE_CHECKING:
    from actbench.checks.admission import Examination


def admission_sections(examinations: Sequence[Examination]) -> list[Section]:
    """A table for every piece, with its verdict below."""
    return [_section(one) for one in examinations]


def _section(one: Examination) -> Section:
    rows = [[check.name, check.outcome, check.reason] for check in one.checks]
    refusals = [check.name for check in one.refusals()]
    verdict = f"Refused: {', '.join(refusals)}." if refusals else "Admitted: an experiment can use it."
    title = f"{one.choice.kind} {one.choice.name} ({one.choice.entry.place()})"
    return Section(title, ["check", "result", "reason"], rows, [verdict], prose=(2,))


def admission_document(examinations: Sequence[Examination]) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "admitted": not any(one.refusals() for one in examinations),
        "pieces": [
            {
                "kind": one.choice.kind,
                "name": one.choice.name,
                "checksum": one.choice.piece.checksum if one.choice.piece else None,
                "admitted": not one.refusals(),
                "checks": [
                    {"check": check.name, "result": check.outcome, "reason": check.reason} for check in one.checks
                ],
            }
            for one in examinations
        ],
    }
