"""Choosing a catalogue entry by name, and the sentences that explain what is wrong with a value."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from actbench.catalogue.lookup import find
from actbench.catalogue.recorded import FROM, RecordedEntry, is_plain, listed, recorded_entry, tupled
from actbench.catalogue.registry import Entry, Kind, Origin, added_from, default_parameters, parameters_model
from actbench.text import did_you_mean, nearest_or_all

FROZEN = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Yaml = Any
Model = TypeVar("Model", bound=BaseModel)
NAMES_ELSEWHERE = Path(__file__).with_name("names_elsewhere.toml")


class Choice(BaseModel):
    """One catalogue entry with all its parameters, as in `{leaky_relu: {negative_slope: 0.1}}`.

    `recorded` is None for built-in entries; otherwise it is the version of a custom function, and all that is known of
    it where its source is not loaded.
    """

    model_config = FROZEN

    kind: Kind
    name: str
    parameters: tuple[tuple[str, Any], ...]
    recorded: RecordedEntry | None = None

    @property
    def entry(self) -> Entry:
        """What the catalogue knows under this name, or what is recorded of a custom function that is not loaded."""
        return self.recorded.entry(self.kind, self.name) if self.recorded else find(self.kind, self.name)

    def is_loaded(self) -> bool:
        """Whether the function itself is here, and not only a record of it."""
        return self.recorded is None or self.recorded.is_loaded(self.kind, self.name)

    def own_parameters(self) -> dict[str, Any]:
        """The parameters that differ from the entry's defaults."""
        defaults = dict(self.recorded.defaults) if self.recorded else default_parameters(self.entry)
        return {name: value for name, value in self.parameters if value != defaults[name]}

    def to_yaml(self) -> Yaml:
        """The shortest spelling in an experiment file."""
        own = self.own_parameters()
        return {self.name: {key: listed(value) for key, value in own.items()}} if own else self.name

    def to_record(self) -> Yaml:
        """As `to_yaml`; for a custom function also what is needed to read results without it."""
        if self.recorded is None:
            return self.to_yaml()
        own = {key: listed(value) for key, value in self.own_parameters().items()}
        return {self.name: {**own, FROM: self.recorded.to_yaml()}}

    def __str__(self) -> str:
        own = ", ".join(f"{name}={_text(value)}" for name, value in self.own_parameters().items())
        return f"{self.name}({own})" if own else self.name


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(listed(value))


def nested_problem(problems: Iterable[tuple[tuple[str | int, ...], str]]) -> PydanticCustomError:
    """A pydantic error that carries several problems, each with its path below the field being validated."""
    return PydanticCustomError("nested", "see details", {"problems": list(problems)})


def parse_choice(kind: Kind, value: Yaml) -> Choice:
    """Read `name` or `{name: {parameter: value}}`; raises a pydantic error that names every mistake."""
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        name, given = value, dict[str, Yaml]()
    elif isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict | None):
        name, given = next(iter(value.items()))
        given = dict(given or {})
    else:
        raise nested_problem([((), f"expected a name or {{name: {{setting: value}}}} of {kind}, found {shown(value)}")])
    if FROM in given:
        return _recorded_choice(kind, str(name), given)
    try:
        entry = find(kind, str(name))
    except KeyError as unknown:
        elsewhere = tomllib.loads(NAMES_ELSEWHERE.read_text(encoding="utf-8"))
        meant = elsewhere.get(kind, {}).get(str(name).lower().replace("_", ""))
        message = f"no {kind} is called {str(name)!r} here; it is {meant}" if meant else str(unknown.args[0])
        raise nested_problem([((), message)]) from None
    return _choice(entry, name, given)


def choices_from(origin: Origin) -> tuple[Choice, ...]:
    """What has been added from an origin, at its default parameters."""
    return tuple(parse_choice(entry.kind, entry.name) for entry in added_from(origin))


@cache
def _built_in(entry: Entry) -> Choice:
    """An entry at its default parameters, made once for thousands of arms."""
    return Choice(kind=entry.kind, name=entry.name, parameters=tuple(default_parameters(entry).items()))


def _choice(entry: Entry, name: str, given: dict[str, Yaml]) -> Choice:
    if not given and not entry.origin:
        return _built_in(entry)
    parameters = validated(parameters_model(entry), {key: tupled(value) for key, value in given.items()}, name)
    return Choice(
        kind=entry.kind,
        name=entry.name,
        parameters=tuple(parameters.model_dump().items()),
        recorded=recorded_entry(entry, default_parameters(entry)) if entry.origin else None,
    )


def validated(model: type[Model], given: Yaml, *where: str) -> Model:
    """The model of these values; raises a pydantic error that names every mistake below this path."""
    try:
        return model.model_validate(given)
    except ValidationError as invalid:
        known = [field.alias or key for key, field in model.model_fields.items()]
        raise nested_problem(
            ((*where, *problem["loc"]), explain(problem, known_keys=known)) for problem in invalid.errors()
        ) from None


def _recorded_choice(kind: Kind, name: str, given: dict[str, Yaml]) -> Choice:
    """A choice as a result folder keeps it: of the version that it names, loaded or not."""
    recorded = validated(RecordedEntry, given.pop(FROM), name, FROM)
    if recorded.is_loaded(kind, name):
        return _choice(recorded.entry(kind, name), name, given)
    if not name.isidentifier():
        raise nested_problem([((), f"no {kind} can be called {name!r}")])
    given = {key: tupled(value) for key, value in given.items()}
    defaults = dict(recorded.defaults)
    if wrong := [key for key, value in given.items() if key not in defaults or not is_plain(value)]:
        raise nested_problem(((name, key), f"no value of a parameter of {name}") for key in wrong)
    return Choice(kind=kind, name=name, parameters=tuple({**defaults, **given}.items()), recorded=recorded)


def choices_in(value: Any) -> Iterator[Choice]:
    """All choices in a setting, a list of settings or whole settings."""
    if isinstance(value, Choice):
        yield value
    elif isinstance(value, tuple | BaseModel):
        for part in value if isinstance(value, tuple) else (inner for _, inner in value):
            yield from choices_in(part)


def custom_choices(value: Any) -> dict[Choice, RecordedEntry]:
    """The choices in a setting, or in whole settings, that are not built in, with their versions."""
    return {choice: choice.recorded for choice in choices_in(value) if choice.recorded is not None}


def shown(value: Any) -> str:
    """A value as an error message quotes it: short, and with the kind of thing it is."""
    kinds = {bool: "true or false", str: "text", int: "a whole number", float: "a number"}
    kinds |= {tuple: "a list", dict: "a mapping"}
    if value is None:
        return "nothing"
    plain = isinstance(value, str | float)
    text = repr(value) if plain else json.dumps(value, default=str, ensure_ascii=False)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({kinds.get(type(value), type(value).__name__)})"


_EXPECTED = tomllib.loads(Path(__file__).with_name("expected.toml").read_text(encoding="utf-8"))


def explain(problem: ErrorDetails, *, known_keys: Iterable[str] = ()) -> str:
    """One pydantic error as a sentence: what was expected, what was found, the nearest name."""
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        return f"unknown key{nearest_or_all(str(problem['loc'][-1]), list(known_keys))}"
    if problem["type"] == "missing":
        return "required, but not there"
    expected = _EXPECTED.get(problem["type"])
    if expected is None:
        return str(problem["msg"])
    names = str(context.get("expected", context.get("names", ""))).replace("'", "").replace(" or ", ", ").split(", ")
    is_named = problem["type"] in ("literal_error", "number_or_name") and isinstance(problem["input"], str)
    nearest = did_you_mean(problem["input"], names) if is_named else ""
    return f"expected {expected.format(**context)}, found {shown(problem['input'])}{nearest}"


def _choice_of(kind: Kind) -> Any:
    return Annotated[Choice, BeforeValidator(partial(parse_choice, kind)), PlainSerializer(Choice.to_record)]


Activation = _choice_of("activation")
Initialiser = _choice_of("initialiser")
Output = _choice_of("output")
Loss = _choice_of("loss")
Optimizer = _choice_of("optimizer")
