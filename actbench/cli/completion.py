"""What the shell completes on the command line: names of the catalogue, experiment files, result folders."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePath
from typing import get_args

from typer import Context

MAX_FOLDER_DEPTH = 3
MAX_ENTRIES = 5_000
YAML_ENDINGS = (".yaml", ".yml")
PLAIN_NAME = re.compile(r"[\w.,+@%][\w.,+@%-]*")  # shells evaluate what they are given to complete
EXPERIMENT_OF_A_RESULT = "experiment.yaml"


def experiments(incomplete: str) -> list[str]:
    """Experiment files, and the names of those that come along with actbench."""
    from actbench.config.bundled import bundled_experiments

    return [*_beginning_with(incomplete, *bundled_experiments()), *experiment_files(incomplete)]


def experiment_files(incomplete: str) -> list[str]:
    """YAML files here or a few folders below, whole, so that the shell fills in what their names share."""
    return sorted(entry for entry, is_folder in _entries_below(incomplete) if _is_experiment_file(entry, is_folder))


def _is_experiment_file(entry: str, is_folder: bool) -> bool:
    return not is_folder and entry.endswith(YAML_ENDINGS) and PurePath(entry).name != EXPERIMENT_OF_A_RESULT


def python_files(incomplete: str) -> list[str]:
    """Python files here or a few folders below."""
    return sorted(entry for entry, is_folder in _entries_below(incomplete) if not is_folder and entry.endswith(".py"))


def result_folders(incomplete: str) -> list[str]:
    """Folders that hold an experiment's results, here or a few folders below."""
    return sorted(
        entry
        for entry, is_folder in _entries_below(incomplete)
        if is_folder and Path(entry, EXPERIMENT_OF_A_RESULT).is_file()
    )


def _entries_below(incomplete: str) -> Iterator[tuple[str, bool]]:
    """Paths that begin as typed, nearest first, with whether each is a folder; hidden ones only where asked for."""
    typed_folder, _, typed_name = incomplete.rpartition("/")
    start = f"{typed_folder}/" if "/" in incomplete else ""
    for entry, is_folder in islice(_walk(start, shows_hidden=typed_name.startswith(".")), MAX_ENTRIES):
        if entry.startswith(incomplete):
            yield entry, is_folder


def _walk(start: str, *, shows_hidden: bool) -> Iterator[tuple[str, bool]]:
    folders = deque([(start, 1)])
    while folders:
        folder, depth = folders.popleft()
        try:
            with os.scandir(folder or ".") as entries:
                found = sorted(islice(entries, MAX_ENTRIES), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in found:
            is_shown = not entry.name.startswith(".") or (shows_hidden and depth == 1)
            if not is_shown or not PLAIN_NAME.fullmatch(entry.name):
                continue
            is_folder = entry.is_dir(follow_symlinks=depth == 1)
            yield folder + entry.name, is_folder
            if is_folder and depth < MAX_FOLDER_DEPTH:
                folders.append((f"{folder}{entry.name}/", depth + 1))


def function_names(context: Context, incomplete: str) -> list[str]:
    """Activations and output functions, those in files behind `--use` included."""
    from actbench.catalogue.lookup import names

    own = [name for path in context.params.get("use") or () for name in decorated_names(Path(path))]
    return _beginning_with(incomplete, *names("activation"), *names("output"), *own)


def decorated_names(path: Path) -> list[str]:
    """The functions that a file adds as activations or outputs; it is read for that, and not run."""
    import ast

    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [one.name for one in functions if any(_adds_a_function(ast.unparse(d)) for d in one.decorator_list)]


def _adds_a_function(decorator: str) -> bool:
    return decorator.partition("(")[0].rpartition(".")[2] in ("activation", "output")


def kinds(incomplete: str) -> list[str]:
    """Kinds of entries of the catalogue."""
    from actbench.catalogue.registry import Kind

    return _beginning_with(incomplete, *get_args(Kind), "dataset", "experiment")


def dataset_names(incomplete: str) -> list[str]:
    """Datasets."""
    from actbench.catalogue.datasets import DATASETS

    return _beginning_with(incomplete, *DATASETS)


def _beginning_with(incomplete: str, *names: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
