"""Entries by kind and name, with those of installed packages (entry point group `actbench.catalogue`)."""

from __future__ import annotations

import hashlib
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from actbench.catalogue.registry import ENTRIES, PACKAGE, Entry, Kind, Origin, RegistrationError, adding_from
from actbench.text import describe_exception, did_you_mean

GROUP = "actbench.catalogue"


def entries(kind: Kind) -> tuple[Entry, ...]:
    """All entries of one kind in the order in which they were added, each once; those of installed packages too."""
    load_installed()
    return tuple(entry for (k, name), entry in ENTRIES.items() if k == kind and name == entry.name)


def names(kind: Kind) -> tuple[str, ...]:
    """All names and aliases of one kind, those of installed packages included."""
    load_installed()
    return tuple(name for k, name in ENTRIES if k == kind)


def find(kind: Kind, name: str) -> Entry:
    """The entry of that name or alias; raises `KeyError` with the nearest names in a sentence."""
    if (kind, name) not in ENTRIES:
        broken = load_installed()
        if (kind, name) not in ENTRIES:
            causes = "".join(f"; {problem}" for problem in broken)
            is_typing_error = bool(get_close_matches(name.lower(), names(kind), cutoff=0.65))
            own = "" if is_typing_error or kind == "optimizer" else " (a function of your own needs --use FILE)"
            raise KeyError(f"no {kind} is called {name!r}{did_you_mean(name, names(kind))}{own}{causes}")
    return ENTRIES[kind, name]


def find_version(kind: Kind, name: str, checksum: str) -> Entry | None:
    """The entry that was added under that name from a source with that checksum, if it is loaded."""
    if (kind, name) not in ENTRIES:
        load_installed()
    entry = ENTRIES.get((kind, name))
    return entry if entry and entry.origin and entry.origin.checksum == checksum else None


@cache
def load_installed() -> tuple[str, ...]:
    """Add what installed packages offer; a sentence for each that cannot be loaded, with package and cause."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.value, point.name))
    return tuple(problem for point in points if (problem := _load(point)))


def _load(point: EntryPoint) -> str | None:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    try:
        origin = Origin(f"{PACKAGE}{package}, {point.module}", checksum_of_package(point.module))
        with adding_from(origin, point.module):
            point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the module of a package may raise anything
        cause = str(error) if isinstance(error, RegistrationError) else describe_exception(error)
        return (
            f"the installed package {package} cannot be used (entry point {point.name!r}: {cause}): "
            "update it, or take it out with pip uninstall"
        )
    return None


def checksum_of_package(module: str) -> str:
    """SHA-256 over the Python files of a module's package, by name and content; `RegistrationError` without any."""
    package = module.partition(".")[0]
    found = find_spec(package)  # wherever it is: one that is installed as editable is on no path
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []
    files: list[tuple[str, Path]] = []
    if found and not folders and found.origin and found.has_location:
        files.append((package, Path(found.origin)))
    for folder in folders:
        files += sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.py"))
    if not files:
        raise RegistrationError(f"no Python file of {package} is found, so its versions could not be told")
    digest = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"
