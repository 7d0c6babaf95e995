"""An output function that is not what it says, or that could harm other trials, is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_files import function_text
from examined import refused_because

SCORES = "output(formula='x', yields='scores', reference='a test')"

OUTPUTS = {
    "yields": (
        "output(formula='x', yields='probabilities', reference='y')",
        "x",
        "yields",
        "yields='probabilities', but it gives",
    ),
    "sum": (
        "output(formula='1 / (1 + exp(-x))', yields='probabilities', bounds=(0, 1), across_units=True, reference='y')",
        "torch.sigmoid(x) + 0 * x.sum(-1, keepdim=True)",
        "yields",
        "across the units, but they sum to",
    ),
    "across units": (
        "output(formula='x - sum(x)', yields='scores', reference='y')",
        "x - x.sum(-1, keepdim=True)",
        "units",
        "say across_units=True",
    ),
    "not across units": (
        "output(formula='x', yields='scores', across_units=True, reference='y')",
        "x",
        "units",
        "say across_units=False",
    ),
    "bounds": (
        "output(formula='tanh(x)', yields='bounded scores', bounds=(0, 1), reference='y')",
        "torch.tanh(x)",
        "bounds",
        "lies outside of [0, 1]",
    ),
    "formula": (
        "output(formula='exp(x) / sum(exp(x))', yields='scores', reference='y')",
        "x",
        "formula",
        "the formula gives",
    ),
    "overflow": (
        "output(formula='exp(x) / sum(exp(x))', yields='probabilities', bounds=(0, 1), across_units=True, "
        "reference='y')",
        "x.exp() / x.exp().sum(-1, keepdim=True)",
        "finite",
        "its value is NaN at",
    ),
    "detached": (SCORES, "x.detach()", "derivative", "its gradient is detached"),
    "wrong derivative": (
        "output(formula='x * x', yields='scores', bounds=(0, inf), reference='y')",
        "x * x.detach()",
        "derivative",
        "autograd does not agree with differences",
    ),
    "mixes images": (
        "output(formula='x', yields='scores', reference='y')",
        "x - x.mean(dim=-2, keepdim=True) if x.dim() == 3 else x",
        "images",
        "one image's values depend on other images",
    ),
    "mixes trials": (SCORES, "x - x.mean(dim=0, keepdim=True) if x.dim() == 3 else x", "stack", "mixes trials"),
    "closed form": (
        "output(formula='x', yields='scores', gradient=lambda outer, value, x: 2 * outer, reference='y')",
        "x",
        "gradient",
        "is not the function's",
    ),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_an_output_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    decorator, expression, check, reason = OUTPUTS[case]
    text = function_text(decorator, "own(x)", f"return {expression}")
    assert reason in refused_because("output", text, check, tmp_path)
