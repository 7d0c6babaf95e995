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
    """Numbers with their derivatives by x, which arithmetic carries along (forward-mode differentiation).

    The derivative is NaN where nothing is known of it, such as that of a sum over units.
    """

    value: Any
    slope: Any = 0.0

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __add__(self, other: Dual) -> Dual:
        return Dual(self.value + other.value, self.slope + other.slope)

    def __sub__(self, other: Dual) -> Dual:
        return Dual(self.value - other.value, self.slope - other.slope)

    def __mul__(self, other: Dual) -> Dual:
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other: Dual) -> Dual:
        value, divisor = numpy.divide(self.value, other.value), _array(other.value)
        return Dual(value, (self.slope - value * other.slope) / divisor)

    def __mod__(self, other: Dual) -> Dual:
        return Dual(self.value % other.value, math.nan)

    def __pow__(self, other: Dual) -> Dual:
        base, power = _array(self.value), other.value
        slope = power * base ** (power - 1) * self.slope
        return Dual(base**power, slope if numpy.all(other.slope == 0) else math.nan)


def _array(value: Any) -> NDArray[numpy.float64]:
    return numpy.asarray(value, dtype=numpy.float64)


def _known(value: Any) -> Any:
    """The value of a name or a constant: a number gets the slope 0, anything else is returned as it is."""
    return value if isinstance(value, Dual | str | bool | None) else Dual(value)


def _number(value: Any) -> Dual:
    """A value as a number; comparisons and booleans count as 0 or 1, with the slope 0."""
    if value is None or isinstance(value, str):
        raise FormulaError(f"{value!r} is no number")
    return value if isinstance(value, Dual) else Dual(_array(value))


def _compared(value: Any) -> Any:
    return value.value if isinstance(value, Dual) else value


def _choose(test: Any, one: Dual, other: Dual) -> Dual:
    """`one` where the test holds, else `other`."""
    return Dual(numpy.where(test, one.value, other.value), numpy.where(test, one.slope, other.slope))


def _larger(one: Dual, other: Dual) -> Dual:
    """Of equal arguments the first, so that max(0, x) has the slope 0 at 0."""
    return _choose(other.value > one.value, other, one)


def _smaller(one: Dual, other: Dual) -> Dual:
    """Of equal arguments the second."""
    return _choose(one.value < other.value, one, other)


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
OF_SEVERAL: dict[str, Callable[..., Dual]] = {
    "min": lambda *values: reduce(_smaller, values),
    "max": lambda *values: reduce(_larger, values),
    "sum": lambda numbers: Dual(numbers.value.sum(axis=-1, keepdims=True), math.nan),
    "clip": lambda numbers, low, high: _smaller(_larger(low, numbers), high),
}
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}
BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
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
    return _array(_compared(_compute(formula, known)))


def curve(
    formula: str, parameters: Mapping[str, Any], x: NDArray[numpy.float64]
) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]] | None:
    """The formula's values and derivatives at x; None where it has none or one is not finite."""
    try:
        found = _number(_compute(formula, {**parameters, "x": Dual(x, numpy.ones_like(x))}))
    except (FormulaError, TypeError):
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
    def of(inner: ast.expr) -> Any:
        return _value(inner, known, functions)

    def number(inner: ast.expr) -> Dual:
        return _number(of(inner))

    match node:
        case ast.Constant(value=int() | float() | str() | None):
            return _known(node.value)
        case ast.Name() if node.id in known:
            return _known(known[node.id])
        case ast.BinOp() if type(node.op) in BINARY:
            return BINARY[type(node.op)](number(node.left), number(node.right))
        case ast.UnaryOp(op=ast.USub()):
            return -number(node.operand)
        case ast.Compare(comparators=[right]) if type(node.ops[0]) in BINARY:
            return BINARY[type(node.ops[0])](_compared(of(node.left)), _compared(of(right)))
        case ast.Compare(left=left, ops=[first, *ops], comparators=[middle, *others]):
            return of(ast.Compare(left, [first], [middle])) & of(ast.Compare(middle, ops, others))
        case ast.IfExp():
            test = of(node.test)
            if isinstance(test, bool):
                return of(node.body if test else node.orelse)
            return _choose(test, number(node.body), number(node.orelse))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in OF_SEVERAL:
            return OF_SEVERAL[name](*map(number, node.args))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in functions:
            inner = number(argument)
            x = _array(inner.value)
            return Dual(functions[name](x), SLOPES[name](x) * inner.slope if name in SLOPES else math.nan)
        case ast.Subscript(slice=ast.Name(id="label")) if "label" in known:
            return Dual(numpy.take_along_axis(number(node.value).value, known["label"][..., None], -1), math.nan)
    what = node.id if isinstance(node, ast.Name) else ast.unparse(node)
    names = ", ".join([*known, *functions, *OF_SEVERAL])
    raise FormulaError(f"{what!r} is nothing that a formula can say; known: {names}")
