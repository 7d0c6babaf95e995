"""Names of values and arms: in labels, in experiment files and in result folders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actbench.catalogue.datasets import Dataset
from actbench.experiment.choices import Choice
from actbench.experiment.settings import LayerSettings, dataset_to_record

SettingValues = tuple[tuple[str, Any], ...]


def label_of(values: SettingValues) -> str:
    """How tables call the arm, or all arms, with these values."""
    if len(values) == 1 and isinstance(values[0][1], Choice):
        return str(values[0][1])
    return ", ".join(f"{path.split('.')[-1]}={value_to_text(value)}" for path, value in values) or "all trials"


def short_label(values: SettingValues) -> str:
    """`relu, lr=0.001` for `activation=relu, lr=0.001`: numbers keep the name of their setting."""
    names = [value_to_text(one) if isinstance(one, Choice | str) else label_of(((path, one),)) for path, one in values]
    return ", ".join(names) or label_of(values)


def settings_by_path(arms: Iterable[SettingValues]) -> dict[str, list[Any]]:
    """Every value of each setting, in the order in which they occur."""
    found: dict[str, dict[Any, None]] = {}
    for path, value in (pair for values in arms for pair in values):
        found.setdefault(path, {})[value] = None
    return {path: list(values) for path, values in found.items()}


def value_to_yaml(value: Any, *, is_record: bool = False) -> Any:
    """A setting's value as an experiment file spells it, or as a result folder records it."""
    if isinstance(value, Choice):
        return value.to_record() if is_record else value.to_yaml()
    if isinstance(value, Dataset):
        return dataset_to_record(value) if is_record else value.name
    if isinstance(value, tuple):
        return [value_to_yaml(item, is_record=is_record) for item in value]
    if isinstance(value, LayerSettings):
        return {name: value_to_yaml(given, is_record=is_record) for name, given in value if given is not None}
    return value


def values_to_yaml(values: SettingValues, *, is_record: bool = False) -> dict[str, Any]:
    """`{"model.activation": "relu"}`."""
    return {path: value_to_yaml(value, is_record=is_record) for path, value in values}


def value_to_text(value: Any) -> str:
    """A setting's value in a label."""
    if isinstance(value, tuple):
        return "-".join(map(value_to_text, value)) or "none"
    if isinstance(value, LayerSettings):
        own = [f"{name}={value_to_text(given)}" for name, given in value if name != "units" and given is not None]
        return f"{value.units}({', '.join(own)})" if own else str(value.units)
    if value is None:
        return "default"
    return str(value).lower() if isinstance(value, bool) else str(value)
