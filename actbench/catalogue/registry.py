"""Entries of the catalogue, and how they are added."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache, wraps
from math import inf
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import PydanticCustomError

from actbench.catalogue.kernels import Kernel
from actbench.text import counted

Kind = Literal["activation", "output", "initialiser", "loss", "optimizer"]
Yields = Literal["scores", "bounded scores", "probabilities", "log-probabilities"]

Function = Callable[..., Any]
Bounds = tuple[float, float] | Callable[..., tuple[float, float]]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True)
class Entry:
    """A named function that an experiment can choose; its metadata are claims, and a test proves each.

    `formula` is a Python expression of activations (in `x`), outputs (`x` over the units) and losses (`prediction`,
    `label`, one-hot `target`), and a description of initialisers and optimizers. `bounds` are the greatest lower and
    least upper bound of the values, or a function of the parameters that gives them. `learnable` names the parameters
    that training may change. `yields` says what an output function returns; `accepts` and `tolerates` say which of
    these a loss is meant for and which it computes without meaning. `across_units` says that an output or a loss needs
    several units. `gradient(grad, value, x, **parameters)` is `grad` times the derivative at `x`, where the function
    has the given value, or times the slope that an activation declares; `kernel` is an activation's two passes.
    Without these autograd computes the derivative, more slowly. `origin` is None for what is built in.
    """

    kind: Kind
    name: str
    function: Function
    formula: str
    reference: str
    summary: str
    aliases: tuple[str, ...] = ()
    bounds: Bounds = (-inf, inf)
    learnable: tuple[str, ...] = ()
    learnt_by_default: bool = False
    yields: Yields = "scores"
    across_units: bool = False
    kernel: Kernel | None = None
    gradient: Function | None = None
    accepts: tuple[Yields, ...] = ()
    tolerates: tuple[Yields, ...] = ()
    origin: Origin | None = None

    def bounds_at(self, parameters: Mapping[str, Any]) -> tuple[float, float]:
        """The bounds of the values at these parameters."""
        return self.bounds(**call_parameters(parameters)) if callable(self.bounds) else self.bounds

    def place(self) -> str:
        """Where it is written."""
        code = inspect.unwrap(self.function).__code__
        return f"{self.origin.place if self.origin else Path(code.co_filename).name}:{code.co_firstlineno}"


ENTRIES: dict[tuple[str, str], Entry] = {}
MAX_FLOAT32 = (2 - 2**-23) * 2.0**127
SURROGATE = re.compile("[\ud800-\udfff]")
_BUILT_IN = __name__.partition(".")[0]
_LOADING: ContextVar[tuple[Origin, str] | None] = ContextVar("_LOADING", default=None)
_WAITING: dict[tuple[str, Kind, str], tuple[Function, dict[str, Any]]] = {}
"""Functions that modules have decorated outside of loading, until they are loaded."""


def _register(kind: Kind, function: F, **metadata: Any) -> F:
    """Add a function under its name and aliases; one of a module that is merely imported waits until that is loaded."""
    if not isinstance(function, FunctionType):
        raise RegistrationError(
            f"{kind} {getattr(function, '__name__', type(function).__name__)} is not a function: decorate a function "
            "of tensors; what a torch.nn.Module keeps becomes keyword parameters with defaults"
        )
    loading = _LOADING.get()
    if loading and _belongs_to(function.__module__, loading[1]):
        _add(kind, function, loading[0], metadata)
    elif _belongs_to(function.__module__, _BUILT_IN):
        _add(kind, function, None, metadata)
    else:
        _WAITING[function.__module__, kind, function.__name__] = function, metadata
    return function


def _belongs_to(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _add(kind: Kind, function: Function, origin: Origin | None, metadata: dict[str, Any]) -> None:
    name = function.__name__
    summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
    if not summary:
        raise RegistrationError(f"{kind} {name!r} needs a docstring that says in a sentence what it is")
    for parameter in _keyword_parameters(function):
        if parameter.default is parameter.empty:
            raise RegistrationError(f"parameter {parameter.name!r} of {kind} {name!r} needs a default")
    entry = Entry(kind=kind, name=name, function=function, summary=summary, origin=origin, **metadata)
    if origin:
        _require_custom_function(entry)
        functions: dict[str, Any] = {
            key: _contained(value) for key, value in vars(entry).items() if isinstance(value, FunctionType)
        }
        entry = replace(entry, **functions)
    keys = [(kind, key) for key in (name, *entry.aliases)]
    if taken := [key for key in keys if key in ENTRIES]:
        there = ENTRIES[taken[0]]
        where = there.place() if there.origin else f"built in, catalogue/{there.place()}"
        raise RegistrationError(f"the catalogue already has {kind} {taken[0][1]!r} ({where}): choose another name")
    ENTRIES.update(dict.fromkeys(keys, entry))


@contextmanager
def adding_from(origin: Origin, module: str) -> Iterator[None]:
    """What the module, or modules below it, decorate meanwhile comes from there, and what of it has been waiting.

    Nothing of it stays where an exception ends this, and nothing at all is no source: `RegistrationError`.
    """
    before = set(ENTRIES)
    token = _LOADING.set((origin, module))
    try:
        yield
        for waiting in [key for key in _WAITING if _belongs_to(key[0], module)]:
            function, metadata = _WAITING.pop(waiting)
            _add(waiting[1], function, origin, metadata)
        if not added_from(origin):
            raise RegistrationError(
                "adds nothing to the catalogue: decorate a function with @activation(...), @output(...), "
                "@initialiser(...) or @loss(...), from actbench.catalogue"
            )
    except BaseException:
        for key in ENTRIES.keys() - before:
            del ENTRIES[key]
        raise
    finally:
        _LOADING.reset(token)


def added_from(origin: Origin) -> tuple[Entry, ...]:
    """The entries of a file or a package, each once."""
    return tuple(dict.fromkeys(entry for entry in ENTRIES.values() if entry.origin == origin))


def forget(origin: Origin) -> None:
    """Take the entries of a file or a package out again."""
    for key in [key for key, entry in ENTRIES.items() if entry.origin == origin]:
        del ENTRIES[key]


def _keyword_parameters(function: Function) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


def _registering(kind: Kind, metadata: Mapping[str, Any]) -> Callable[[F], F]:
    """A decorator that adds a function with this metadata: all arguments of the decorator's maker."""
    return lambda function: _register(kind, function, **metadata)


def activation(
    *,
    formula: str,
    reference: str,
    bounds: Bounds = (-inf, inf),
    learnable: tuple[str, ...] = (),
    learnt_by_default: bool = False,
    kernel: Kernel | None = None,
    gradient: Function | None = None,
    aliases: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Add an elementwise function `f(x, *, parameter=default)` as an activation.

    `gradient(grad, value, x, **parameters)` declares a slope in place of the derivative, such as a straight-through
    one: it returns `grad` times the slope.
    """
    if gradient and learnable:
        raise RegistrationError("gradient= declares a slope for the input alone: leave out gradient or learnable")
    return _registering("activation", locals())


def output(
    *,
    formula: str,
    reference: str,
    yields: Yields,
    bounds: Bounds = (-inf, inf),
    across_units: bool = False,
    gradient: Function | None = None,
    aliases: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Add a function of the last layer's scores; `across_units` says that it mixes them (as softmax does)."""
    return _registering("output", locals())


def initialiser(*, formula: str, reference: str, aliases: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Add a function `f(shape, fan_in, fan_out, generator, *, parameter=default)` that draws initial values."""
    return _registering("initialiser", locals())


def loss(
    *,
    formula: str,
    reference: str,
    accepts: tuple[Yields, ...],
    tolerates: tuple[Yields, ...] = (),
    across_units: bool = False,
    gradient: Function | None = None,
    aliases: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Add a function `f(prediction, label)` that returns one loss per example, summed over the output units."""
    return _registering("loss", locals())


def optimizer(*, formula: str, reference: str, aliases: tuple[str, ...] = ()) -> Callable[[F], F]:
    """Add a function `f(group, lr, *, setting=default)` that takes one step with the parameters of a group."""
    return _registering("optimizer", locals())


def _in_float32(value: Any) -> Any:
    if isinstance(value, float) and abs(value) > MAX_FLOAT32:
        raise PydanticCustomError("beyond_float32", "beyond float32")
    return value


@cache
def parameters_model(entry: Entry) -> type[BaseModel]:
    """A strict pydantic model of the entry's keyword parameters, with `learn` and `per_feature` where it can learn."""
    parameters = _keyword_parameters(entry.function)
    annotated = SimpleNamespace(
        __annotations__={p.name: p.annotation for p in parameters if p.annotation is not p.empty}
    )
    hints = get_type_hints(annotated, globalns=inspect.unwrap(entry.function).__globals__, include_extras=True)
    fields: dict[str, Any] = {p.name: (hints.get(p.name, type(p.default)), p.default) for p in parameters}
    if entry.kind != "optimizer":  # whose numbers torch computes with in float64
        fields = {name: (Annotated[hint, AfterValidator(_in_float32)], value) for name, (hint, value) in fields.items()}
    if entry.learnable:
        fields |= {"learn": (bool, entry.learnt_by_default), "per_feature": (bool, False)}
    configuration = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(f"{entry.name}_parameters", __config__=configuration, **fields)


def default_parameters(entry: Entry) -> dict[str, Any]:
    """Every parameter of the entry at its default value."""
    return parameters_model(entry)().model_dump()


def call_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the function itself takes: `learn` and `per_feature` are for training."""
    return {name: value for name, value in parameters.items() if name not in ("learn", "per_feature")}


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "activation": ("x",),
    "output": ("x",),
    "initialiser": ("shape", "fan_in", "fan_out", "generator"),
    "loss": ("prediction", "label"),
}


PACKAGE, NOT_LOADED = "package ", "a source that is not loaded"


@dataclass(frozen=True)
class Origin:
    """Where an entry that is not built in comes from, and the checksum of its source.

    The place is a file, or begins with `PACKAGE`, or is `NOT_LOADED` where only a record is known.
    """

    place: str
    checksum: str


class RegistrationError(ValueError):
    """A function that the catalogue cannot take, with the reason."""


def _contained(function: Function) -> Function:
    """The function, kept from printing to standard output, from ending the process and from running without end."""
    from actbench.catalogue.custom_code import contained

    @wraps(function)
    def contained_function(*arguments: Any, **settings: Any) -> Any:
        with contained():
            return function(*arguments, **settings)

    return contained_function


def _require_types(entry: Entry) -> None:
    """Raise `RegistrationError` where an argument of the decorator has another type than it says."""
    hints = {name: hint for name, hint in get_type_hints(Entry).items() if name not in ("kernel", "origin")}
    fields: dict[str, Any] = {name: (hint, ...) for name, hint in hints.items()}
    try:
        create_model("Arguments", __config__=ConfigDict(strict=True), **fields)(**vars(entry))
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        expected, found = inspect.formatannotation(hints[name]).replace("collections.abc.", ""), vars(entry)[name]
        instead = f": write {tuple(found)!r:.60}" if isinstance(found, list) and expected.startswith("tuple") else ""
        raise RegistrationError(
            f"{name} of {entry.kind} {entry.name!r} is {found!r:.60}, expected {expected}{instead}"
        ) from None


def _require_custom_function(entry: Entry) -> None:
    """Raise `RegistrationError` where a function from a file or a package could not be trained with."""
    kind, name, function, aliases = entry.kind, entry.name, entry.function, entry.aliases
    _require_types(entry)
    texts = [entry.formula, entry.reference, entry.summary, *(str(p.default) for p in _keyword_parameters(function))]
    if any(SURROGATE.search(text) for text in texts):
        raise RegistrationError(f"{kind} {name!r} has a text with a character that no file can hold")
    if kind not in ARGUMENTS:
        raise RegistrationError(f"a custom {kind} is not supported: only {', '.join(ARGUMENTS)}")
    if wrong := [alias for alias in aliases if not alias.isidentifier()]:
        raise RegistrationError(f"alias {wrong[0]!r} of {kind} {name!r} is no name")
    positional = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    expected = ARGUMENTS[kind]
    if len(positional) != len(expected):
        raise RegistrationError(
            f"{kind} {name!r} is called with {counted(len(expected), 'value')} ({', '.join(expected)}) and with "
            f"settings after a *, which have defaults; it takes {', '.join(positional) or 'nothing'}"
        )
