"""Draw the imports between the rooms of actbench: `python docs/rooms.py`, with `--write` or `--check` for design.md.

A room is a package or a file directly in `actbench/`. An arrow is an import at run time, in whatever function.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
DESIGN = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- drawn by docs/rooms.py -->\n", "<!-- end of the drawing -->\n"
COLUMNS = ("rooms and files", "floors", "arrows", "arrows back up", "circles")
BEFORE = "| with all modules in one folder (1657b2e) | 77 | 15 | about 380 | 5 | 1 |"
HOLDS_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
Imports = Mapping[str, frozenset[str]]


@cache
def read_imports(package: Path) -> Imports:
    """What each room imports, itself left out."""
    files = sorted(package.rglob("*.py"))
    imports: dict[str, set[str]] = {_room(package, path): set() for path in files}
    for path in files:
        modules = _imported_modules(ast.parse(path.read_text(encoding="utf-8")), package.name)
        rooms = {[*module.split("."), "__init__"][1] for module in modules}
        # `from actbench import __version__` names no room but something in the package's own file.
        imports[_room(package, path)] |= {room if room in imports else "__init__" for room in rooms}
    return {room: frozenset(imported - {room}) for room, imported in imports.items()}


def _room(package: Path, path: Path) -> str:
    return path.relative_to(package).parts[0].removesuffix(".py")


def _imported_modules(tree: ast.AST, package: str) -> Iterator[str]:
    """The package's modules that are imported at run time."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        children = node.orelse if isinstance(node, ast.If) and is_for_types else ast.iter_child_nodes(node)
        waiting += (child for child in children if isinstance(child, HOLDS_STATEMENTS))
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == package)


def reachable(imports: Imports, room: str) -> frozenset[str]:
    """All rooms below a room; itself too if it is part of a circle."""
    below, waiting = set[str](), [room]
    while waiting:
        new = imports[waiting.pop()] - below
        below |= new
        waiting += new
    return frozenset(below)


def circles(imports: Imports) -> list[frozenset[str]]:
    """Groups of rooms that reach each other."""
    below = {room: reachable(imports, room) for room in imports}
    groups = {
        frozenset(other for other in below[room] if room in below[other]) for room in imports if room in below[room]
    }
    return sorted(groups, key=sorted)


def arrows_back_up(imports: Imports, circle: frozenset[str]) -> int:
    """The fewest arrows that run up in any order of a circle's rooms in which the package's own file is on top."""

    @cache
    def fewest(rooms: frozenset[str]) -> int:
        return min((len(imports[room] & rooms - {room}) + fewest(rooms - {room}) for room in rooms), default=0)

    into_the_top = sum("__init__" in imports[room] for room in circle)
    return into_the_top + fewest(circle - {"__init__"})


def floors(imports: Imports) -> int:
    """The rooms on the longest way down; a circle is on one floor."""
    group = {room: circle for circle in circles(imports) for room in circle}

    @cache
    def floor(rooms: frozenset[str]) -> int:
        below = {group.get(other, frozenset({other})) for room in rooms for other in imports[room]} - {rooms}
        return 1 + max(map(floor, below), default=0)

    return max(floor(group.get(room, frozenset({room}))) for room in imports)


def numbers(imports: Imports) -> list[int]:
    """One for each of `COLUMNS`."""
    found = circles(imports)
    back_up = sum(arrows_back_up(imports, circle) for circle in found)
    return [len(imports), floors(imports), sum(map(len, imports.values())), back_up, len(found)]


def drawing(imports: Imports) -> str:
    """The rooms in Mermaid; an arrow that follows from two others is left out."""
    below = {room: reachable(imports, room) for room in imports}
    lines = []
    for room in sorted(imports, key=lambda room: (-len(below[room]), room)):
        implied = frozenset[str]().union(*(below[other] for other in imports[room] if room not in below[other]))
        lines += [f"    {_node(room)} --> {_node(other)}" for other in sorted(imports[room] - implied)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _node(room: str) -> str:
    """Underscores at the ends would be read as bold type, and `end` is a keyword of Mermaid."""
    return f'{room.strip("_")}["{room}"]' if room.startswith("_") else room


def block(imports: Imports) -> str:
    """What design.md holds between its two marks; arrows are rounded, so that not every import changes the page."""
    rooms, floor_count, arrows, *others = numbers(imports)
    row = " | ".join(map(str, ["today", rooms, floor_count, f"about {round(arrows, -1)}", *others]))
    table = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|", BEFORE, f"| {row} |"]
    return "\n".join([drawing(imports), "", *table, ""])


def main() -> int:
    """Print the numbers and the drawing, write them into design.md, or check that they are what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--package", type=Path, default=ROOT / "actbench", help="the folder of another package")
    parser.add_argument("--design", type=Path, default=DESIGN, help="the page that holds the drawing")
    parser.add_argument("--write", action="store_true", help="write the drawing into design.md")
    parser.add_argument("--check", action="store_true", help="exit 1 if design.md holds another drawing")
    options = parser.parse_args()
    imports = read_imports(options.package)
    if not (options.write or options.check):
        print(*(f"{name}: {number}" for name, number in zip(COLUMNS, numbers(imports), strict=True)), sep="\n")
        print(*(f"circle: {', '.join(sorted(circle))}" for circle in circles(imports)), drawing(imports), sep="\n")
        return 0
    page = options.design.read_text(encoding="utf-8")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    expected = before + BEGIN + block(imports) + END + after
    if options.write:
        options.design.write_text(expected, encoding="utf-8")
    elif page != expected:
        print(
            f"{options.design}: the drawing is not that of the code; run python docs/rooms.py --write", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
