"""The checks of whole entries, and whether they may be trained with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from actbench.checks.activations import examine_activation
from actbench.checks.check import Check
from actbench.checks.initialisers import examine_initialiser
from actbench.checks.losses import examine_loss
from actbench.checks.outputs import examine_output
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice


@dataclass(frozen=True)
class Examination:
    """A catalogue entry with the answers to all its checks."""

    choice: Choice
    checks: tuple[Check, ...]

    def refusals(self) -> list[Check]:
        """What keeps it out."""
        return [check for check in self.checks if check.outcome == "refused"]


def examine(choice: Choice, *, measures_cost: bool = True) -> Examination:
    """Ask everything there is to ask of an activation, an output, an initialiser or a loss."""
    match choice.kind:
        case "activation":
            checks = examine_activation(choice, measures_cost=measures_cost)
        case "output":
            checks = examine_output(choice)
        case "loss":
            checks = examine_loss(choice)
        case _:
            checks = examine_initialiser(choice)
    return Examination(choice, tuple(checks))


def require_passed(choices: Iterable[Choice]) -> None:
    """Raise `ConfigurationError` with every refusal where a custom function does not pass."""
    examinations = [examine(choice, measures_cost=False) for choice in choices]
    lines = [
        f"{one.choice.entry.place()}: {one.choice.kind} {one.choice} is refused: {check.name}: {check.reason}"
        for one in examinations
        for check in one.refusals()
    ]
    if lines:
        raise ConfigurationError("\n".join([*lines, "Nothing was trained; `actbench check FILE` shows every check."]))
