"""Formulas of the catalogue, which are Python expressions, computed on tensors without running them as code."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from actbench.checks.check import refuse


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda *values: reduce(function, map(_tensor, values))


def _tensor(value: Any) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: lambda value, name=name: getattr(torch, name)(_tensor(value))
        for name in (
            "abs", "exp", "log", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
            "atanh", "erf", "erfc", "floor", "ceil", "log1p", "expm1", "sign", "sigmoid",
        )
    },
    "min": _fold(torch.minimum),
    "max": _fold(torch.maximum),
    "sum": lambda value: value.sum(dim=-1, keepdim=True),
    "clip": lambda value, low, high: _tensor(value).clamp(low, high),
}  # fmt: skip
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}
BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: _tensor(a) / b,
    ast.Pow: lambda a, b: _tensor(a) ** b,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(formula: str, known: Mapping[str, Any]) -> Tensor:
    """The formula's values for these names, in float64; refused where it is no expression of them."""
    try:
        tree = ast.parse(formula.strip(), mode="eval")
    except SyntaxError:
        refuse(f"{formula!r} is no Python expression")
    return _tensor(_value(tree.body, {**CONSTANTS, **known}))


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str() | None):
            return node.value
        case ast.Name() if node.id in known:
            return known[node.id]
        case ast.BinOp() if type(node.op) in BINARY:
            return BINARY[type(node.op)](_value(node.left, known), _value(node.right, known))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, known)
        case ast.Compare(comparators=[right]) if type(node.ops[0]) in BINARY:
            return BINARY[type(node.ops[0])](_value(node.left, known), _value(right, known))
        case ast.Compare(left=left, ops=[first, *ops], comparators=[middle, *others]):
            start = ast.Compare(left, [first], [middle])
            return _both(_value(start, known), _value(ast.Compare(middle, ops, others), known))
        case ast.IfExp():
            return _chosen(_value(node.test, known), node, known)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*(_value(one, known) for one in node.args))
        case ast.Subscript(slice=ast.Name(id="label")):
            return _value(node.value, known).gather(-1, known["label"].unsqueeze(-1))
    what = node.id if isinstance(node, ast.Name) else ast.unparse(node)
    names = ", ".join([*known, *FUNCTIONS])
    return refuse(f"{what!r} is nothing that a formula can say; known: {names}")


def _chosen(test: Any, node: ast.IfExp, known: Mapping[str, Any]) -> Any:
    if not isinstance(test, Tensor):
        return _value(node.body if test else node.orelse, known)
    return torch.where(test, _tensor(_value(node.body, known)), _tensor(_value(node.orelse, known)))


def _both(one: Any, other: Any) -> Any:
    return one & other


def require_formula(formula: str, known: Mapping[str, Any], values: Tensor, at: Tensor) -> str:
    """Refuse where the formula gives other values than the function, wherever it gives finite ones."""
    wanted = evaluate(formula, known).squeeze(-1) if at.dim() > values.dim() else evaluate(formula, known)
    wanted = wanted.expand(values.shape)
    gaps = (wanted - values).abs() - 1e-9 * wanted.abs()
    wrong = wanted.isfinite() & ~(gaps <= 1e-9)
    if not wanted.isfinite().any():
        refuse(f"{formula!r} gives no finite number")
    if wrong.any():
        index = tuple(wrong.nonzero()[0].tolist())
        where = f"{float(at[index]):g}" if at.dim() == values.dim() else f"example {index[-1]}"
        refuse(f"the formula gives {float(wanted[index]):g} at {where}, and the function {float(values[index]):g}")
    return f"{formula} gives the function's values"
