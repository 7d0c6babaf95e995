"""Texts and panels as pictures lay them out."""

from __future__ import annotations

import pytest

from actbench.report.figures.layout import grid_shape, shortened, wrapped
from actbench.report.figures.style import COLUMN_INCHES, PAGE_INCHES


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    assert shortened("relu", 10) == "relu"
    assert shortened("abcdefghijklmnop", 10) == "abcdef…nop"
    assert shortened("a\x1b[31m") == r"a\x1b[31m"


def test_labels_are_broken_at_spaces_and_brackets_and_long_parts_anywhere() -> None:
    assert wrapped("activation=relu, init=kaiming_normal", 40) == "activation=relu, init=kaiming_normal"
    assert wrapped("activation=relu, init=kaiming_normal", 24) == "activation=relu,\ninit=kaiming_normal"
    assert wrapped("leaky_relu(negative_slope=0.1), b=2", 20) == "leaky_relu(\nnegative_slope=0.1),\nb=2"
    assert wrapped("abcdefghijk", 4) == "abcd\nefgh\nijk"
    assert wrapped("", 10) == ""


def test_labels_that_differ_still_differ_in_lines() -> None:
    labels = [f"activation=leaky_relu(negative_slope={slope}), batch_size=32" for slope in (0.1, 0.2)]
    assert wrapped(labels[0], 16) != wrapped(labels[1], 16)


def test_only_very_long_labels_are_cut() -> None:
    lines = wrapped("x" * 100, 10).split("\n")
    assert lines[:3] == ["x" * 10] * 3
    assert len(lines) == 4
    assert lines[3].endswith("…")


@pytest.mark.parametrize("are_small", [True, False])
def test_every_panel_has_a_place_and_no_row_or_column_is_empty(*, are_small: bool) -> None:
    for panels in range(1, 41):
        width, rows, columns = grid_shape(panels, are_small=are_small)
        assert width in (COLUMN_INCHES, PAGE_INCHES)
        assert (rows - 1) * columns < panels <= rows * columns
