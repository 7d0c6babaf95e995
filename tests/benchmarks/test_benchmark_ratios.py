"""The arithmetic of the benchmark's table."""

from __future__ import annotations

import pytest

from benchmarks.rounds import order_of
from benchmarks.tables import Spread, ratio_of, seconds_of, spread, spread_cell, three_digits

ROUNDS = [{"floor": 1.0, "ours": 2.0}, {"floor": 4.0, "ours": 4.0}, {"floor": 2.0, "ours": 10.0}]


def test_ratios_are_taken_within_a_round_before_they_are_summarised() -> None:
    assert ratio_of(ROUNDS, "ours", "floor") == Spread(median=2.0, lowest=1.0, highest=5.0)
    assert ratio_of(ROUNDS, "floor", "ours") == Spread(median=0.5, lowest=0.2, highest=1.0)


def test_rounds_that_lack_one_of_the_two_do_not_count() -> None:
    rounds = [*ROUNDS, {"floor": 1.0}, {"ours": 100.0}]
    assert ratio_of(rounds, "ours", "floor") == ratio_of(ROUNDS, "ours", "floor")
    assert seconds_of(rounds, "floor") == Spread(median=1.5, lowest=1.0, highest=4.0)
    assert ratio_of(rounds, "ours", "nobody") is None
    assert spread([]) is None


def test_every_round_has_everybody_once_and_begins_one_further_on() -> None:
    names = ["a", "b", "c"]
    assert [order_of(names, number) for number in (1, 2, 3, 4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0012345, "0.00123"), (0.31, "0.310"), (1.0, "1.00"), (25.44, "25.4"), (123.4, "123"), (1234.5, "1234")],
)
def test_numbers_have_three_digits_and_no_exponent(value: float, text: str) -> None:
    assert three_digits(value) == text


def test_a_cell_shows_the_range_only_where_there_is_one() -> None:
    assert spread_cell(Spread(0.31, 0.305, 0.322)) == "0.310 (0.305 to 0.322)"
    assert spread_cell(Spread(0.31, 0.31, 0.31)) == "0.310"
    assert spread_cell(None) == "-"
