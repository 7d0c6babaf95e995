"""A thousand trials of fifty epochs are drawn in seconds and stay small."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from actbench.report.figures.style import figure_to_svg
from drawn import pictures_of, results_from

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


def reference_seconds() -> float:
    """CPU time of a fixed piece of Python, for scale: 0.1 s where the limit was set."""
    started = time.process_time()
    sum(number % 7 for number in range(2_500_000))
    return time.process_time() - started


@pytest.mark.slow
@pytest.mark.parametrize("arms", [LOW_ARMS, MANY_ARMS], ids=["20 arms", "100 arms"])
def test_all_pictures_take_seconds_and_few_bytes(arms: str, tmp_path: Path) -> None:
    results = results_from(TEXT + arms, tmp_path)
    assert len(results.records) == 1000
    slowness = max(1.0, reference_seconds() / 0.1)
    started = time.process_time()
    size = sum(
        len(figure_to_svg(picture.draw(), picture.name, picture.title, picture.description).encode())
        for picture in pictures_of(results).values()
    )
    assert time.process_time() - started < MAX_CPU_SECONDS * slowness
    assert size < MAX_BYTES
