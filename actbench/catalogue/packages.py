"""Entries from installed packages, found through the entry point group `actbench.catalogue`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from actbench.catalogue.registry import Origin, RegistrationError, adding_from

GROUP = "actbench.catalogue"
MAX_CAUSE_LENGTH = 300


@cache
def load_installed() -> tuple[str, ...]:
    """Add what installed packages offer; a sentence for each that cannot be loaded, with package and cause."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value, point.name))
    return tuple(problem for point in points if (problem := _load(point)))


def _load(point: EntryPoint) -> str | None:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    try:
        origin = Origin(f"package {package}, {point.module}", checksum_of_package(point.module))
        with adding_from(origin, point.module):
            point.load()
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises
        cause = str(error) if isinstance(error, RegistrationError) else f"{type(error).__name__}: {error}"
        return (
            f"the installed package {package} cannot be used (entry point {point.name!r}: {cause[:MAX_CAUSE_LENGTH]}): "
            "update it, or take it out with pip uninstall"
        )
    return None


def checksum_of_package(module: str) -> str:
    """SHA-256 over the Python files of the package that the module belongs to, by name and content.

    Raises `RegistrationError` where there are none: all versions of it would pass for the same.
    """
    package = module.partition(".")[0]
    files = list(_python_files(package))
    if not files:
        raise RegistrationError(f"no Python file of {package} is found, by which its versions could be told apart")
    digest = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def _python_files(package: str) -> Iterator[tuple[str, Path]]:
    """The files by their names, wherever the package is: one that is installed as editable is on no path."""
    found = find_spec(package)
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []
    if found and not folders and found.origin and found.has_location:
        yield package, Path(found.origin)
    for folder in folders:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")}
        yield from sorted(files.items())
