"""Names as pictures show them."""

from __future__ import annotations

from actbench.report.figures.words import listed, plain, shortened, wrapped
from actbench.text import counted


def test_what_cannot_be_seen_or_turns_text_around_is_replaced() -> None:
    assert plain("a\x1b[31m\u202eb\ud800\n") == "a�[31m�b��"
    assert plain(r"$\foo$ <é> 日本") == r"$\foo$ <é> 日本"


def test_long_text_keeps_its_beginning_and_its_end() -> None:
    assert shortened("relu", 10) == "relu"
    assert shortened("abcdefghijklmnop", 10) == "abcdef…nop"


def test_labels_are_broken_after_commas_and_long_parts_anywhere() -> None:
    assert wrapped("activation=relu, init=kaiming_normal", 40) == ["activation=relu, init=kaiming_normal"]
    assert wrapped("activation=relu, init=kaiming_normal", 24) == ["activation=relu,", "init=kaiming_normal"]
    assert wrapped("leaky_relu(negative_slope=0.1), b=2", 20) == ["leaky_relu(", "negative_slope=0.1),", "b=2"]
    assert wrapped("abcdefghijk", 4) == ["abcd", "efgh", "ijk"]
    assert wrapped("", 10) == [""]


def test_labels_that_differ_still_differ_in_lines() -> None:
    labels = [f"activation=leaky_relu(negative_slope={slope}), batch_size=32" for slope in (0.1, 0.2)]
    assert wrapped(labels[0], 12) != wrapped(labels[1], 12)


def test_only_very_long_labels_are_cut() -> None:
    lines = wrapped("x" * 100, 10)
    assert lines == [*["x" * 10] * 3, "x" * 9 + "…"]


def test_lists_and_counts_are_words() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert [counted(1, "seed"), counted(1000, "seed")] == ["1 seed", "1,000 seeds"]
