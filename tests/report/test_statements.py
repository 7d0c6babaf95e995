"""Statements about a comparison: the answer, the table's notes and JSON say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.report.contents import comparison_document, report_chapters
from actbench.report.statements import answer_line, caveats, notes, statements
from planted import FIVE_ACTIVATIONS, MUCH, RATE_OUT_OF_REACH, RELU, TUNED, UNTUNED, above, asked, five_arms, planted

TUNED_SHORT = TUNED.replace("seeds: 10", "seeds: 5")
TWO = {"relu": RELU, "tanh": above(RELU, MUCH)}


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("text", [TUNED, UNTUNED, TUNED.replace("seeds: 10", "seeds: 3")])
@pytest.mark.parametrize("rates", [{}, {"tanh": RATE_OUT_OF_REACH}])
def test_every_arm_has_the_verdict_of_its_statement(
    text: str, rates: dict[str, float], is_shared: bool, tmp_path: Path
) -> None:
    results = planted(tmp_path, TWO, text, best_rates=rates)
    comparison = asked(results, shared_lr=is_shared)
    of_arms = [one for one in statements(comparison, [results]) if one.family == "baseline" and one.kind != "adjusted"]
    said = {arm: one.kind for one in of_arms for arm in one.arms}
    verdicts = {row.sample.label: row.contrast.verdict for row in comparison.rows if row.contrast}
    assert {label: (verdict or "").split(" (")[0].replace(" ", "_") for label, verdict in verdicts.items()} == (
        {arm: {"too_few_seeds": "too_few_seeds_to_tell"}.get(kind, kind) for arm, kind in said.items()}
        or dict.fromkeys(verdicts, "not_judged")
    )


def test_the_best_set_is_the_same_in_note_and_json(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    comparison = asked(results)
    found = statements(comparison, [results])
    (best,) = [one for one in found if one.kind == "best"]
    assert best.arms == comparison.best == tuple(comparison_document(comparison, [results])["best_set"])
    assert best.text in notes(found)


def test_an_interval_that_excludes_0_beside_no_verdict_has_its_reason(tmp_path: Path) -> None:
    """Five wins are too few; ten that are significant alone may not be among four comparisons."""
    short = planted(tmp_path / "five", {"relu": RELU[:5], "tanh": above(RELU[:5], MUCH[:5])}, TUNED_SHORT)
    (one,) = [one for one in statements(asked(short), [short]) if one.kind == "adjusted"]
    assert one.arms == ("tanh",)
    assert one.text.startswith("By itself the interval of tanh excludes 0; adjusted for 1 comparison")
    assert one.text.endswith("p 0.062.")
    close = [27, -9, 24, 15, -6, 36, 21, 3, 30, -3]
    many = planted(tmp_path / "many", five_arms() | {"mish": above(RELU, close)}, FIVE_ACTIVATIONS)
    comparison = asked(many)
    (one,) = [one for one in statements(comparison, [many]) if one.kind == "adjusted" and "mish" in one.arms]
    (arm,) = [arm for arm in comparison_document(comparison, [many])["arms"] if arm["label"] == "mish"]
    assert one.numbers["p"] < 0.05 <= one.numbers["p_holm"]
    assert arm["difference_ci"][0] > 0 > arm["difference_ci_adjusted"][0]
    assert arm["confidence_adjusted"] > 0.95
    assert arm["verdict"].startswith("no evidence")


def test_what_another_family_finds_is_said(tmp_path: Path) -> None:
    """No arm differs from relu, but elu is below the best mean, and below it among all pairs."""
    up = [40, -18, 24, 28, -15, 42, 30, 5, 32, -12]
    down = [gain - 22 - seed for seed, gain in enumerate(up)]
    three = TUNED.replace("[relu, tanh]", "[relu, tanh, elu]")
    results = planted(tmp_path, {"relu": RELU, "tanh": above(RELU, up), "elu": above(RELU, down)}, three)
    comparison = asked(results, all_pairs=True)
    assert {arm["verdict"].split(" (")[0] for arm in comparison_document(comparison, [results])["arms"][1:]} == {
        "no evidence of a difference"
    }
    found = {one.kind: one for one in statements(comparison, [results])}
    assert found["below_best"].arms == ("elu",)
    assert found["pairs"].text == "Of all 3 pairs (Holm over these): tanh is better than elu."


def test_a_baseline_other_than_the_planned_one_is_noted(tmp_path: Path) -> None:
    results = planted(tmp_path, TWO)
    assert "other_baseline" not in {one.kind for one in statements(asked(results), [results])}
    found = {one.kind: one.text for one in statements(asked(results, baseline="tanh"), [results])}
    assert found["other_baseline"].startswith("Planned was the baseline relu: comparisons with tanh are exploratory")


def test_claims_that_are_decided_beside_arms_that_are_not_judged_are_explained(tmp_path: Path) -> None:
    claim = "expect: [{claim: tanh wins, better: {model.activation: tanh}, than: {model.activation: relu}}]\n"
    for name, text, is_explained in [("untuned", UNTUNED, True), ("tuned", TUNED, False)]:
        results = planted(tmp_path / name, TWO, text + claim)
        chapters = report_chapters(asked(results), results, [])
        assert any("where an arm is not judged" in note for note in chapters["claims"][0].notes) == (is_explained)


def test_json_holds_every_statement_and_the_caveats_among_them(tmp_path: Path) -> None:
    results = planted(tmp_path, TWO, UNTUNED)
    document = comparison_document(asked(results), [results])
    found = statements(asked(results), [results])
    assert document["statements"] == [one.to_json() for one in found]
    assert all(one["text"] for one in document["statements"])
    assert document["caveats"] == caveats(found)
    assert set(caveats(found)) <= set(notes(found))
    assert document["answer"] == answer_line(found)


def test_a_fact_is_in_the_answer_or_below_the_table(tmp_path: Path) -> None:
    diverged = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
    results = planted(tmp_path, TWO, change=lambda label, seed: diverged if (label, seed) == ("tanh", 0) else {})
    found = statements(asked(results), [results])
    assert len({one.text for one in found}) == len(found)
    assert all((one.text in answer_line(found)) != (one.text in notes(found)) for one in found)
