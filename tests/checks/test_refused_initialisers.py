"""An initialiser that draws from elsewhere, or other values than are wanted, is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from custom_files import function_text
from examined import ARGUMENTS, DRAWN, refused_because

INITIALISERS = {
    "shape": ("torch.randn(shape[::-1], generator=generator)", "shape and dtype", "weights (784, 256) become"),
    "dtype": (
        "torch.randn(shape, generator=generator, dtype=torch.float64)",
        "shape and dtype",
        "become torch.float64",
    ),
    "global generator": ("torch.randn(shape)", "repeatable", "draws from torch's global generator"),
    "state": (
        "(calls.append(1), torch.full(shape, float(len(calls))))[1]",
        "repeatable",
        "the same seed gives other values",
    ),
    "infinite": ("torch.randn(shape, generator=generator) / (fan_in - 3)", "finite", "a layer of 3 inputs and 5 units"),
    "gradient": ("torch.randn(shape, generator=generator, requires_grad=True)", "gradient", "carry a gradient"),
    "no tensor": ("[0.0]", "shape and dtype", "gives list instead of a tensor"),
}


@pytest.mark.parametrize("case", INITIALISERS)
def test_an_initialiser_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    expression, check, reason = INITIALISERS[case]
    text = function_text(DRAWN, ARGUMENTS, f"return {expression}")
    assert reason in refused_because("initialiser", text, check, tmp_path)
