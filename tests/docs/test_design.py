"""The design page: its drawing is that of the code, and the files that it names exist."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

import rooms
from places import ROOT

DESIGN = ROOT / "docs" / "design.md"
PATH = re.compile(r"`((?:actbench|configs|docs|tests|benchmarks)/[\w./-]*)`")


def draw(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The script with these arguments, in this process."""
    command = ["rooms.py", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as said:
            code = rooms.main()
    return subprocess.CompletedProcess(command, code, out.getvalue(), said.getvalue())


def package(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / "house" / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "house"


def numbers(printed: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"^([a-z ]+): (\d+)$", printed, re.MULTILINE)}


def test_no_arrow_runs_up_and_there_is_no_circle() -> None:
    found = numbers(draw().stdout)
    assert (found["arrows back up"], found["circles"]) == (0, 0)


def test_the_drawing_is_that_of_the_code_and_another_is_found_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "design.md"
    page.write_text(DESIGN.read_text(encoding="utf-8").replace("flowchart TD", "flowchart TD\n    cli --> moon", 1))
    checked = draw("--check", "--design", page)
    assert checked.returncode == 1
    assert "--write" in checked.stderr
    assert draw("--write", "--design", page).returncode == 0
    assert page.read_bytes() == DESIGN.read_bytes(), "run python docs/rooms.py --write"


def test_rooms_floors_and_arrows_are_counted_and_implied_arrows_are_not_drawn(tmp_path: Path) -> None:
    house = package(
        tmp_path,
        top="import house.middle.hall, house.ground",
        middle__in__hall="from house import ground\nfrom house.middle import cellar",
        middle__in__cellar="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import house.top\n",
        ground="",
    )
    printed = draw("--package", house).stdout
    assert numbers(printed) == {"rooms and files": 3, "floors": 3, "arrows": 3, "arrows back up": 0, "circles": 0}
    assert "top --> middle" in printed
    assert "top --> ground" not in printed


def test_a_circle_that_a_function_hides_is_found(tmp_path: Path) -> None:
    house = package(tmp_path, first="import house.second", second="def late():\n    import house.first\n")
    printed = draw("--package", house).stdout
    assert numbers(printed) == {"rooms and files": 2, "floors": 1, "arrows": 2, "arrows back up": 1, "circles": 1}
    assert "circle: first, second" in printed


@pytest.mark.parametrize("path", sorted(set(PATH.findall(DESIGN.read_text(encoding="utf-8")))))
def test_a_path_that_the_page_names_exists(path: str) -> None:
    assert (ROOT / path).exists()
