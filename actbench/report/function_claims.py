"""What the documents claim of functions, with the verdict that computing gives."""

from __future__ import annotations

from collections.abc import Sequence

from actbench.checks.claims import claims_about
from actbench.experiment.choices import Choice
from actbench.render.sections import Section


def function_claims_sections(choices: Sequence[Choice]) -> list[Section]:
    """One section with every claim that concerns these functions; none where no claim does."""
    claims = claims_about(choice.name for choice in choices)
    if not claims:
        return []
    rows = []
    for claim in claims:
        finding = claim.check()
        name = claim.id if claim.is_whole else f"{claim.id} (function part)"
        rows.append([name, finding.verdict, claim.sentence, finding.evidence])
    header = ["claim", "verdict", "sentence", "evidence"]
    notes = ["Function part: the rest of that claim takes training."]
    has_parts = not all(claim.is_whole for claim in claims)
    return [Section("claims about these functions", header, rows, notes if has_parts else (), is_complete=True)]
