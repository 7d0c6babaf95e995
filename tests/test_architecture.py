"""The rooms and what may import what; imports point down only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import actbench

PACKAGE = Path(actbench.__file__).parent

ALLOWED: dict[str, set[str]] = {
    "__init__": {"api", "version"},
    "__main__": {"cli"},
    "admission": set(),
    "analysis": {"experiment", "lazy", "plan", "statistics"},
    "api": {"catalogue", "command_line", "config", "errors", "report", "runs", "store", "views"},
    "catalogue": {"errors", "lazy"},
    "checks": {"analysis", "catalogue", "errors", "experiment", "lazy", "training"},
    "cli": {
        "cli_catalogue",
        "cli_challenge",
        "cli_check",
        "cli_data",
        "cli_doctor",
        "cli_experiment",
        "cli_export",
        "cli_merge",
        "cli_results",
        "cli_run",
        "cli_status",
        "cli_verify",
        "command_line",
        "completion_values",
        "errors",
        "interruption",
        "usage",
        "version",
    },
    "cli_catalogue": {"catalogue", "checks", "command_line", "completion", "render", "report", "runs", "version"},
    "cli_challenge": {"catalogue", "cli_check", "cli_run", "command_line", "completion", "config", "experiment"},
    "cli_check": {"catalogue", "checks", "command_line", "completion", "errors", "experiment", "render", "report"},
    "cli_data": {"catalogue", "command_line", "completion", "errors", "render", "report"},
    "cli_doctor": {"catalogue", "command_line", "errors", "render", "runs"},
    "cli_experiment": {
        "catalogue",
        "command_line",
        "completion",
        "config",
        "errors",
        "plan",
        "render",
        "report",
        "runs",
        "store",
    },
    "cli_export": {"command_line", "render", "report", "store"},
    "cli_merge": {"command_line", "completion", "render", "runs"},
    "cli_results": {"command_line", "completion_values", "errors", "render", "report", "store"},
    "cli_run": {
        "catalogue",
        "cli_experiment",
        "cli_shard",
        "command_line",
        "config",
        "errors",
        "interruption",
        "plan",
        "render",
        "report",
        "runs",
        "store",
    },
    "cli_shard": {"command_line", "errors", "plan", "render", "runs"},
    "cli_status": {"command_line", "render", "runs"},
    "cli_verify": {"command_line", "errors", "render", "runs"},
    "command_line": {
        "catalogue",
        "checks",
        "completion",
        "completion_values",
        "errors",
        "experiment",
        "interruption",
        "text",
    },
    "completion": {"catalogue", "config"},
    "completion_values": {"config"},
    "config": {"catalogue", "errors", "experiment"},
    "errors": set(),
    "experiment": {"catalogue", "errors", "lazy"},
    "exporting": set(),
    "interruption": {"errors"},
    "lazy": set(),
    "plan": {"catalogue", "errors", "experiment"},
    "render": {"text"},
    "report": {
        "analysis",
        "catalogue",
        "checks",
        "config",
        "errors",
        "experiment",
        "lazy",
        "plan",
        "render",
        "statistics",
        "store",
        "text",
        "version",
    },
    "runs": {
        "analysis",
        "catalogue",
        "checks",
        "errors",
        "experiment",
        "lazy",
        "plan",
        "render",
        "report",
        "statistics",
        "store",
        "text",
        "training",
        "version",
    },
    "statistics": {"lazy"},
    "store": {"catalogue", "config", "errors", "experiment", "plan", "version"},
    "text": set(),
    "training": {"catalogue", "experiment"},
    "usage": {"catalogue"},
    "version": set(),
    "views": {"analysis", "command_line", "render", "report", "store", "text"},
}
HEAVY = {"torch", "torchvision", "pandas", "scipy", "matplotlib", "sklearn", "numpy", "ray"}
MAY_IMPORT_AT_THE_TOP = {"admission": {"torch"}, "training": {"numpy", "torch"}}
LONGEST_FILE_LINES = 320

FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path, *, top_only: bool = False) -> set[str]:
    """Modules imported at run time, those under `if TYPE_CHECKING:` left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: set[str] = set()
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "actbench":
            found |= {f"actbench.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    rooms = {module.split(".")[1] for module in imported_modules(path) if module.startswith("actbench.")}
    assert rooms - {room(path), "__version__"} <= ALLOWED[room(path)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_are_imported_where_they_are_used(path: Path) -> None:
    heavy = {module.split(".")[0] for module in imported_modules(path, top_only=True)} & HEAVY
    assert heavy <= MAY_IMPORT_AT_THE_TOP.get(room(path), set())


def test_the_allowed_edges_have_no_cycle_and_name_every_room() -> None:
    assert {room(path) for path in FILES} == set(ALLOWED)
    below: dict[str, set[str]] = {}
    remaining = {name: set(edges) for name, edges in ALLOWED.items()}
    while remaining:
        free = [name for name, edges in remaining.items() if edges <= below.keys()]
        assert free, f"cycle among {sorted(remaining)}"
        for name in free:
            below[name] = remaining.pop(name)


def test_the_statistics_never_see_torch() -> None:
    used = {module for path in FILES if room(path) in ("analysis", "report") for module in imported_modules(path)}
    assert not any(module.split(".")[0] == "torch" for module in used)


def test_files_stay_short() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE_LINES} == {}
