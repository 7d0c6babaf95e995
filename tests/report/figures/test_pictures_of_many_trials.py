"""A thousand trials of fifty epochs are drawn in seconds and stay small."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.report.figures.layout import PAGE, PHONE
from actbench.report.files import picture_svg
from drawn import pictures_of, results_from
from stopwatch import time_limit

MAX_CPU_SECONDS = 8.0
MAX_BYTES = 4_000_000
RATES = [number / 10_000 for number in range(1, 101)]
TEXT = """
name: big
data: {dataset: mnist}
model: {hidden: [64, 32]}
train: {epochs: 50}
"""
LOW_ARMS = f"vary: {{train.lr: {RATES[:20]}}}\nseeds: 50\nbaseline: {{train.lr: 0.0001}}\n"
MANY_ARMS = f"vary: {{train.lr: {RATES}}}\nseeds: 10\nbaseline: {{train.lr: 0.0001}}\n"


@pytest.mark.slow
@pytest.mark.parametrize("arms", [LOW_ARMS, MANY_ARMS], ids=["20 arms", "100 arms"])
def test_all_pictures_take_seconds_and_few_bytes(arms: str, tmp_path: Path) -> None:
    results = results_from(TEXT + arms, tmp_path)
    assert len(results.records) == 1000
    with time_limit(MAX_CPU_SECONDS):
        size = sum(len(picture_svg(one, {}, paper)) for one in pictures_of(results).values() for paper in (PAGE, PHONE))
    assert size < MAX_BYTES
