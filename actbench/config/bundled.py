"""Bundled experiments, each reachable by its name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from actbench.errors import ConfigurationError
from actbench.text import did_you_mean

FIRST = "quickstart"
ENDINGS = (".yaml", ".yml")


@cache
def bundled_experiments() -> dict[str, Path]:
    """The files by name: the one to begin with first, those of the documents last."""
    files = sorted(bundled_folder().rglob("*.yaml"), key=lambda file: (len(file.parts), file.stem != FIRST, file.name))
    return {file.stem: file for file in files}


def bundled_folder() -> Path:
    """`configs`: within an installed package, beside the package in a source tree."""
    package = Path(__file__).parents[1]
    within = package / "configs"
    return within if within.is_dir() else package.parent / "configs"


def summary_line(file: Path) -> str:
    """The sentence that a bundled experiment begins with, below the line for editors."""
    with file.open(encoding="utf-8") as lines:
        next(lines)
        return next(lines).removeprefix("#").strip()


def find_experiment(given: Path) -> Path:
    """The file that a path or a name means; a file in the current folder comes before a bundled one of that name.

    Raises `ConfigurationError` if neither such a file nor a bundled experiment of this name exists.
    """
    bundled, name = bundled_experiments(), str(given)
    if _is_there(given):
        return given
    if given.name == name and given.suffix not in ENDINGS:
        beside = [file for ending in ENDINGS if _is_there(file := Path(f"{name}{ending}"))]
        if beside or name in bundled:
            return beside[0] if beside else bundled[name]
        if not given.is_dir():
            here = [file.name for ending in ENDINGS for file in sorted(Path().glob(f"*{ending}"))]
            raise ConfigurationError(
                f"{name!r}: no such file, and no bundled experiment of this name"
                f"{did_you_mean(name, [*bundled, *here])}\nbundled experiments: {', '.join(bundled)}"
            )
    elif given.stem in bundled:
        raise ConfigurationError(f"{given}: no such file; for the bundled experiment write {given.stem} alone")
    return given


def _is_there(file: Path) -> bool:
    try:
        return file.exists() and not file.is_dir()
    except OSError:  # opening it later gives the reason
        return True
