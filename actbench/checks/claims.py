"""The documents' claims about functions, each with the check that decides it."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from actbench.catalogue import activations, facts, formulas, kernels, outputs
from actbench.catalogue.lookup import find, names
from actbench.catalogue.registry import Kind
from actbench.checks import predicates as ask


@dataclass(frozen=True)
class FunctionClaim:
    """A claim by its id in the documents, in words of our own; not `is_whole` if the rest of it takes training.

    `findings` takes the entries of the functions, which its parameters name.
    """

    id: str
    sentence: str
    findings: Callable[..., Sequence[ask.Finding]]
    is_whole: bool = True

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of the functions."""
        return tuple(inspect.signature(self.findings).parameters)

    def check(self) -> ask.Finding:
        """Decide the claim."""
        kind: Kind = "activation" if self.functions[0] in names("activation") else "output"
        return ask.together(*self.findings(*(find(kind, name) for name in self.functions)))


FINDINGS = Path(__file__).with_name("findings.json")


def finding_of(claim: FunctionClaim) -> ask.Finding:
    """What the check finds: read from a table that was computed with the same source files, else computed now.

    Computing takes torch, whose import takes longer than everything else that `show` does.
    `python -m actbench.checks.claims` writes the table.
    """
    recorded = _recorded_findings().get(claim.id)
    return ask.Finding(**recorded) if recorded else claim.check()


@cache
def _recorded_findings() -> Mapping[str, Any]:
    table = json.loads(FINDINGS.read_text(encoding="utf-8"))
    return dict(table["findings"]) if table["sources"] == _sources_checksum() else {}


def _sources_checksum() -> str:
    """Of the functions and of the checks; what they import is left to the test that computes all findings."""
    files = [module.__file__ for module in (activations, facts, formulas, kernels, outputs, ask)]
    digest = hashlib.sha256()
    for path in (*files, __file__):
        digest.update(Path(str(path)).read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def claims_about(names: Iterable[str]) -> list[FunctionClaim]:
    """The claims that concern at least one function of these names, in the documents' order."""
    wanted = set(names)
    return [claim for claim in FUNCTION_CLAIMS if wanted & set(claim.functions)]


FUNCTION_CLAIMS = (
    FunctionClaim("D1.5",
        "Without subtracting the largest score the outputs stay the same, as long as the scores are small.",
        lambda log_softmax, softmax: [ask.needs_no_shift(log_softmax), ask.needs_no_shift(softmax)], is_whole=False),
    FunctionClaim("D2.2", "The derivative of relu is 0 below zero and 1 above it.",
        lambda relu: [ask.is_a_step_in_slope(relu)]),
    FunctionClaim("D2.3", "sigmoid maps every input into (0, 1), and is close to a straight line around 0.",
        lambda sigmoid: [ask.squashes_to(sigmoid, 0, 1), ask.is_nearly_straight_at_0(sigmoid)]),
    FunctionClaim("D2.4", "tanh maps every input into (-1, 1).",
        lambda tanh: [ask.squashes_to(tanh, -1, 1)]),
    FunctionClaim("D2.5",
        "sigmoid turns what is below 0 into 0 and what is above 1 into 1, as hardtanh with these ends does.",
        lambda sigmoid, hardtanh: [ask.is_the_same(sigmoid, {}, hardtanh, {"min_val": 0.0, "max_val": 1.0})]),
    FunctionClaim("D3.1",
        "sigmoid and tanh saturate, because their slopes tend to 0 on both sides; relu does not, on the right.",
        lambda sigmoid, tanh, relu: [
            ask.has_slope_that_vanishes(sigmoid, left=True, right=True),
            ask.has_slope_that_vanishes(tanh, left=True, right=True),
            ask.has_slope_that_vanishes(relu, left=True, right=False),
        ]),
    FunctionClaim("D3.2", "After sigmoid, inputs of 10 and of 1000 look the same.",
        lambda sigmoid: [ask.hardly_tells_apart(sigmoid, 10, 1000)]),
    FunctionClaim("D3.6",
        "prelu is relu where its slope is 0, and leaky_relu where its slope is a fixed positive number.",
        lambda prelu, relu, leaky_relu: [
            ask.is_the_same(prelu, {"negative_slope": 0.0}, relu, {}),
            ask.is_the_same(prelu, {"negative_slope": 0.01}, leaky_relu, {"negative_slope": 0.01}),
            ask.is_the_same(prelu, {"negative_slope": 0.25}, leaky_relu, {"negative_slope": 0.25}),
        ], is_whole=False),
    FunctionClaim("D3.8", "softplus is smoother than relu and keeps more of what is below 0.",
        lambda softplus, relu: [ask.is_smoother(softplus, relu), ask.keeps_more_below_0(softplus, relu)],
        is_whole=False),
    FunctionClaim("D3.13", "swish and mish are special cases of gelu: each is gelu with some mean and std.",
        lambda swish, mish, gelu: [
            ask.is_a_member(swish, {}, gelu),
            ask.is_a_member(mish, {}, gelu),
            ask.is_a_member(swish, {"beta": 1.702}, gelu),
        ]),
    FunctionClaim("D3.15", "relu has a derivative everywhere, as an activation is said to need.",
        lambda relu: [ask.has_a_slope_everywhere(relu)], is_whole=False),
    FunctionClaim("D3.18", "The smaller its input, the likelier the gate of gelu is shut.",
        lambda gelu: [ask.has_a_gate_that_opens(gelu)]),
    FunctionClaim("D4.1", "sigmoid tells inputs apart only from -6 to 6, and well only from -3 to 3.",
        lambda sigmoid: [ask.tells_inputs_apart_within(sigmoid, 3, 6)]),
    FunctionClaim("D4.4", "The derivative of tanh is near 0 beyond -3 and 3.",
        lambda tanh: [ask.is_flat_beyond(tanh, 3)], is_whole=False),
    FunctionClaim("D5.2", "For any input, sigmoid stays in (0, 1), relu in [0, inf) and tanh in (-1, 1).",
        lambda sigmoid, relu, tanh: [
            ask.stays_in(sigmoid, 0, 1),
            ask.stays_in(relu, 0, float("inf"), has_low=True),
            ask.stays_in(tanh, -1, 1),
        ]),
    FunctionClaim("D5.3", "The outputs of softmax sum to 1.", lambda softmax: [ask.sums_to_1(softmax)]),
    FunctionClaim("D5.5", "relu passes positive values on as they are.",
        lambda relu: [ask.passes_on_positive_values(relu)], is_whole=False),
)  # fmt: skip


if __name__ == "__main__":
    TABLE = {"sources": _sources_checksum(), "findings": {claim.id: asdict(claim.check()) for claim in FUNCTION_CLAIMS}}
    FINDINGS.write_text(json.dumps(TABLE, indent=1) + "\n", encoding="utf-8")
