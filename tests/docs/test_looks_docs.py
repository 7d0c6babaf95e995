"""The table and the picture of looks in docs/protocol.md."""

from __future__ import annotations

import runpy
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from actbench.plan.tuning import tune_arm
from actbench.store.results import load_results
from places import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "update_looks.py"))


def test_the_page_shows_the_picture_and_a_row_for_every_truth_and_design(script: dict[str, Any]) -> None:
    assert "](looks.svg)" in PAGE
    assert (ROOT / "docs" / "looks.svg").read_text(encoding="utf-8").count("<svg") == 1
    (table,) = script["TABLE"].findall(PAGE)
    rows = [line.split(" | ")[:2] for line in table.splitlines()[2:]]
    truths = [*script["TRUTHS"], script["MNIST_TUNED"]]
    assert rows == [[f"| {truth}", design] for truth in truths for design in script["DESIGNS"]]


@pytest.mark.parametrize(
    "rows", [pytest.param(3, marks=pytest.mark.slow), pytest.param(None, marks=pytest.mark.simulation)]
)
def test_the_table_is_what_the_simulation_gives(rows: int | None, script: dict[str, Any]) -> None:
    """Those rows where nothing differs take the least time."""
    (table,) = script["TABLE"].findall(PAGE)
    for written, cells in zip(table.splitlines()[2:], islice(script["rows"](), rows), strict=rows is None):
        assert written == f"| {' | '.join(cells)} |"


@pytest.mark.parametrize(("margin", "spared", "others"), [(0.005, "33 %", 0), (0.002, "42 %", 1)])
def test_what_a_tuning_margin_would_have_spared(margin: float, spared: str, others: int) -> None:
    results = load_results(ROOT / "results" / "mnist-tuned", ROOT / "results")
    experiment, tunings = replace(results.experiment, tuning_margin=margin), results.plan.tunings
    cheaper = [tune_arm(experiment, tuning.arm, results.records, results.training_code) for tuning in tunings]
    full, spent = (sum(len(tuning.trials()) for tuning in each) for each in (tunings, cheaper))
    assert f"{1 - spent / full:.0%}".replace("%", " %") == spared
    assert spared in " ".join(PAGE.split())
    assert sum(one.chosen != other.chosen for one, other in zip(tunings, cheaper, strict=True)) == others
