"""What the shell completes as an option's value: settings with their values, metrics, arms and factors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import typer

SCHEMA_FILE = "actbench.schema.json"
BEFORE_VARIABLE = "_ACTBENCH_COMPLETE_BEFORE"
EXPERIMENT, JOURNAL = "experiment.yaml", "trials.jsonl"
LIST_SECTIONS = ("vary", "tune")
PLAIN_VALUE = re.compile(r"\w[\w.-]*")  # shells evaluate what they are given to complete

Data = dict[str, Any]


def join_completion_words(environment: MutableMapping[str, str]) -> None:
    """Undo that bash takes `train.loss=n` for three words: the last one remains, and what stood before it is kept."""
    words, at = re.split(r"[\n ]", environment.get("COMP_WORDS", "")), environment.get("COMP_CWORD", "")
    if "=" not in words or not at.isdigit() or int(at) >= len(words):
        return
    before, last = words[: int(at)], words[int(at)]
    if last == "=":
        before, last = [*before, last], ""
    if len(before) > 1 and before[-1] == "=" and not before[-2].startswith("-"):
        environment[BEFORE_VARIABLE] = f"{before[-2]}="
        del before[-2:]
    kept = [word for word, follows in zip(before, ["", *before], strict=False) if not _joins_option(word, follows)]
    environment.update({"COMP_WORDS": "\n".join([*kept, last]), "COMP_CWORD": str(len(kept))})


def _joins_option(word: str, follows: str) -> bool:
    return word == "=" and follows.startswith("--")


def settings(incomplete: str) -> list[str]:
    """`train.loss=` by its beginning, and its values once no other setting is meant."""
    schema = _schema()
    typed, equals, _ = _typed(incomplete).partition("=")
    keys = _keys(schema, with_sections=bool(typed))
    meant = [key for key in keys if (key == typed if equals else key.startswith(typed))]
    if len(meant) != 1:
        return _beginning_with(incomplete, (f"{key}=" for key in meant))
    values = list(_values(keys[meant[0]], schema)) or [""]
    return _beginning_with(incomplete, (f"{meant[0]}={value}" for value in values))


def _keys(schema: Data, *, with_sections: bool) -> dict[str, Data]:
    """What can stand before `=`, each with its schema; those of vary, tune and baseline once anything is typed."""
    definitions: Data = schema.get("definitions", {})
    varied: Data = definitions.get("arm", {}).get("properties", {})
    keys = {key: part for key, part in definitions.items() if "." in key}
    keys |= {key: part for key, part in schema.get("properties", {}).items() if _is_one_value(key, definitions)}
    if with_sections:
        keys |= {f"baseline.{path}": part for path, part in varied.items()}
        keys |= {f"{section}.{path}": {} for section in LIST_SECTIONS for path in varied}
    return keys


def _is_one_value(key: str, definitions: Data) -> bool:
    return key not in ("expect", "baseline", *LIST_SECTIONS) and not any(
        path.startswith(f"{key}.") for path in definitions
    )


def _values(schema: Data, root: Data) -> Iterator[str]:
    """The names that a part of the schema takes; where it takes anything else, its default."""
    names = list(dict.fromkeys(_names(schema, root)))
    if names:
        yield from names
    elif isinstance(default := schema.get("default"), str | int | float):
        yield str(default)


def _names(schema: Data, root: Data) -> Iterator[str]:
    if reference := schema.get("$ref"):
        yield from _names(root["definitions"][reference.rpartition("/")[2]], root)
    for value in (*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())):
        yield str(value)
    if schema.get("type") == "boolean":
        yield from ("true", "false")
    for part in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _names(part, root)


def metrics(incomplete: str) -> list[str]:
    """Metrics by name."""
    schema = _schema()
    return _beginning_with(incomplete, _names(schema.get("definitions", {}).get("metric", {}), schema))


def arms(context: typer.Context, incomplete: str) -> list[str]:
    """Values of what the results vary, alone or as `activation=relu`; those that shells take as they stand."""
    factors = _factors(context)
    alone = [value for values in factors.values() for value in values]
    named = [
        f"{name}={value}"
        for path, values in factors.items()
        for name in (path.rpartition(".")[2], path)
        for value in values
    ]
    return _beginning_with(incomplete, [*alone, *(named if "=" in _typed(incomplete) else ())])


def factors(context: typer.Context, incomplete: str) -> list[str]:
    """Settings that the results vary."""
    return _beginning_with(incomplete, (name for path in _factors(context) for name in (path.rpartition(".")[2], path)))


def _factors(context: typer.Context) -> dict[str, list[str]]:
    """What the result folder on the command line, or the latest, varies: settings with the plain ones of their values.

    Read without the models that check it, which take too long to import.
    """
    folders = [*_result_folders_on_the_line(), *_latest(context.params.get("results") or Path("results"))]
    varied = _mapping(_mapping(_read(folders[0] / EXPERIMENT)).get("vary")) if folders else {}
    return {
        path: [text for value in values if PLAIN_VALUE.fullmatch(text := _text(value))]
        for path, values in varied.items()
        if isinstance(values, tuple) and PLAIN_VALUE.fullmatch(path)
    }


def _read(file: Path) -> Any:
    """What an experiment file says, as far as it can be read."""
    from actbench.config.source import MAX_FILE_BYTES, read_yaml

    try:
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            return read_yaml(stream.read(MAX_FILE_BYTES + 1).decode("utf-8-sig"), "").data
    except (OSError, UnicodeDecodeError):
        return None


def _mapping(data: Any) -> Data:
    return data if isinstance(data, dict) else {}


def _result_folders_on_the_line() -> list[Path]:
    """Those among the words before the last: of a line that is not whole, typer forgets its arguments."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = [word for word in re.split(r"\s", line)[1:-1] if word]
    return [Path(word) for word in words if Path(word, EXPERIMENT).is_file()]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _latest(root: Path) -> list[Path]:
    journals = list(root.glob(f"*/{JOURNAL}"))
    return [max(journals, key=lambda path: path.stat().st_mtime_ns).parent] if journals else []


def _schema() -> Data:
    """The schema of experiment files as it comes along: to derive it takes longer than a shell should wait."""
    import json

    from actbench.config.bundled import bundled_folder

    file = bundled_folder() / SCHEMA_FILE
    found: Data = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def _typed(incomplete: str) -> str:
    return os.environ.get(BEFORE_VARIABLE, "") + incomplete


def _beginning_with(incomplete: str, candidates: Iterable[str]) -> list[str]:
    """The candidates that go on as typed, without what the shell does not replace."""
    typed, before = _typed(incomplete), os.environ.get(BEFORE_VARIABLE, "")
    return [one.removeprefix(before) for one in dict.fromkeys(candidates) if one.startswith(typed)]
