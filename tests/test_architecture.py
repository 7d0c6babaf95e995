"""The rooms and what may import what; imports point down only."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import actbench

PACKAGE = Path(actbench.__file__).parent

GROUND = {"errors": "text", "lazy": "", "processes": "", "text": "", "version": ""}
ROOMS = {
    "catalogue": "",
    "experiment": "catalogue",
    "config": "catalogue experiment",
    "statistics": "",
    "plan": "catalogue experiment statistics",
    "training": "catalogue experiment",
    "analysis": "catalogue experiment plan statistics",
    "store": "catalogue config experiment plan",
    "checks": "catalogue experiment statistics training",
    "render": "",
    "report": "analysis catalogue checks config experiment plan render statistics store",
    "runs": "analysis catalogue checks config experiment plan render report statistics store training",
    "cli": "analysis catalogue checks config experiment plan render report runs statistics store training",
}
TOP = ("__init__", "__main__", "api", "views")
HEAVY = {"torch", "torchvision", "pandas", "scipy", "matplotlib", "sklearn", "numpy", "ray"}
MAY_IMPORT_AT_THE_TOP = {"checks": {"torch"}, "training": {"numpy", "torch"}}
MAX_FILE_LINES = 450

FILES = sorted(PACKAGE.rglob("*.py"))
HOLDS_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def allowed(name: str) -> set[str]:
    """The rooms and files that a room may import: the ground for all, everything for the files on top."""
    if name in TOP:
        return {*ROOMS, *TOP, *GROUND}
    return {*ROOMS[name].split(), *GROUND} if name in ROOMS else {*GROUND[name].split()}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_modules(path: Path, *, top_only: bool = False) -> set[str]:
    """Modules imported at run time, those under `if TYPE_CHECKING:` left out."""
    modules: set[str] = set()
    waiting: list[ast.AST] = [parsed(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.Module) or not top_only:
            waiting += (child for child in ast.iter_child_nodes(node) if isinstance(child, HOLDS_STATEMENTS))
        if isinstance(node, ast.Import):
            modules |= {f"{alias.name}{'.__init__' * (alias.name == 'actbench')}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "actbench":
            modules |= {f"actbench.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def test_a_room_imports_only_rooms_below_it() -> None:
    for path in FILES:
        rooms = {module.split(".")[1] for module in imported_modules(path) if module.startswith("actbench.")}
        assert rooms <= {room(path), *allowed(room(path))}, path


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path in FILES:
        heavy = {module.split(".")[0] for module in imported_modules(path, top_only=True)} & HEAVY
        assert heavy <= MAY_IMPORT_AT_THE_TOP.get(room(path), set()), path


def test_every_file_is_in_a_room_on_top_or_on_the_ground() -> None:
    assert {room(path) for path in FILES} == {*ROOMS, *TOP, *GROUND}


def test_each_room_may_import_only_rooms_in_the_lines_above_its_own() -> None:
    names = list(ROOMS)
    for position, name in enumerate(names):
        assert set(ROOMS[name].split()) <= set(names[:position])


def test_the_statistics_never_see_torch() -> None:
    used = {module for path in FILES if room(path) in ("analysis", "report") for module in imported_modules(path)}
    assert not any(module.split(".")[0] == "torch" for module in used)


def test_files_stay_short() -> None:
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}
