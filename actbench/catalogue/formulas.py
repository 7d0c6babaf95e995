"""Formulas of the catalogue: Python expressions, computed on arrays without running them as code, with derivatives."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from actbench.lazy import NDArray, numpy


class FormulaError(ValueError):
    """What is written is no expression of the names that are known."""


@dataclass(frozen=True)
class Dual:
    """Values with their derivatives by x, which arithmetic carries along (forward-mode differentiation)."""

    value: Any
    slope: Any
    __array_ufunc__ = None  # arrays leave the arithmetic with a Dual to it

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __add__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + -_dual(other)

    def __mul__(self, other: Any) -> Dual:
        other = _dual(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other: Any) -> Dual:
        other = _dual(other)
        value = self.value / other.value
        return Dual(value, (self.slope - value * other.slope) / other.value)

    def __pow__(self, power: float) -> Dual:
        return Dual(self.value**power, power * self.value ** (power - 1) * self.slope)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> Dual:
        return _dual(other) - self

    def __rtruediv__(self, other: Any) -> Dual:
        return _dual(other) / self


def _dual(value: Any) -> Dual:
    return value if isinstance(value, Dual) else Dual(_array(value), 0.0)


def _array(value: Any) -> NDArray[numpy.float64]:
    return numpy.asarray(value, dtype=numpy.float64)


def _value_of(value: Any) -> Any:
    return value.value if isinstance(value, Dual) else value


def _choose(test: Any, one: Any, other: Any) -> Any:
    """`one` where the test holds, else `other`."""
    if not isinstance(one, Dual) and not isinstance(other, Dual):
        return numpy.where(test, _array(one), _array(other))
    one, other = _dual(one), _dual(other)
    return Dual(numpy.where(test, one.value, other.value), numpy.where(test, one.slope, other.slope))


def _larger(one: Any, other: Any) -> Any:
    """Of equal arguments the first, so that max(0, x) has the slope 0 at 0."""
    return _choose(_value_of(other) > _value_of(one), other, one)


def _smaller(one: Any, other: Any) -> Any:
    """Of equal arguments the second."""
    return _choose(_value_of(one) < _value_of(other), one, other)


def _elementwise(function: Callable[[float], float]) -> Callable[[Any], NDArray[numpy.float64]]:
    """A function of the standard library that numpy lacks."""
    return lambda value: numpy.fromiter(map(function, value.ravel()), float, value.size).reshape(value.shape)


def _functions() -> dict[str, Callable[..., Any]]:
    plain = "abs exp log sqrt sin cos tan sinh cosh tanh floor ceil log1p expm1 sign"
    names = {name: name for name in plain.split(" ")}
    names |= {f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "sinh", "tanh")}
    return {
        **{name: getattr(numpy, of_numpy) for name, of_numpy in names.items()},
        "erf": _elementwise(math.erf),
        "erfc": _elementwise(math.erfc),
        "sigmoid": lambda value: 1 / (1 + numpy.exp(-value)),
    }


# f'(x) of the functions in the formulas of what is built in.
SLOPES: dict[str, Callable[[Any], Any]] = {
    "abs": lambda x: numpy.sign(x),
    "exp": lambda x: numpy.exp(x),
    "log": lambda x: 1 / x,
    "sqrt": lambda x: 0.5 / numpy.sqrt(x),
    "sin": lambda x: numpy.cos(x),
    "atan": lambda x: 1 / (1 + x * x),
    "tanh": lambda x: 1 - numpy.tanh(x) ** 2,
    "erf": lambda x: 2 / math.sqrt(math.pi) * numpy.exp(-x * x),
}
OF_SEVERAL: dict[str, Callable[..., Any]] = {
    "min": lambda *values: reduce(_smaller, values),
    "max": lambda *values: reduce(_larger, values),
    "sum": lambda value: value.sum(axis=-1, keepdims=True),
    "clip": lambda value, low, high: _smaller(_larger(low, value), high),
}
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}
BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: (a if isinstance(a, Dual) else _array(a)) / b,
    ast.Pow: lambda a, b: (a if isinstance(a, Dual) else _array(a)) ** b,
    ast.Mod: operator.mod,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(formula: str, known: Mapping[str, Any]) -> NDArray[numpy.float64]:
    """The formula's values for these names, in float64; raises `FormulaError` where it is no expression of them."""
    return _array(_compute(formula, known))


def curve(
    formula: str, parameters: Mapping[str, Any], x: NDArray[numpy.float64]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]] | None:
    """The formula's values and derivatives at x; None where it has none or one is not finite."""
    try:
        found = _dual(_compute(formula, {**parameters, "x": Dual(x, numpy.ones_like(x))}))
    except (FormulaError, KeyError, TypeError):
        return None
    value, slope = (numpy.broadcast_to(_array(part), x.shape) for part in (found.value, found.slope))
    return (value, slope) if numpy.isfinite(value).all() and numpy.isfinite(slope).all() else None


def _compute(formula: str, known: Mapping[str, Any]) -> Any:
    try:
        tree = ast.parse(formula.strip(), mode="eval")
    except SyntaxError:
        raise FormulaError(f"{formula!r} is no Python expression") from None
    with numpy.errstate(all="ignore"):
        return _value(tree.body, {**CONSTANTS, **known}, _functions())


def _value(node: ast.expr, known: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str() | None):
            return node.value
        case ast.Name() if node.id in known:
            return known[node.id]
        case ast.BinOp() if type(node.op) in BINARY:
            return BINARY[type(node.op)](_value(node.left, known, functions), _value(node.right, known, functions))
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, known, functions)
        case ast.Compare(comparators=[right]) if type(node.ops[0]) in BINARY:
            sides = (_value_of(_value(side, known, functions)) for side in (node.left, right))
            return BINARY[type(node.ops[0])](*sides)
        case ast.Compare(left=left, ops=[first, *ops], comparators=[middle, *others]):
            start = _value(ast.Compare(left, [first], [middle]), known, functions)
            return start & _value(ast.Compare(middle, ops, others), known, functions)
        case ast.IfExp():
            test = _value(node.test, known, functions)
            if isinstance(test, bool):
                return _value(node.body if test else node.orelse, known, functions)
            return _choose(test, _value(node.body, known, functions), _value(node.orelse, known, functions))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in OF_SEVERAL:
            return OF_SEVERAL[name](*(_value(argument, known, functions) for argument in node.args))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in functions:
            return _apply(name, functions[name], _value(argument, known, functions))
        case ast.Subscript(slice=ast.Name(id="label")):
            return numpy.take_along_axis(_value(node.value, known, functions), known["label"][..., None], -1)
    what = node.id if isinstance(node, ast.Name) else ast.unparse(node)
    names = ", ".join([*known, *functions, *OF_SEVERAL])
    raise FormulaError(f"{what!r} is nothing that a formula can say; known: {names}")


def _apply(name: str, function: Callable[[Any], Any], argument: Any) -> Any:
    if not isinstance(argument, Dual):
        return function(_array(argument))
    return Dual(function(argument.value), SLOPES[name](argument.value) * argument.slope)
