"""The JSON Schema (draft-07) of experiment files, derived from the settings' models and the catalogue."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, TypeAdapter
from pydantic.fields import FieldInfo

from actbench.catalogue.datasets import DATASETS
from actbench.catalogue.lookup import entries, names
from actbench.catalogue.registry import ENTRIES, Entry, Kind, parameters_model
from actbench.config.cells import IMPOSSIBLE, MAX_NAME_LENGTH, READ_AS_MISSING, SETTING_PATHS
from actbench.config.claims import ARMS, BOUNDS, ClaimEntry
from actbench.config.plain_values import (
    LEVEL,
    MAX_LOOKS,
    MAX_SEED,
    MAX_SEEDS,
    MAX_TUNING_SEEDS,
    MIN_LOOK,
    PRIMARY_METRICS,
)
from actbench.config.reader import KNOWN_KEYS
from actbench.experiment import metrics
from actbench.experiment.choices import parse_choice
from actbench.experiment.definition import NAME_LENGTH, SECTIONS, Keep, Match
from actbench.experiment.naming import value_to_yaml

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
VARIED_PATHS = tuple(path for path in SETTING_PATHS if path != "data.dataset")
TUNED_DATA = ("data.scale",)

# Settings read by a function, so that their type does not say what they accept. A test compares the two.
SPELT_FREELY: dict[str, Schema] = {
    "data.dataset": {"enum": list(DATASETS)},
    "data.scale": {"anyOf": [{"enum": ["unit", "standard", "none"]}, {"type": "number", "exclusiveMinimum": 0}]},
    "train.batch_size": {"anyOf": [{"const": "full"}, {"type": "integer", "minimum": 1, "maximum": 10_000_000}]},
}
DESCRIPTIONS = tomllib.loads(Path(__file__).with_name("keys.toml").read_text(encoding="utf-8"))


def schema_text() -> str:
    """The schema as it is printed and kept in files."""
    return json.dumps(experiment_schema(), indent=1, allow_nan=False) + "\n"


def experiment_schema() -> Schema:
    """What an experiment file may say, as far as a draft-07 schema can tell."""
    top = {
        "name": {"type": "string", "maxLength": NAME_LENGTH, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
        **{section: _section(section, model) for section, model in SECTIONS.items()},
        "vary": _groups(VARIED_PATHS, fewest=1),
        "exclude": {"anyOf": [{"const": IMPOSSIBLE}, _list_of_arms()]},
        "include": _list_of_arms(),
        "names": {
            "type": "object",
            "propertyNames": {
                "maxLength": MAX_NAME_LENGTH,
                "pattern": r"^[^,]*[^,\s][^,]*$",
                "not": {"enum": list(READ_AS_MISSING)},
            },
            "additionalProperties": _reference("arm"),
        },
        "tune": _groups([path for path in SETTING_PATHS if path in TUNED_DATA or path[:5] != "data."], fewest=2),
        "tuning_seeds": {"type": "integer", "minimum": 1, "maximum": MAX_TUNING_SEEDS},
        "tuning_margin": {"type": "number", "exclusiveMinimum": 0},
        "seeds": _seeds(),
        "baseline": _reference("arm"),
        "match": {"enum": list(get_args(Match))},
        "primary": {"type": "string", "enum": list(PRIMARY_METRICS)},
        "margin": {"type": "number", "exclusiveMinimum": 0},
        "keep": {"enum": list(get_args(Keep))},
        "expect": {"type": "array", "minItems": 1, "items": _reference("claim")},
    }
    numbers = [name for name in PRIMARY_METRICS if metrics.parse_metric(name).unit != "share"]
    return {
        "$schema": DRAFT,
        "title": "actbench experiment",
        "description": "An experiment of actbench: which networks are trained, and what is compared.",
        **_object(
            {key: _described(DESCRIPTIONS.get(key), {"anyOf": [top[key], {"type": "null"}]}) for key in KNOWN_KEYS}
        ),
        "if": {"properties": {"primary": {"enum": numbers}}, "required": ["primary"]},
        "else": {"properties": {key: {"exclusiveMaximum": 1} for key in ("margin", "tuning_margin")}},
        "definitions": {
            **{kind: _choice(kind) for kind in get_args(Kind)},
            **{
                f"{section}.{name}": _field(section, name, field)
                for section, model in SECTIONS.items()
                for name, field in model.model_fields.items()
            },
            "arm": _object({path: _reference(path) for path in VARIED_PATHS}),
            "claim": _claim(),
            "metric": _metric(),
        },
    }


def _reference(definition: str) -> Schema:
    return {"$ref": f"#/definitions/{definition}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _described(description: str | None, schema: Schema) -> Schema:
    return {"description": description, **schema} if description else schema


def _object(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    closed: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return closed | ({"required": list(required)} if required else {})


def _section(section: str, model: type[BaseModel]) -> Schema:
    fields = _object({name: _reference(f"{section}.{name}") for name in model.model_fields})
    return _described((inspect.getdoc(model) or "").splitlines()[0], fields)


def _groups(paths: Sequence[str], *, fewest: int) -> Schema:
    """Settings with lists of values, or a list of groups, where varied settings say which arms a tuned row is for."""
    columns = {path: {"type": "array", "minItems": fewest, "items": _reference(path)} for path in VARIED_PATHS}
    groups = {"type": "array", "minItems": 1, "items": _object(columns) | {"minProperties": 1}}
    values = {"type": "array", "minItems": fewest, "uniqueItems": True}
    return {"anyOf": [_object({path: values | {"items": _reference(path)} for path in paths}), groups]}


def _list_of_arms() -> Schema:
    return {"type": "array", "minItems": 1, "items": _reference("arm")}


def _seeds() -> Schema:
    one = {"type": "integer", "minimum": 0, "maximum": MAX_SEED}
    several = {"type": "array", "minItems": 1, "maxItems": MAX_SEEDS, "uniqueItems": True, "items": one}
    counts = {"type": "integer", "minimum": MIN_LOOK, "maximum": MAX_SEEDS}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": LEVEL}
    looks = _object(
        {
            "looks": {"type": "array", "minItems": 1, "maxItems": MAX_LOOKS, "uniqueItems": True, "items": counts},
            "first": _or_null({"type": "integer", "minimum": 0, "maximum": MAX_SEED - MAX_SEEDS}),
            "alpha": _or_null({"type": "array", "maxItems": MAX_LOOKS, "items": share}),
        },
        ["looks"],
    )
    return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_SEEDS}, several, looks]}


def _field(section: str, name: str, field: FieldInfo) -> Schema:
    """One setting of a model: its description, what it takes, and its default, if it has one."""
    schema = SPELT_FREELY.get(f"{section}.{name}") or _type(field.annotation, field.metadata)
    schema = _described(field.description, schema if "$ref" not in schema else {"allOf": [schema]})
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return schema if default is None else schema | {"default": value_to_yaml(default)}


def _type(annotation: Any, metadata: Sequence[Any] = ()) -> Schema:
    """What a value of this type may be, as an experiment file spells it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inner[0], inner[1:])
    for one in metadata:
        if isinstance(one, BeforeValidator) and isinstance(one.func, partial) and one.func.func is parse_choice:
            return _reference(one.func.args[0])
    if origin in (Union, UnionType):
        return {"anyOf": [_type(one) for one in inner]}
    if origin is tuple and inner[-1] is Ellipsis:
        return {"type": "array", "items": _type(inner[0])}
    if origin is tuple:
        return {"type": "array", "items": [_type(one) for one in inner], "minItems": len(inner), "maxItems": len(inner)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _model("layer", annotation)
    constrained: Any = Annotated
    return TypeAdapter(constrained[annotation, *metadata] if metadata else annotation).json_schema()


def _model(prefix: str, model: type[BaseModel]) -> Schema:
    fields = model.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    return _object({name: _field(prefix, name, field) for name, field in fields.items()}, required)


def _choice(kind: Kind) -> Schema:
    """A name of this kind, or `{name: {parameter: value}}`."""
    by_name = {name: _parameters(entry) for entry in entries(kind) for name in (entry.name, *entry.aliases)}
    with_parameters = _object(by_name) | {"minProperties": 1, "maxProperties": 1}
    return {"anyOf": [{"enum": list(names(kind))}, with_parameters]}


def _parameters(entry: Entry) -> Schema:
    closed = _model("parameter", parameters_model(entry))
    described = f"{entry.summary} {entry.formula}" if entry.formula else entry.summary
    return {"description": described, **closed, "type": ["object", "null"]}


def _claim() -> Schema:
    """One entry under `expect`: one arm better than another, or a metric within a bound."""
    models = ClaimEntry.model_fields
    types = {name: _type(field.annotation, field.metadata) for name, field in models.items()}
    types |= {name: {"allOf": [_reference("arm")]} for name in ARMS} | {"metric": {"allOf": [_reference("metric")]}}
    fields = {name: _described(models[name].description, schema) for name, schema in types.items()}
    compared = [name for name in ARMS if name in ("better", "than")]
    bounded = [name for name in ARMS if name not in compared]
    forms = [{"required": compared, **_without([*bounded, *BOUNDS])}]
    forms += [
        {"required": [bound], **_without([*compared, *(other for other in BOUNDS if other != bound)])}
        for bound in BOUNDS
    ]
    return _object(fields, ["claim"]) | {"oneOf": forms}


def _without(names: Sequence[str]) -> Schema:
    return {"not": {"anyOf": [{"required": [name]} for name in names]}}


def _metric() -> Schema:
    """A metric by name, the difference of two, or their ratio."""
    forms = [
        pattern.pattern
        for pattern in (metrics.CURVE, metrics.PROBE, metrics.OF_CLASS, metrics.FIRST, metrics.EPOCHS_TO)
    ]
    learnt = sorted({name for entry in ENTRIES.values() for name in entry.learnable})
    forms.append(metrics.LEARNT.pattern.replace(metrics.LEARNT_NAME, rf"({'|'.join(learnt)})(_sd)?"))
    one = "|".join([*(re.sub(r"\?P<\w+>", "?:", form) for form in forms), *metrics.OTHERS])
    expression = {"pattern": rf"^\s*({one})(\s+[-/]\s+({one}))?\s*$"}
    return {
        "type": "string",
        "anyOf": [{"enum": [*metrics.CURVES, *metrics.MEASURES, *metrics.OTHERS, *metrics.FORMS]}, expression],
    }
