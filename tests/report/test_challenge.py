"""The answer of a challenge: about the function, against each opponent, differences "mine minus theirs"."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.report.challenge import challenge_document, challenge_sections, seen_from_baseline
from actbench.report.gate import gate_on_arms
from actbench.store.results import Results
from planted import FIVE_ACTIVATIONS, RELU, asked, five_arms, planted


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Mish as the custom function: tanh is much better than relu, and mish is not distinguishable from relu."""
    return planted(
        tmp_path,
        five_arms(),
        FIVE_ACTIVATIONS.replace("baseline: {model.activation: relu}", "baseline: {model.activation: tanh}"),
    )


def test_rows_are_opponents_and_differences_are_mine_minus_theirs(results: Results) -> None:
    answer, table = challenge_sections(asked(results), results, "tanh")
    assert answer.title.startswith("Is tanh better than common baselines on mnist? Better than ")
    assert "relu (+0.21 points, p " in answer.title
    assert table.title.startswith("tanh: 98.07 %; ")
    assert table.header[:4] == ["opponent", "its mean", "tanh minus it", "won"]
    rows = {row[0]: row for row in table.rows}
    assert set(rows) == {"relu", "elu", "gelu", "mish"}
    assert rows["relu"][1:4] == ["97.86", "+0.21", "10 of 10"]
    assert rows["relu"][-1] == "better"
    assert len(table.notes) == 1
    assert table.notes[0].startswith("A tenth of a point takes ")


def test_json_has_the_same_signs(results: Results) -> None:
    comparison = asked(results)
    document = challenge_document(comparison, "tanh")
    against = {one["opponent"]: one for one in document["opponents"]}
    plain = {row.sample.label: row.contrast for row in comparison.rows if row.contrast}
    for label, one in against.items():
        contrast = plain[label]
        assert contrast is not None
        assert one["difference"] == -(contrast.difference.mean or 0)
        low, high = one["difference_ci_adjusted"]
        assert low <= one["difference"] <= high
        assert one["p_holm"] == contrast.p_holm
        assert {"worse": "better", "better": "worse"}.get(str(contrast.verdict), contrast.verdict) == one["verdict"]


def test_the_gate_of_a_challenge_is_about_the_function(tmp_path: Path, results: Results) -> None:
    assert gate_on_arms(seen_from_baseline(asked(results)), "pass").exit_code() == 0
    worst = planted(
        tmp_path / "worst",
        five_arms() | {"mish": [count - 60 for count in RELU]},
        FIVE_ACTIVATIONS.replace("baseline: {model.activation: relu}", "baseline: {model.activation: mish}"),
    )
    gate = gate_on_arms(seen_from_baseline(asked(worst)), "pass")
    assert gate.exit_code() == 1
    assert "mish against relu" in gate.line()
