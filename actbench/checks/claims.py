"""The documents' claims about functions, each with what was found when it was checked."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from actbench.statistics.intervals import Verdict


@dataclass(frozen=True)
class FunctionClaim:
    """A claim by its id in the documents, in words of our own; not `is_whole` if the rest of it takes training.

    `findings` are the predicates that decide it, each with its arguments, where functions are names.
    """

    id: str
    sentence: str
    findings: Sequence[Mapping[str, Any]] = field(compare=False)
    is_whole: bool = True

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions."""
        arguments = (argument for finding in self.findings for argument in finding["of"])
        return tuple(dict.fromkeys(name for name in arguments if isinstance(name, str)))


@dataclass(frozen=True)
class Finding:
    """A verdict with the numbers behind it: a clause from a predicate, a sentence from several together."""

    verdict: Verdict
    evidence: str


CLAIMS = Path(__file__).with_suffix(".toml")
FUNCTION_CLAIMS = tuple(FunctionClaim(**claim) for claim in tomllib.loads(CLAIMS.read_text(encoding="utf-8"))["claim"])
FINDINGS = Path(__file__).with_name("findings.json")


def finding_of(claim: FunctionClaim) -> Finding:
    """What the check found; the repository's `docs/function_claims.py` checks all claims and writes the table."""
    return _findings()[claim.id]


@cache
def _findings() -> Mapping[str, Finding]:
    table = json.loads(FINDINGS.read_text(encoding="utf-8"))
    return {claim_id: Finding(**finding) for claim_id, finding in table.items()}


def claims_about(names: Iterable[str]) -> list[FunctionClaim]:
    """The claims that concern at least one function of these names, in the documents' order."""
    wanted = set(names)
    return [claim for claim in FUNCTION_CLAIMS if wanted & set(claim.functions)]
