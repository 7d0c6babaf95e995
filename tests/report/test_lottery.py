"""The lottery of a single run: what each seed alone would have announced."""

from __future__ import annotations

from pathlib import Path

from actbench.report.lottery import lottery, lottery_section, lottery_sentences
from planted import MUCH, NOISE, RELU, UNTUNED, above, asked, planted


def test_each_seed_has_a_winner_and_wins_are_counted(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": above(RELU, NOISE)}))
    drawn = lottery(comparison)
    assert drawn is not None
    expected = tuple(("tanh",) if more > 0 else ("relu",) for more in NOISE)
    assert drawn.winners == expected
    assert dict(drawn.wins) == {"relu": 5, "tanh": 5}
    assert drawn.most_misleading is not None
    assert drawn.most_misleading_seed == drawn.seeds[6]
    assert lottery_sentences(drawn, comparison) == [
        "Had you run each once, ten seeds would have announced two different winners: tanh (5) and relu (5).",
        f"Seed {drawn.seeds[6]} alone says that tanh beats relu by 0.30 points; "
        "all ten together cannot tell them apart.",
    ]


def test_where_all_seeds_agree_there_is_one_winner_and_nothing_loud(tmp_path: Path) -> None:
    comparison = asked(planted(tmp_path, {"relu": RELU, "tanh": above(RELU, MUCH)}))
    section = lottery_section(comparison)
    assert section is not None
    assert section.notes == ["Had you run each once, all ten seeds would have announced the same winner: tanh."]
    assert [row[1] for row in section.rows] == ["tanh"] * 10


def test_equal_values_are_all_winners(tmp_path: Path) -> None:
    drawn = lottery(asked(planted(tmp_path, {"relu": RELU, "tanh": RELU})))
    assert drawn is not None
    assert set(map(frozenset, drawn.winners)) == {frozenset({"relu", "tanh"})}


def test_there_is_none_with_one_seed_or_one_arm(tmp_path: Path) -> None:
    single = UNTUNED.replace("seeds: 10", "seeds: 1")
    assert lottery(asked(planted(tmp_path / "seed", {"relu": RELU[:1], "tanh": RELU[:1]}, single))) is None
    assert lottery(asked(planted(tmp_path / "arm", {"relu": RELU}))) is None
