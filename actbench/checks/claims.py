"""The documents' claims about functions, each with the check that decides it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from actbench.catalogue import activations, facts, formulas, kernels, outputs
from actbench.catalogue.lookup import find, names
from actbench.catalogue.registry import Kind
from actbench.checks import predicates


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

    def check(self) -> predicates.Finding:
        """Decide the claim."""
        return predicates.together(*(_find_out(**finding) for finding in self.findings))


def _find_out(ask: str, of: Sequence[Any], **settings: bool) -> predicates.Finding:
    kind: Kind = "activation" if of[0] in names("activation") else "output"
    arguments = [find(kind, argument) if isinstance(argument, str) else argument for argument in of]
    finding: predicates.Finding = getattr(predicates, ask)(*arguments, **settings)
    return finding


CLAIMS = Path(__file__).with_suffix(".toml")
FUNCTION_CLAIMS = tuple(FunctionClaim(**claim) for claim in tomllib.loads(CLAIMS.read_text(encoding="utf-8"))["claim"])
FINDINGS = Path(__file__).with_name("findings.json")


def finding_of(claim: FunctionClaim) -> predicates.Finding:
    """What the check finds: read from a table that was computed with the same source files, else computed now.

    Computing takes torch, whose import takes longer than everything else that `show` does.
    `python -m actbench.checks.claims` writes the table.
    """
    recorded = _recorded_findings().get(claim.id)
    return predicates.Finding(**recorded) if recorded else claim.check()


@cache
def _recorded_findings() -> Mapping[str, Any]:
    table = json.loads(FINDINGS.read_text(encoding="utf-8"))
    return dict(table["findings"]) if table["sources"] == _sources_checksum() else {}


def _sources_checksum() -> str:
    """Of the functions and of the checks; what they import is left to the test that computes all findings."""
    files = [module.__file__ for module in (activations, facts, formulas, kernels, outputs, predicates)]
    digest = hashlib.sha256()
    for path in (*files, __file__, CLAIMS):
        digest.update(Path(str(path)).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def claims_about(names: Iterable[str]) -> list[FunctionClaim]:
    """The claims that concern at least one function of these names, in the documents' order."""
    wanted = set(names)
    return [claim for claim in FUNCTION_CLAIMS if wanted & set(claim.functions)]


if __name__ == "__main__":
    TABLE = {"sources": _sources_checksum(), "findings": {claim.id: asdict(claim.check()) for claim in FUNCTION_CLAIMS}}
    FINDINGS.write_text(json.dumps(TABLE, indent=1) + "\n", encoding="utf-8")
