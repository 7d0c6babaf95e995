"""Comparisons of thousands of arms take time in proportion to their number."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from actbench.analysis import comparison, contrasts
from actbench.analysis.comparison import Comparison
from actbench.plan.plan import make_plan
from actbench.render.terminal import section_lines
from actbench.report.comparison import comparison_section
from actbench.report.tables import primary_comparison
from actbench.statistics.intervals import Estimate, estimates
from actbench.store.lines import journal_line
from actbench.store.results import load_results
from builders import TWO_ACTIVATIONS, experiment_from, record_of
from journals import folder_with
from stopwatch import least_seconds

MANY = TWO_ACTIVATIONS.replace("vary: {", "vary: {train.lr: RATES, ").replace(
    "baseline: {", "baseline: {train.lr: 0.001, "
)
FEW_RATES, MANY_RATES = 20, 200


def compared(folder: Path, rates: int) -> Comparison:
    experiment = experiment_from(MANY.replace("RATES", str([rate / 1000 for rate in range(1, rates + 1)])), folder)
    records = [
        record_of(trial, 200 + number % 90) for number, trial in enumerate(make_plan(experiment).trials().values())
    ]
    lines = [journal_line(record).encode() for record in records]
    return primary_comparison(load_results(folder_with(folder / str(rates), experiment, lines), folder))


def test_a_table_of_ten_times_as_many_arms_takes_about_ten_times_as_long(tmp_path: Path) -> None:
    few, many = (compared(tmp_path, rates) for rates in (FEW_RATES, MANY_RATES))
    assert len(many.rows) == 2 * MANY_RATES

    def seconds(comparison: Comparison) -> float:
        return least_seconds(lambda: section_lines([comparison_section(comparison, [])], io.StringIO()))

    assert seconds(many) < 20 * seconds(few)


def test_the_means_of_all_arms_take_as_few_computations_as_those_of_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(samples: Sequence[Sequence[float]]) -> list[Estimate]:
        calls.append(len(samples))
        return estimates(samples)

    for module in (comparison, contrasts):
        monkeypatch.setattr(module, "estimates", counted)
    for rates in (2, 50):
        calls.clear()
        compared(tmp_path, rates)
        assert calls == [2 * rates - 1, 2 * rates, 0]
