"""Shell completion: names of the catalogue, files and folders, settings, metrics, arms and factors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from glob import escape, iglob
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, get_args

from typer import Context

from actbench.store.names import EXPERIMENT, latest_journal

MAX_FOLDER_DEPTH = 3
MAX_ENTRIES = 5_000
YAML_ENDINGS = (".yaml", ".yml")
PLAIN_NAME = re.compile(r"[\w.,+@%][\w.,+@%-]*")  # shells evaluate what they are given to complete
PLAIN_VALUE = re.compile(r"\w[\w.-]*")
SCHEMA_FILE = "actbench.schema.json"
BEFORE_VARIABLE = "_ACTBENCH_COMPLETE_BEFORE"
LIST_SECTIONS = ("vary", "tune")
ADDS_A_FUNCTION = re.compile(r"(^|\.)(activation|output)$")

Data = dict[str, Any]


def join_completion_words(environment: MutableMapping[str, str]) -> None:
    """Join `train.loss=n`, which bash splits at `=`: the last word stays, and what was before it is kept aside."""
    words, at = re.split(r"[\n ]", environment.get("COMP_WORDS", "")), environment.get("COMP_CWORD", "")
    if "=" not in words or not at.isdigit() or int(at) >= len(words):
        return
    before, last = words[: int(at)], words[int(at)]
    if last == "=":
        before, last = [*before, last], ""
    if len(before) > 1 and before[-1] == "=" and not before[-2].startswith("-"):
        environment[BEFORE_VARIABLE] = f"{before[-2]}="
        del before[-2:]
    pairs = zip(before, ["", *before], strict=False)
    kept = [word for word, option in pairs if word != "=" or not option.startswith("--")]
    environment.update({"COMP_WORDS": "\n".join([*kept, last]), "COMP_CWORD": str(len(kept))})


def _typed(incomplete: str) -> str:
    return os.environ.get(BEFORE_VARIABLE, "") + incomplete


def _matching(incomplete: str, candidates: Iterable[str]) -> list[str]:
    """The candidates that begin as typed, without the part that the shell does not replace."""
    typed, before = _typed(incomplete), os.environ.get(BEFORE_VARIABLE, "")
    return [text.removeprefix(before) for text in dict.fromkeys(candidates) if text.startswith(typed)]


def experiments(incomplete: str) -> list[str]:
    """Experiment files and bundled experiments."""
    from actbench.config.bundled import bundled_experiments

    return [*_matching(incomplete, bundled_experiments()), *experiment_files(incomplete)]


def experiment_files(incomplete: str) -> list[str]:
    """YAML files here or a few folders below, as whole paths, so that the shell fills in their common beginning."""
    return [file for file in files(*YAML_ENDINGS)(incomplete) if PurePath(file).name != EXPERIMENT]


def files(*endings: str) -> Callable[[str], list[str]]:
    """A completion by files with one of these endings, here or a few folders below."""

    def complete(incomplete: str) -> list[str]:
        return sorted(path for path in _paths_below(incomplete) if path.endswith(endings) and not Path(path).is_dir())

    return complete


def result_folders(incomplete: str) -> list[str]:
    """Result folders here or a few folders below."""
    return sorted(path for path in _paths_below(incomplete) if Path(path, EXPERIMENT).is_file())


def _paths_below(incomplete: str) -> Iterator[str]:
    """Paths that begin as typed, nearest first; hidden ones only if typed."""
    typed = incomplete.count("/")
    for depth in range(MAX_FOLDER_DEPTH):
        pattern = f"{escape(incomplete)}*{'/*' * depth}"
        for path in islice(iglob(pattern), MAX_ENTRIES):  # noqa: PTH207  Path.glob gives hidden ones too
            if all(map(PLAIN_NAME.fullmatch, path.split("/")[typed:])):
                yield path


def function_names(context: Context, incomplete: str) -> list[str]:
    """Activations and output functions, those in the files of `--use` included."""
    from actbench.catalogue.lookup import names

    custom = [name for path in context.params.get("use") or () for name in decorated_names(Path(path))]
    return _matching(incomplete, [*names("activation"), *names("output"), *custom])


def decorated_names(path: Path) -> list[str]:
    """The functions that a file adds as activations or outputs; the file is parsed, not run."""
    import ast

    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    decorators = {node.name: [ast.unparse(one).partition("(")[0] for one in node.decorator_list] for node in functions}
    return [name for name, all_of_it in decorators.items() if any(map(ADDS_A_FUNCTION.search, all_of_it))]


def kinds(incomplete: str) -> list[str]:
    """Kinds of catalogue entries."""
    from actbench.catalogue.registry import Kind

    return _matching(incomplete, [*get_args(Kind), "dataset", "experiment"])


def dataset_names(incomplete: str) -> list[str]:
    """Datasets."""
    from actbench.catalogue.datasets import DATASETS

    return _matching(incomplete, DATASETS)


def settings(incomplete: str) -> list[str]:
    """`train.loss=` by its beginning, and its values once only that setting matches."""
    schema = _schema()
    typed, equals, _ = _typed(incomplete).partition("=")
    keys = _keys(schema, with_sections=bool(typed))
    matching = [key for key in keys if (key == typed if equals else key.startswith(typed))]
    if len(matching) != 1:
        return _matching(incomplete, (f"{key}=" for key in matching))
    part = keys[matching[0]]
    default = str(part["default"]) if isinstance(part.get("default"), str | int | float) else ""
    values = list(dict.fromkeys(_names(part, schema))) or [default]
    return _matching(incomplete, (f"{matching[0]}={value}" for value in values))


def metrics(incomplete: str) -> list[str]:
    """Metrics by name."""
    schema = _schema()
    return _matching(incomplete, _names(schema.get("definitions", {}).get("metric", {}), schema))


def _schema() -> Data:
    """The bundled schema of experiment files: deriving it takes longer than a shell should wait."""
    import json

    from actbench.config.bundled import bundled_folder

    file = bundled_folder() / SCHEMA_FILE
    schema: Data = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return schema


def _keys(schema: Data, *, with_sections: bool) -> dict[str, Data]:
    """The settings that `--set` takes, each with its schema; those of vary, tune and baseline once text is typed."""
    definitions: Data = schema.get("definitions", {})
    varied: Data = definitions.get("arm", {}).get("properties", {})
    keys = {key: part for key, part in definitions.items() if "." in key}
    sections = {path.partition(".")[0] for path in keys}
    whole = {"expect", "baseline", "include", "names", *LIST_SECTIONS}
    keys |= {key: part for key, part in schema.get("properties", {}).items() if key not in sections | whole}
    if with_sections:
        keys |= {f"baseline.{path}": part for path, part in varied.items()}
        keys |= {f"{section}.{path}": {} for section in LIST_SECTIONS for path in varied}
    return keys


def _names(schema: Data, root: Data) -> Iterator[str]:
    """The names that a part of the schema takes."""
    if reference := schema.get("$ref"):
        yield from _names(root["definitions"][reference.rpartition("/")[2]], root)
    for value in (*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())):
        yield str(value)
    if schema.get("type") == "boolean":
        yield from ("true", "false")
    for part in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _names(part, root)


def arms(context: Context, incomplete: str) -> list[str]:
    """Values of what the results vary, alone or as `activation=relu`, if a shell takes them unquoted."""
    varied = _varied(context)
    alone = [value for values in varied.values() for value in values]
    named = [
        f"{name}={value}"
        for path, values in varied.items()
        for name in (path.rpartition(".")[2], path)
        for value in values
    ]
    return _matching(incomplete, [*alone, *(named if "=" in _typed(incomplete) else ())])


def factors(context: Context, incomplete: str) -> list[str]:
    """Settings that the results vary."""
    return _matching(incomplete, (name for path in _varied(context) for name in (path.rpartition(".")[2], path)))


def _varied(context: Context) -> dict[str, list[str]]:
    """The settings that the named or the latest results vary, with their plain values, read without slow models."""
    root = context.params.get("results") or Path("results")
    latest = latest_journal(root)
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = [
        Path(word) for word in re.split(r"\s", line)[1:-1] if word
    ]  # typer drops the arguments of an unfinished line
    named = [folder for folder in words if (folder / EXPERIMENT).is_file()]
    folders = [*named, *([latest.parent] if latest else [])]
    varied = _mapping(_mapping(_read(folders[0] / EXPERIMENT)).get("vary")) if folders else {}
    return {
        path: [text for value in values if PLAIN_VALUE.fullmatch(text := _text(value))]
        for path, values in varied.items()
        if isinstance(values, tuple) and PLAIN_VALUE.fullmatch(path)
    }


def _read(file: Path) -> Any:
    """The contents of an experiment file, or None if it cannot be read."""
    from actbench.config.source import read_yaml
    from actbench.errors import ConfigurationError, read_named_file

    try:
        content = read_named_file(file, "an experiment file") if file.is_file() else b""
        return read_yaml(content.decode("utf-8-sig"), "").data
    except (OSError, ConfigurationError, UnicodeDecodeError):
        return None


def _mapping(data: Any) -> Data:
    return data if isinstance(data, dict) else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
