"""Raw values to settings, one at a time, with every mistake as a path and a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from actbench.experiment.choices import explain, shown
from actbench.experiment.definition import SECTIONS, Factor
from actbench.experiment.naming import SettingValues, value_to_yaml
from actbench.experiment.settings import LayerSettings, TrialSettings
from actbench.text import nearest_or_all

SettingPath = tuple[str | int, ...]
Mistake = tuple[SettingPath, str]


def validated_setting(path: str, raw: Any) -> tuple[Any, list[Mistake]]:
    """One setting, validated alone: its value, or its mistakes with their paths below the setting."""
    section, name = path.split(".")
    try:
        model = SECTIONS[section].model_validate({name: raw})
    except ValidationError as invalid:
        return None, [(where[1:], message) for where, message in sentences(invalid, SECTIONS[section])]
    return getattr(model, name), []


def varied_values(
    given: Any, factors: Sequence[Factor], paths_with_mistakes: Collection[str] = (), *, takes_any: bool = False
) -> tuple[SettingValues, list[Mistake]]:
    """Values of varied settings in the order of the factors, among theirs unless it `takes_any`.

    Those of `paths_with_mistakes` are left out.
    """
    if not isinstance(given, dict):
        return (), [((), f"expected a mapping such as `model.activation: relu`, found {shown(given)}")]
    by_path = {factor.path: factor for factor in factors}
    chosen, mistakes = dict[str, Any](), list[Mistake]()
    for path, raw in given.items():
        if path in paths_with_mistakes:
            continue
        if path not in by_path:
            mistakes.append(((path,), f"expected a setting that is varied{nearest_or_all(path, by_path)}"))
            continue
        value, problems = validated_setting(path, raw)
        mistakes += [((path, *rest), message) for rest, message in problems]
        if not takes_any and not problems and value not in by_path[path].values:
            values = ", ".join(str(value_to_yaml(v)) for v in by_path[path].values)
            mistakes.append(((path,), f"expected one of the varied values ({values}), found {shown(raw)}"))
        chosen[path] = value
    return tuple((path, chosen[path]) for path in by_path if path in chosen), mistakes


def sentences(invalid: ValidationError, model: type[BaseModel] = TrialSettings) -> Iterator[Mistake]:
    """Every mistake that pydantic found."""
    for problem in invalid.errors():
        where = tuple(problem["loc"])
        if problem["type"] == "nested":
            for rest, message in problem["ctx"]["problems"]:
                yield (*where, *rest), message
        else:
            above = problem["loc"][:-1]  # the model where an unknown key was found
            section = SECTIONS.get(str(above[0]), model) if above else model
            fields = (LayerSettings if "layers" in above else section).model_fields
            message = explain(problem, known_keys=tuple(fields))
            is_unknown = problem["type"] == "extra_forbidden" and len(where) <= 2
            yield where, (misplaced(str(where[-1])) if is_unknown else "") or message


def misplaced(key: str) -> str:
    """Where a setting belongs, if another place was looked for it; empty where no section has a key of this name."""
    sections = [section for section, model in SECTIONS.items() if key in model.model_fields]
    return f"unknown key here; {key} belongs under {sections[0]}" if sections else ""
