"""What is said of results of an experiment with looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from actbench.report.contents import answer_sections
from actbench.report.figures.differences import differences_picture
from actbench.report.looks import look_lines, moved_look
from actbench.report.method import method_sections
from actbench.report.networks import hints
from actbench.report.paper import methods_paragraph
from actbench.report.statements import statements
from builders import experiment_from
from planted import (
    DIVERGED,
    FIVE_ACTIVATIONS,
    MUCH,
    RATE_OUT_OF_REACH,
    RELU,
    TUNED,
    UNTUNED,
    above,
    asked,
    contrast_of,
    planted,
    said,
)

LOOKS = FIVE_ACTIVATIONS.replace(", elu, gelu, mish", ", elu").replace("seeds: 10", "seeds: {looks: [8, 10]}")


def test_looks_say_their_level_in_percent_and_settle_no_arm_that_is_not_judged(tmp_path: Path) -> None:
    counts = {"relu": RELU[:8], "tanh": above(RELU, MUCH)[:8], "elu": RELU[:8]}
    results = planted(tmp_path, counts, LOOKS, change=lambda label, _: DIVERGED if label == "elu" else {})
    (note,) = [one.text for one in statements(asked(results), [results]) if one.kind == "looks"]
    assert "Looks planned after 8 and 10 seeds, each at the level 2.5 %, 5 % in all:" in note
    assert "Settled: 1 at look 1; not judged: 1." in note
    less = planted(tmp_path / "less", counts, LOOKS.replace("[8, 10]", "[8, 10], alpha: [0.02, 0.01]"))
    (note,) = [one.text for one in statements(asked(less), [less]) if one.kind == "looks"]
    assert "after 8 and 10 seeds, at the levels 2 % and 1 %, 3 % in all:" in note
    one = planted(tmp_path / "one", counts, LOOKS.replace("[8, 10]", "[8]"))
    (note,) = [one.text for one in statements(asked(one), [one]) if one.kind == "looks"]
    assert note.startswith("One look was planned, after 8 seeds, at the level 5 %. ")


def test_a_claim_that_keeps_settled_arms_going_is_named(tmp_path: Path) -> None:
    """Tanh is better at the first look, but by how much is still to be told."""
    claim = "{claim: by a lot, arm: {model.activation: tanh}, metric: test_accuracy, above: 0.9806}"
    counts = {"relu": RELU[:8], "tanh": above(RELU, MUCH)[:8], "elu": above(RELU, MUCH)[:8]}
    results = planted(tmp_path, counts, f"{LOOKS}expect: [{claim}]\n")
    assert look_lines(results.plan) == ["look 1 of 2, 8 seeds: better tanh and elu; open claim: by a lot"]
    (note,) = [one.text for one in statements(asked(results), [results]) if one.kind == "looks"]
    assert "an arm that is settled gets no more seeds, unless a claim about it is open." in note
    assert ["final seeds", "from 0 on, looks after 8 and 10 of them"] in method_sections(results)[0].rows
    assert "got no more seeds, unless a claim about it was open." in methods_paragraph(asked(results), results, {})


def test_looks_pair_seeds_of_unlike_data_and_say_so(tmp_path: Path) -> None:
    """Eight wins of eight: p is that of the signs, 2 / 2^8, as the runs were decided."""
    text = UNTUNED.replace("model.activation: [relu, tanh]", "data.train: [1000, 2000]")
    text = text.replace("model.activation: relu", "data.train: 1000").replace("seeds: 10", "seeds: {looks: [8]}")
    results = planted(tmp_path, {"train=1000": RELU[:8], "train=2000": above(RELU, MUCH)[:8]}, text)
    comparison = asked(results, shared_lr=True)
    found = {one.kind: one.text for one in statements(comparison, [results])}
    assert contrast_of(comparison, "train=2000").p == 2 / 2**8
    assert found["paired"].startswith("Differences are paired by seed; p is the sign-flip test")
    assert found["unpaired"].startswith("Where the data differ, seeds share nothing. Looks pair them all the same")
    few = experiment_from(text.replace("[8]", "[5]"), tmp_path)
    assert [*hints(few)] == ["5 seeds cannot decide 1 comparison, 6 can: --set 'seeds={looks: [6]}'"]


def test_before_the_first_look_nothing_is_judged_and_what_it_lacks_is_said(tmp_path: Path) -> None:
    counts = {"relu": RELU[:8], "tanh": above(RELU, MUCH)[:8], "elu": RELU[:7]}
    words = said(planted(tmp_path, counts, LOOKS))
    assert "Not judged: the first look, after 8 seeds, lacks trials." in words


def test_a_look_that_is_moved_up_in_vain_says_so(tmp_path: Path) -> None:
    results = planted(tmp_path, {}, TUNED.replace("seeds: 10", "seeds: {looks: [2, 4]}"))
    assert results.plan.looks is not None
    assert ["final seeds", "from 0 on, looks after 4 of them"] in method_sections(results)[0].rows
    said = moved_look(results.experiment)
    assert said == "First look after 4 seeds, not 2: 4 seeds cannot decide 1 comparison, 6 can."


def test_seeds_that_cannot_decide_at_the_level_of_their_only_look_are_said_beforehand(tmp_path: Path) -> None:
    """Of 7 pairs p is at least 2 / 2^7 = 0.0156, of 8 it is 0.0078."""
    text = TUNED.replace("seeds: 10", "seeds: {looks: [7], alpha: [0.01]}")
    assert [*hints(experiment_from(text, tmp_path))] == [
        "7 seeds cannot decide 1 comparison, 8 can: --set 'seeds={looks: [8]}'"
    ]
    assert [*hints(experiment_from(text.replace("[7]", "[8]"), tmp_path))] == []


def test_an_arm_that_stays_open_has_its_reason_and_the_planned_comparisons(tmp_path: Path) -> None:
    """Eight wins of eight, but one is far larger than the others; elu gets no trials and counts with p = 1."""
    text = FIVE_ACTIVATIONS.replace(", gelu, mish", "").replace("seeds: 10", "seeds: {looks: [8], alpha: [0.02]}")
    counts, gains = {"relu": RELU[:8]}, [10, 10, 10, 10, 10, 10, 10, 46]
    counts["tanh"] = above(RELU[:8], gains)
    results = planted(tmp_path, counts, text, best_rates={"elu": RATE_OUT_OF_REACH})
    inner, outer = (stats.ttest_1samp(gains, 0).confidence_interval(level) for level in (1 - 2 * 0.02, 1 - 0.02 / 2))
    assert inner.low > 0 > outer.low
    arm = contrast_of(asked(results), "tanh")
    assert arm.word == "undecided"
    assert arm.p_holm == pytest.approx(0.05 / 0.02 * 2 * 2 / 2**8)
    (note,) = [one for one in statements(asked(results), [results]) if one.kind == "adjusted"]
    assert f"after 2 comparisons the interval holds 0: tanh ({outer.low / 100:.2f} to" in note.text


def test_seeds_are_counted_from_the_fewest_to_the_most_of_an_arm(tmp_path: Path) -> None:
    counts = {"relu": RELU, "tanh": above(RELU, MUCH)[:8]}
    results = planted(tmp_path, counts, change=lambda *_: {"test_nll": 0.5})
    _, table = answer_sections(asked(results), [results])
    assert "8 to 10 seeds" in table.title
    for metric, name in (("test_accuracy", "Test accuracy"), ("test_nll", "Test NLL")):
        picture = differences_picture(results, asked(results, metric=metric))
        assert picture is not None
        assert picture.title == f"{name} minus relu, seed by seed"
        assert "Each dot is one of 8 seeds:" in picture.caption
