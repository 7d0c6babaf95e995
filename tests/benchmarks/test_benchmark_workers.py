"""The same work in several processes at once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import pytest

from benchmarks.workers import time_together


def thread_count_and_number(factor: int, number: int) -> Callable[[], tuple[str, int]]:
    return lambda: (os.environ["OMP_NUM_THREADS"], factor * number)


def dying(_number: int) -> Callable[[], None]:
    raise SystemExit


def test_processes_have_one_thread_each_and_answer_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    seconds, results = time_together(thread_count_and_number, (10,), processes=2)
    assert results == [("1", 0), ("1", 10)]
    assert math.isfinite(seconds)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_process_that_dies_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended without a result"):
        time_together(dying, (), processes=2)
