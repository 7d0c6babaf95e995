"""What the checks answer about the only entry in a file, and beginnings of such files."""

from __future__ import annotations

from pathlib import Path

from actbench.checks.examination import Check, Examination, question_makers
from actbench.experiment.choices import Choice, parse_choice
from custom_files import custom_file, entries_of

ROOT = "activation(formula='x if x > 0 else 0', bounds=(0, inf), reference='a test')"
DRAWN = "initialiser(formula='normal(0, 1)', reference='a test')"
ARGUMENTS = "own(shape, fan_in, fan_out, generator)"
LOSS = "own(prediction, label)"


def examine(choice: Choice, *, measures_cost: bool = False) -> Examination:
    """Every check of an entry, made in this process."""
    questions = question_makers(measures_cost=measures_cost)[choice.kind](choice)
    return Examination(choice, tuple(question.answer() for question in questions))


def checks_of(kind: str, text: str, folder: Path) -> dict[str, Check]:
    """What was answered to every question about the only entry of a file."""
    with entries_of(custom_file(folder, text)) as (entry,):
        assert entry.kind == kind
        return {check.name: check for check in examine(parse_choice(entry.kind, entry.name)).checks}


def refused_because(kind: str, text: str, name: str, folder: Path) -> str:
    """Why one check refuses the only entry of a file; the others are not made."""
    with entries_of(custom_file(folder, text)) as (entry,):
        assert entry.kind == kind
        questions = question_makers(measures_cost=False)[entry.kind](parse_choice(entry.kind, entry.name))
        (question,) = (one for one in questions if one.name == name)
        found = question.answer()
    assert found.outcome == "refused"
    return found.reason
