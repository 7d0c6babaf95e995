"""A figure as an element of a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from actbench.report.figures.style import BLUE, FOREGROUND, GRID, drawing, figure_to_svg
from drawn import SVG, texts

HOSTILE = "</script><img onerror=alert(1)>"


def drawn_figure(label: str = "relu", width: float = 3.4) -> Figure:
    with drawing():
        figure = Figure(figsize=(width, 2.0), layout="constrained")
        axes = figure.subplots()
        axes.plot([1, 2, 3], [1, 3, 2], color=BLUE, marker="o", label=label)
        axes.fill_between([1, 2, 3], [0, 1, 1], [2, 4, 3], hatch="xx", facecolor="none")
        axes.scatter([1, 2], [2, 2])
        axes.grid()
        axes.legend()
    return figure


def test_it_has_a_role_a_title_and_a_description_that_are_its_name() -> None:
    root = ElementTree.fromstring(figure_to_svg(drawn_figure(), "curves", f"T {HOSTILE}", "D & {{7*7}}"))
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert (title.tag, title.text) == (f"{SVG}title", f"T {HOSTILE}")
    assert (description.tag, description.text) == (f"{SVG}desc", "D & {{7*7}}")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_it_begins_with_the_element_and_knows_no_date_and_no_fixed_size() -> None:
    svg = figure_to_svg(drawn_figure(), "curves", "T", "D")
    root = ElementTree.fromstring(svg)
    assert svg.startswith("<svg ")
    assert not re.search(r"<!|<\?|metadata|<style|20\d\d-", svg)
    assert not {"width", "height"} & set(root.attrib)
    assert root.get("viewBox") == "0 0 244.8 144"
    assert "max-width: 428px" in str(root.get("style"))


@pytest.mark.parametrize(("width", "size"), [(3.4, "column"), (7.0, "wide")])
def test_its_class_says_how_wide_it_was_drawn(width: float, size: str) -> None:
    root = ElementTree.fromstring(figure_to_svg(drawn_figure(width=width), "curves", "T", "D"))
    assert root.get("class") == size


def test_two_in_one_page_share_no_id_and_every_reference_stays_within_its_own() -> None:
    first, second = (figure_to_svg(drawn_figure(), name, "T", "D") for name in ("first", "second"))
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, second)]
    assert all(one.startswith("first-") for one in ids[0])
    assert len(ids[0]) > 5
    assert not ids[0] & ids[1]
    references = set(re.findall(r'(?:url\(|href=")#([^")]+)', first))
    assert references
    assert references <= ids[0]
    assert len(re.findall(r'\bid="', first)) == len(ids[0])


def test_what_a_name_says_changes_nothing_but_the_text() -> None:
    name = f'id="x" url(#x) href="#x" {FOREGROUND} rotate(0 1 1) 1.23456'
    svg = figure_to_svg(drawn_figure(name), "curves", "T", "D")
    assert name in texts(svg)


@pytest.mark.parametrize("name", [r"$\foo$", "a_b^c", r"\frac", "{{7*7}}", HOSTILE, "=cmd()", "$x$ and $y$", "日本"])
def test_names_are_texts_as_they_are_and_never_formulas(name: str) -> None:
    assert name in texts(figure_to_svg(drawn_figure(name), "curves", "T", "D"))


def test_foreground_and_grid_are_the_pages_and_the_other_colours_are_kept() -> None:
    svg = figure_to_svg(drawn_figure(), "curves", "T", "D")
    assert "currentColor" in svg
    assert f"var(--grid, {GRID})" in svg
    assert BLUE in svg
    assert FOREGROUND not in svg
    assert GRID not in svg.replace(f"var(--grid, {GRID})", "")
    assert "#ffffff" not in svg


def test_coordinates_have_at_most_two_digits_after_the_point() -> None:
    assert not re.search(r"\d\.\d{3}", figure_to_svg(drawn_figure(), "curves", "T", "D"))


def test_control_characters_in_title_and_description_leave_it_readable() -> None:
    root = ElementTree.fromstring(figure_to_svg(drawn_figure(), "curves", "a\x00\x1b[31m", "b\ud800"))
    assert [root[0].text, root[1].text] == [r"a\x00\x1b[31m", r"b\ud800"]


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert len({figure_to_svg(drawn_figure(), "curves", "T", "D") for _ in range(2)}) == 1
