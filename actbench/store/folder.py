"""A result folder and the files around its journal: experiment, environments, frozen plan."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actbench.config.source import write_yaml
from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.experiment import records
from actbench.plan.plan import is_same_plan
from actbench.store.files import Folder, HeldFolder, file_in, path_of, read_mapping, write_atomically, write_mapping
from actbench.store.lock import LOCK
from actbench.store.names import ENVIRONMENT, EXPERIMENT, PLAN, latest_journal
from actbench.text import did_you_mean


def write_experiment(folder: Folder, resolved: Mapping[str, Any]) -> None:
    """Keep the resolved experiment, which `load_experiment` reads again."""
    write_atomically(file_in(folder, EXPERIMENT), write_yaml(dict(resolved)))


def write_environment(folder: Folder, environment: Mapping[str, Any]) -> None:
    """Keep the environment record; those of earlier runs in this folder stay in its list `earlier`."""
    before = read_environment(path_of(folder))
    earlier = [*before.pop("earlier", []), before] if before else []
    others = [record for record in earlier if record.get("id") != environment["id"]]
    write_mapping(file_in(folder, ENVIRONMENT), environment, others)


def read_environment(folder: Path) -> dict[str, Any]:
    """The environment record, empty if there is none or it is not valid."""
    return read_mapping(folder / ENVIRONMENT, _is_environment)


def _is_environment(content: dict[str, Any]) -> bool:
    return all(isinstance(value, str | int | float | None) for value in content.values())


def environments_by_id(folder: Path) -> dict[str, dict[str, Any]]:
    """All recorded environments in which trials of this folder were trained."""
    latest = read_environment(folder)
    earlier = latest.pop("earlier", [])
    return {str(record.get("id")): record for record in (latest, *earlier) if record}


def training_code_of(environment: Mapping[str, Any] | None) -> int | None:
    """The version of the training code that an environment record names; None where it names none."""
    version = (environment or {}).get("training_code")
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def latest_training_code(environments: Mapping[str, dict[str, Any]]) -> int:
    """The version that the latest of a folder's environment records names, or else this one's."""
    version = training_code_of(next(iter(environments.values()), None))
    return records.TRAINING_CODE_VERSION if version is None else version


def freeze_plan(folder: Folder, plan: Mapping[str, Any], *, has_begun: bool) -> None:
    """Keep the plan, or the one before if it is the same and has begun; another that had begun stays in `earlier`."""
    before = read_plan(path_of(folder))
    earlier = before.pop("earlier", [])
    if before and has_begun:
        plan, earlier = (before, earlier) if is_same_plan(before, plan) else (plan, [*earlier, before])
    write_mapping(file_in(folder, PLAN), plan, earlier)


def read_plan(folder: Path) -> dict[str, Any]:
    """The frozen plan, empty if there is none or it is not valid."""
    return read_mapping(folder / PLAN, _is_plan)


def _is_plan(content: dict[str, Any]) -> bool:
    claims, warnings = content.get("claims", []), content.get("warnings", [])
    are_texts = isinstance(warnings, list) and all(isinstance(warning, str) for warning in warnings)
    are_claims = isinstance(claims, list) and all(isinstance(claim, dict) for claim in claims)
    return isinstance(content.get("seeds"), list) and are_texts and are_claims


def set_aside(folder: HeldFolder) -> Path | None:
    """Move all contents of a locked result folder, or none, to a new folder beside it; None if it is empty."""
    folder.require_in_place()
    contents = [path for path in folder.path.iterdir() if path.name != LOCK]
    if not contents:
        return None
    number = 1
    while (target := folder.path.with_name(f"{folder.path.name}.{number}")).exists():
        number += 1
    target.mkdir()
    moved: list[Path] = []
    try:
        for path in contents:
            path.rename(target / path.name)
            moved.append(path)
    except OSError:
        with contextlib.suppress(OSError):
            for path in moved:
                (target / path.name).rename(path)
            target.rmdir()
        raise
    return target


def latest_folder(root: Path) -> Path:
    """The result folder under `root` whose journal was written last; raises `ConfigurationError` without one."""
    if journal := latest_journal(root):
        return journal.parent
    if root.is_dir():
        next(root.iterdir(), None)  # raises where it may not be read, which a pattern passes over
    raise ConfigurationError(f"{root}: no results here; run an experiment first, or name a result folder")


def require_readable(path: Path) -> None:
    """Raise `UnusableEnvironmentError` where a file of a result folder cannot be opened."""
    try:
        path.open("rb").close()
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be read ({problem.strerror})") from None


def require_result_folder(folder: Path, root: Path = Path("results")) -> Path:
    """The folder itself where it holds results; raises `ConfigurationError` otherwise, with one under `root`."""
    if (folder / EXPERIMENT).is_file():
        return folder
    is_there = folder.exists() or folder.is_symlink()
    reason = "a file" if folder.is_file() else f"no {EXPERIMENT} in it" if is_there else "it does not exist"
    if inside := _result_folders(folder):
        hint = f"; it holds the result folders {', '.join(inside)}"
    elif (same := root / re.sub(r"\.ya?ml$", "", folder.name)).name in _result_folders(root):
        hint = f"; did you mean {same}?"
    else:
        hint = did_you_mean(folder.name, _result_folders(folder.parent))
    raise ConfigurationError(f"{folder}: not a result folder ({reason}){hint}")


def _result_folders(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob(f"*/{EXPERIMENT}") if path.is_file())
