"""A picture as an element of a page, and as a file."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from actbench.report.figures.marks import INK, ROLES, Area, Dot, Group, Line, Mark, Scene, Text, box
from actbench.report.figures.paint import file_svg, page_svg

HOSTILE = "</script><img onerror=alert(1)>"


def scene(name: str = "relu") -> Scene:
    line = Line([(1.23456, 2), (100, 50.98765)], "#0072b2", dashes=(4, 2))
    marks: list[Mark] = [
        line,
        Dot(5, 5, 2, tip=f"{name}: 98 %"),
        Area(box(0, 0, 9, 9), "grid"),
        Text(5, 9, name, 8, "end"),
    ]
    return Scene(244.8, 144, [Group(marks, name)])


def page(name: str = "relu", title: str = "T", description: str = "D") -> str:
    return page_svg(scene(name), "curves", title, description, {name: 3})


def test_it_has_a_role_a_title_and_a_description_that_are_its_name() -> None:
    root = ElementTree.fromstring(page(title=f"T {HOSTILE}", description="D & {{7*7}}"))
    assert root.get("role") == "img"
    assert (root[0].tag, root[0].text) == ("title", f"T {HOSTILE}")
    assert (root[1].tag, root[1].text) == ("desc", "D & {{7*7}}")
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"


def test_it_has_no_fixed_size_and_what_belongs_to_an_arm_has_its_number() -> None:
    root = ElementTree.fromstring(page())
    assert not {"width", "height"} & set(root.attrib)
    assert root.get("viewBox") == "0 0 244.8 144"
    assert root[2].get("data-arm") == "3"
    assert "data-arm" not in page_svg(scene(), "x", "T", "D", {})


@pytest.mark.parametrize("name", [r"$\foo$", "a_b^c", "{{7*7}}", HOSTILE, "\"quoted\" 'too'", "=cmd()", "日本"])
def test_names_are_texts_as_they_are(name: str) -> None:
    root = ElementTree.fromstring(page(name))
    assert [element.text for element in root.iter("text")] == [name]
    assert root.get("onerror") is None
    assert len(list(root.iter("img"))) == 0


def test_colours_of_roles_are_the_pages_and_those_of_a_file_are_fixed() -> None:
    assert "var(--grid" in page()
    assert "currentColor" in page()
    text = file_svg(scene(), "T", "D")
    assert ROLES[INK] in text
    assert "var(" not in text
    assert "background: white" in text


def test_coordinates_are_short() -> None:
    assert not re.search(r"\d\.\d{3}", page())


def test_control_characters_are_shown_and_leave_it_readable() -> None:
    root = ElementTree.fromstring(page("\x1b[31m", "a\x00", "b\ud800"))
    assert [root[0].text, root[1].text] == [r"a\x00", r"b\ud800"]
    assert next(root.iter("text")).text == r"\x1b[31m"


def test_a_file_is_an_svg_document() -> None:
    root = ElementTree.fromstring(file_svg(scene(HOSTILE), "T", "D"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
