"""Statements about a comparison: the table's notes, the page's paragraph and JSON say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.report.document import comparison_document
from actbench.report.statements import PARAGRAPH, notes, paragraph, statements
from planted import FIVE_ACTIVATIONS, MUCH, RATE_OUT_OF_REACH, RELU, TUNED, UNTUNED, above, asked, five_arms, planted

TWO = {"relu": RELU, "tanh": above(RELU, MUCH)}


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("text", [TUNED, UNTUNED, TUNED.replace("seeds: 10", "seeds: 3")])
@pytest.mark.parametrize("rates", [{}, {"tanh": RATE_OUT_OF_REACH}])
def test_every_arm_has_the_verdict_of_its_statement(
    text: str, rates: dict[str, float], is_shared: bool, tmp_path: Path
) -> None:
    results = planted(tmp_path, TWO, text, best_rates=rates)
    comparison = asked(results, shared_lr=is_shared)
    said = {arm: one.kind for one in statements(comparison, [results]) if one.family == "baseline" for arm in one.arms}
    verdicts = {row.sample.label: row.contrast.verdict for row in comparison.rows if row.contrast}
    assert {label: (verdict or "").split(" (")[0].replace(" ", "_") for label, verdict in verdicts.items()} == (
        {arm: {"too_few_seeds": "too_few_seeds_to_tell"}.get(kind, kind) for arm, kind in said.items()}
        or dict.fromkeys(verdicts, "not_judged")
    )


def test_the_best_set_is_the_same_in_note_sentence_and_json(tmp_path: Path) -> None:
    results = planted(tmp_path, five_arms(), FIVE_ACTIVATIONS)
    comparison = asked(results)
    found = statements(comparison, [results])
    (best,) = [one for one in found if one.family == "best set"]
    assert best.arms == comparison.best == tuple(comparison_document(comparison, [results])["best_set"])
    assert best.note in notes(found)
    assert best.sentence in paragraph(found)


def test_json_holds_every_statement_and_the_caveats_among_them(tmp_path: Path) -> None:
    results = planted(tmp_path, TWO, UNTUNED)
    document = comparison_document(asked(results), [results])
    assert document["statements"] == [one.to_json() for one in statements(asked(results), [results])]
    texts = {one["kind"]: one["text"] for one in document["statements"]}
    assert set(document["caveats"]) == {
        one.note for one in statements(asked(results), [results]) if one.family == "caveats" and one.note
    }
    assert all(texts.values())


def test_every_sentence_has_a_place_in_the_paragraph(tmp_path: Path) -> None:
    diverged = {"outcome": "diverged", "diverged_epoch": 1, "test_loss": None}
    results = planted(tmp_path, TWO, change=lambda label, seed: diverged if (label, seed) == ("tanh", 0) else {})
    found = statements(asked(results), [results])
    assert {one.kind for one in found if one.sentence} <= set(PARAGRAPH)
    assert len(set(PARAGRAPH)) == len(PARAGRAPH)
