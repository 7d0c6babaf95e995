"""What can be chosen: catalogue entries, datasets and bundled experiments, as tables and as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from actbench.catalogue.datasets import DATASETS, is_present, raw_folder
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Entry, Kind, default_parameters
from actbench.config.bundled import bundled_experiments, summary_line
from actbench.errors import ConfigurationError
from actbench.render.sections import Section
from actbench.text import nearest_or_all

MAX_LINE = 80
KINDS: tuple[Any, ...] = (*get_args(Kind), "dataset", "experiment")


def catalogue_sections(kind: str | None) -> list[Section]:
    """The entries of one kind, or of all; raises `ConfigurationError` on an unknown kind."""
    others = {"dataset": _datasets_section, "experiment": _experiments_section}
    return [others[name]() if name in others else _entries_section(name) for name in _wanted_kinds(kind)]


def catalogue_names(kind: str | None) -> list[Section]:
    """The names alone, many to a line; of bundled experiments alone with what they are, one to a line."""
    named = {name: [one["name"] for one in found] for name, found in catalogue_document(kind).items()}
    sections = [Section(_plural(name), [], [], _in_columns(found)) for name, found in named.items()]
    if [*named] == ["experiment"]:
        sections = [_experiments_section()]
    hints = [
        Section("Formulas, aliases and references: actbench list --long; one function: actbench show NAME", [], [])
    ]
    return [*sections, *([] if named.keys() <= {"experiment", "dataset"} else hints)]


def _in_columns(names: Sequence[str]) -> list[str]:
    """The names side by side, in lines of at most 80 characters."""
    width = max(map(len, names), default=0) + 2
    each = max(1, (MAX_LINE + 2) // width)
    rows = [names[start : start + each] for start in range(0, len(names), each)]
    return ["".join(f"{name:<{width}}" for name in row).rstrip() for row in rows]


def _wanted_kinds(kind: str | None) -> tuple[Any, ...]:
    """The kind of that name, in singular or plural, or all."""
    singular = {_plural(name): name for name in KINDS}
    name_of_kind = singular.get(kind or "", kind)
    if name_of_kind is not None and name_of_kind not in KINDS:
        raise ConfigurationError(f"no kind of entry is called {kind!r}{nearest_or_all(name_of_kind, KINDS)}")
    return KINDS if name_of_kind is None else (name_of_kind,)


def catalogue_document(kind: str | None) -> dict[str, Any]:
    """The same as plain data by kind; a bound that is None is infinite."""
    return {name: _documents(name) for name in _wanted_kinds(kind)}


def _documents(kind: Any) -> list[dict[str, Any]]:
    if kind == "dataset":
        return [*map(asdict, DATASETS.values())]
    if kind == "experiment":
        files = bundled_experiments().items()
        return [{"name": name, "file": str(file), "summary": summary_line(file)} for name, file in files]
    return [*map(entry_document, entries(kind))]


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry's metadata, as far as they apply to its kind."""
    facts: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind,
        "aliases": entry.aliases,
        "parameters": default_parameters(entry),
        "formula": entry.formula,
        "summary": entry.summary,
        "reference": entry.reference,
    }
    if entry.kind in ("activation", "output"):
        facts["bounds"] = entry.bounds_at(default_parameters(entry))
    if entry.kind == "output":
        facts["yields"] = entry.yields
    return facts | ({"accepts": entry.accepts, "tolerates": entry.tolerates} if entry.kind == "loss" else {})


def _entries_section(kind: Kind) -> Section:
    """Every entry with its metadata, in the columns that apply to its kind."""
    columns: dict[str, Callable[[Entry], str]] = {
        "name": lambda entry: ", ".join((entry.name, *entry.aliases)),
        "settings": _settings,
        "formula": lambda entry: entry.formula,
        "bounds": lambda entry: bounds_text(entry, default_parameters(entry)),
        "gives": lambda entry: entry.yields,
        "meant for": lambda entry: " or ".join(entry.accepts),
        "what it is": lambda entry: entry.summary,
        "reference": lambda entry: entry.reference,
    }
    only = {"bounds": ("activation", "output"), "gives": ("output",), "meant for": ("loss",)}
    header = [name for name in columns if kind in only.get(name, (kind,))]
    return Section(
        _plural(kind), header, [[columns[name](entry) for name in header] for entry in entries(kind)], is_complete=True
    )


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _settings(entry: Entry) -> str:
    parameters = default_parameters(entry).items()
    shown = [f"{name}: {str(one).lower() if isinstance(one, bool) else one}" for name, one in parameters]
    return ", ".join(shown) or "-"


def bounds_text(entry: Entry, parameters: Mapping[str, Any]) -> str:
    """`(0, inf)`."""
    low, high = entry.bounds_at(parameters)
    return f"({_number(low)}, {_number(high)})"


def _number(number: float) -> str:
    return ("-" if number < 0 else "") + "inf" if math.isinf(number) else f"{number:g}"


def data_section(folder: Path) -> Section:
    """Every dataset with where it is or would be."""
    rows = []
    for one in data_document(folder)["datasets"]:
        state = "present" if one["present"] else f"absent: actbench data fetch {one['name']}"
        rows.append([one["name"], state, one["folder"] or one["source"]])
    return Section("datasets", ["name", "state", "where"], rows, is_complete=True)


def data_document(folder: Path) -> dict[str, Any]:
    """The same as plain data."""
    datasets = [
        {"name": one.name, "present": is_present(one, folder), "source": one.source}
        | {"folder": str(raw_folder(one, folder)) if one.file_md5 else None}
        for one in DATASETS.values()
    ]
    return {"folder": str(folder), "datasets": datasets}


def _datasets_section() -> Section:
    rows = [
        [one.name, f"{one.train_count:,} / {one.test_count:,}", *map(str, (one.features, one.classes, one.source)),
         one.summary, one.reference]
        for one in DATASETS.values()
    ]  # fmt: skip
    header = ["name", "train / test", "features", "classes", "from", "what it is", "reference"]
    return Section("datasets", header, rows, is_complete=True)


def _experiments_section() -> Section:
    rows = [[one["name"], one["summary"]] for one in _documents("experiment")]
    return Section("experiments", ["name", "what it asks"], rows, ["To train one: actbench run NAME."], prose=(1,))
