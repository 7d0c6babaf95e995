"""Which arms share a panel."""

from __future__ import annotations

from collections.abc import Sequence

from actbench.report.figures.panels import Member, arrange, best_first
from actbench.report.figures.style import BASELINE


def one_factor(count: int, baseline: int | None = None) -> list[Member]:
    return [Member(f"a{n}", (("lr", n),), -float(n), n == baseline) for n in range(count)]


def two_factors(first: Sequence[str], second: Sequence[str], baseline: str) -> list[Member]:
    return [
        Member(f"activation={a}, init={b}", (("model.activation", a), ("model.init", b)), 0.5, baseline in (a, b))
        for a in first
        for b in second
    ]


def test_up_to_ten_arms_of_one_factor_share_a_panel_the_best_first() -> None:
    members = [Member(name, (("x", name),), score) for name, score in (("low", 0.1), ("high", 0.9))]
    (panel,) = arrange(members).panels
    assert panel.members == ((1, "high"), (0, "low"))
    assert len(arrange(one_factor(10)).panels) == 1
    assert len(arrange(one_factor(11)).panels) == 2


def test_a_single_baseline_is_in_every_panel_with_its_own_stroke() -> None:
    arrangement = arrange(one_factor(30, baseline=29))
    assert all((29, "a29") in panel.members for panel in arrangement.panels)
    assert arrangement.strokes["a29"] == BASELINE
    assert arrangement.panels[0].title == "rank 1 to 8 and the baseline"
    assert {index for panel in arrangement.panels for index, _ in panel.members} == set(range(30))


def test_of_very_many_arms_the_best_forty_are_drawn_and_the_baseline() -> None:
    arrangement = arrange(one_factor(1000, baseline=999))
    shown = {index for panel in arrangement.panels for index, _ in panel.members}
    assert shown == {*range(39), 999}
    assert arrangement.left_out == 960
    assert max(len(panel.members) for panel in arrangement.panels) <= 10


def test_within_a_panel_no_two_arms_have_the_same_stroke() -> None:
    arrangement = arrange(one_factor(40, baseline=3))
    for panel in arrangement.panels:
        assert len({arrangement.strokes[name] for _, name in panel.members}) == len(panel.members)


def test_of_two_factors_one_makes_the_panels_and_the_other_the_names() -> None:
    arrangement = arrange(two_factors(["relu", "tanh", "gelu"], ["zeros", "ones", "normal", "uniform"], "zeros"))
    assert [panel.title for panel in arrangement.panels] == ["activation=relu", "activation=tanh", "activation=gelu"]
    assert [name for _, name in arrangement.panels[0].members] == [
        "init=zeros",
        "init=ones",
        "init=normal",
        "init=uniform",
    ]
    assert arrangement.shares_legend
    assert arrangement.strokes["init=zeros"] == BASELINE
    assert list(arrangement.strokes.values()).count(BASELINE) == 1


def test_the_factor_that_makes_the_baseline_is_kept_within_the_panels() -> None:
    arrangement = arrange(two_factors(["relu", "tanh", "gelu", "mish"], ["zeros", "ones"], "relu"))
    assert [panel.title for panel in arrangement.panels] == ["init=zeros", "init=ones"]
    assert arrangement.strokes["activation=relu"] == BASELINE


def test_the_best_come_first_and_a_single_baseline_is_never_left_out() -> None:
    assert best_first(one_factor(5), 3) == [0, 1, 2]
    assert best_first(one_factor(5, baseline=4), 3) == [0, 1, 4]
