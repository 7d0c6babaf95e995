"""Errors show the line of the file that they are about, with a caret below the place."""

from __future__ import annotations

from pathlib import Path

from actbench.cli.guard import with_source_lines
from program import actbench, messages


def test_a_mistake_shows_its_line_with_a_caret(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("name: a\nmodel: {activation: rellu}\n", encoding="utf-8")
    finished = actbench("validate", "f.yaml", folder=tmp_path)
    first, line, caret = finished.stderr.splitlines()
    assert first.startswith("actbench: f.yaml:2:9: ")
    assert line == "    model: {activation: rellu}"
    assert caret.index("^") - 4 == line.strip().index("activation")
    assert messages(finished.stderr) == [first]


def test_long_lines_are_shown_around_the_place_and_control_characters_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: " + "x" * 200 + "y\nb: \x1b[31m\n", encoding="utf-8")
    _, line, caret = with_source_lines([f"{path}:1:204: odd"])
    assert line[caret.index("^")] == "y"
    assert len(line) <= 80
    assert list(with_source_lines([f"{path}:2:4: odd"])) == [f"{path}:2:4: odd"]


def test_a_place_without_a_file_is_shown_as_it_is(tmp_path: Path) -> None:
    for line in (f"{tmp_path / 'absent.yaml'}:1:1: odd", f"{tmp_path}/f.yaml:99:1: odd", "--set: odd"):
        assert list(with_source_lines([line])) == [line]
