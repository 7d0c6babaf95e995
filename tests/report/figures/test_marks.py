"""Marks, and texts as pictures lay them out."""

from __future__ import annotations

import pytest

from actbench.report.figures.marks import Dot, lines_of, marker_points, shortened, text_width


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    assert shortened("relu", 10, 100) == "relu"
    short = shortened("abcdefghijklmnop", 10, 60)
    assert short.startswith("abc")
    assert short.endswith("p")
    assert "…" in short
    assert text_width(short, 10) <= 60


def test_labels_are_broken_at_spaces_and_what_is_too_long_is_shortened() -> None:
    label = "activation=relu, init=kaiming_normal"
    assert lines_of(label, 10, 500) == [label]
    assert lines_of(label, 10, 130) == ["activation=relu,", "init=kaiming_normal"]
    assert all(text_width(line, 10) <= 60 for line in lines_of(label, 10, 60))
    assert len(lines_of("one two three four five six", 10, 30, most=2)) == 2
    assert lines_of("", 10, 50) == []


def test_labels_that_differ_still_differ_in_lines() -> None:
    labels = [f"leaky_relu(negative_slope={slope}), batch_size=32" for slope in (0.1, 0.2)]
    assert lines_of(labels[0], 10, 160) != lines_of(labels[1], 10, 160)


@pytest.mark.parametrize("marker", list("^sDvP<>"))
def test_markers_are_about_as_large_as_the_circle(marker: str) -> None:
    points = marker_points(Dot(10, 20, 4, marker=marker))
    assert all(abs(x - 10) <= 5.2 and abs(y - 20) <= 5.2 for x, y in points)
    assert max(abs(x - 10) for x, _ in points) > 3
