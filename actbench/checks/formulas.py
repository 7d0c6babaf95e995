"""Whether the formula of an entry gives the function's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from actbench.catalogue.formulas import FormulaError, evaluate
from actbench.checks.check import refuse


def require_formula(formula: str, known: Mapping[str, Any], values: Tensor, at: Tensor) -> str:
    """Refuse where the formula gives other values than the function, wherever it gives finite ones."""
    expected = torch.from_numpy(_evaluated(formula, known).copy())
    expected = (expected.squeeze(-1) if at.dim() > values.dim() else expected).expand(values.shape)
    gaps = (expected - values).abs() - 1e-9 * expected.abs()
    wrong = expected.isfinite() & ~(gaps <= 1e-9)
    if not expected.isfinite().any():
        refuse(f"{formula!r} gives no finite number")
    if wrong.any():
        index = tuple(wrong.nonzero()[0].tolist())
        where = f"{float(at[index]):g}" if at.dim() == values.dim() else f"example {index[-1]}"
        refuse(f"the formula gives {float(expected[index]):g} at {where}, and the function {float(values[index]):g}")
    return f"{formula} gives the function's values"


def _evaluated(formula: str, known: Mapping[str, Any]) -> Any:
    try:
        return evaluate(
            formula, {name: value.numpy() if isinstance(value, Tensor) else value for name, value in known.items()}
        )
    except FormulaError as problem:
        return refuse(str(problem))
