"""Settings on the command line, put into the data of an experiment file as if the file said so."""

from __future__ import annotations

from actbench.config.source import Problem, Source, read_yaml
from actbench.experiment.validation import SettingPath


def apply_override(source: Source, override: str) -> None:
    """Set `section.field=value` or `vary.section.field=[...]` in the data, as if the file said so."""
    key, equals, text = override.partition("=")
    key, place = key.strip(), f"--set {override}"
    parts = key.split(".")
    path: SettingPath = (
        (parts[0], ".".join(parts[1:])) if parts[0] in ("vary", "tune", "baseline") and parts[1:] else tuple(parts)
    )
    if not equals or not key:
        source.problems.append(Problem(place, (), "expected key=value, as in train.epochs=3"))
        return
    given = read_yaml(text or "~", place)
    if given.problems or not isinstance(source.data, dict):
        source.problems += [Problem(place, path, problem.message) for problem in given.problems]
        return
    for section, verb in (("vary", "varies"), ("tune", "tunes")):
        if isinstance(source.data.get(section), dict) and key in source.data[section]:
            instead = f"this experiment {verb} {key}: set {section}.{key}=[...] instead"
            source.problems.append(Problem(place, path, instead))
            return
    target = source.data
    for depth, part in enumerate(path[:-1], start=1):
        inner = target.get(part)
        if inner is None:
            inner = {}
            source.places[path[:depth]] = place
        target[part] = inner
        if not isinstance(inner, dict):
            source.problems.append(Problem(place, path, f"{part} is not a mapping"))
            return
        target = inner
    target[path[-1]] = given.data
    source.places = {p: where for p, where in source.places.items() if p[: len(path)] != path}
    source.places |= {(*path, *p): place for p in given.places}
