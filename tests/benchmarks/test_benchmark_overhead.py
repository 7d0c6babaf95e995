"""What a stack costs beside its training: every place is measured, and the table says how."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy
import pytest

from actbench.catalogue.datasets import Arrays
from actbench.render.markdown import section_to_markdown
from benchmarks import overhead
from benchmarks.nothing import TRIALS
from benchmarks.rounds import ROOT


@pytest.mark.parametrize("place", ["this process", pytest.param("1 local worker", marks=pytest.mark.slow)])
def test_every_stack_comes_back_and_has_its_time(place: str) -> None:
    pixels, labels = numpy.zeros((1, 784), numpy.uint8), numpy.zeros(1, numpy.int64)
    arrays = Arrays(pixels, labels, pixels, labels)
    stacks = overhead.make_stacks_of_nothing(3)
    assert [len(stack) for stack in stacks] == [TRIALS] * 3
    found = overhead.measure(place, stacks, arrays)
    assert found.first > 0
    assert found.each > 0
    table = section_to_markdown(
        overhead.section({place: [found]}, [overhead.measure_journal(stacks, arrays)], len(stacks)), "##"
    )
    assert f"| {place} | " in table


@pytest.mark.slow
@pytest.mark.skipif("ACTBENCH_DATA" not in os.environ, reason="ACTBENCH_DATA does not name a folder with MNIST")
def test_the_command_measures_every_place() -> None:
    command = [sys.executable, "-m", "benchmarks.overhead", "--rounds", "1", "--stacks", "2"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    for place in overhead.PLACES:
        assert f"\n{place} " in finished.stdout
