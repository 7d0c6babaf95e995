"""What the checks answer about the only entry in a file, and beginnings of such files."""

from __future__ import annotations

from pathlib import Path

from actbench.checks.examination import examine, questions_of
from actbench.checks.outcomes import Check
from actbench.experiment.choices import parse_choice
from custom_files import custom_file, entries_of

ROOT = "activation(formula='x if x > 0 else 0', bounds=(0, inf), reference='a test')"
DRAWN = "initialiser(formula='normal(0, 1)', reference='a test')"
ARGUMENTS = "own(shape, fan_in, fan_out, generator)"
LOSS = "own(prediction, label)"


def checks_of(kind: str, text: str, folder: Path) -> dict[str, Check]:
    """What was answered to every question about the only entry of a file."""
    with entries_of(custom_file(folder, text)) as (entry,):
        assert entry.kind == kind
        return {
            check.name: check for check in examine(parse_choice(entry.kind, entry.name), measures_cost=False).checks
        }


def refused_because(kind: str, text: str, name: str, folder: Path) -> str:
    """Why one check refuses the only entry of a file; the others are not made."""
    with entries_of(custom_file(folder, text)) as (entry,):
        assert entry.kind == kind
        (question,) = (
            one for one in questions_of(parse_choice(kind, entry.name), measures_cost=False) if one.name == name
        )
        found = question.answer()
    assert found.outcome == "refused"
    return found.reason
