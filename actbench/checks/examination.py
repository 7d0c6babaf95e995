"""All checks of a catalogue entry, in this process; `process` makes those of custom functions."""

from __future__ import annotations

from actbench.checks.activations import activation_questions
from actbench.checks.check import Question
from actbench.checks.initialisers import initialiser_questions
from actbench.checks.outcomes import Examination
from actbench.checks.outputs_and_losses import loss_questions, output_questions
from actbench.experiment.choices import Choice


def questions_of(choice: Choice, *, measures_cost: bool = True) -> list[Question]:
    """The checks of an activation, an output, an initialiser or a loss."""
    match choice.kind:
        case "activation":
            return activation_questions(choice, measures_cost=measures_cost)
        case "output":
            return output_questions(choice)
        case "loss":
            return loss_questions(choice)
        case _:
            return initialiser_questions(choice)


def examine(choice: Choice, *, measures_cost: bool = True) -> Examination:
    """Make every check."""
    questions = questions_of(choice, measures_cost=measures_cost)
    return Examination(choice, tuple(question.answer() for question in questions))
