"""What is said while something takes long, and not otherwise."""

from __future__ import annotations

import threading

import pytest

from actbench import text
from actbench.text import said_if_slow


def test_only_what_is_slow_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    said, is_said = list[str](), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        is_said.set()

    monkeypatch.setattr(text, "say", say)
    with said_if_slow("quick ...", seconds=3600):
        pass
    with said_if_slow("slow ...", seconds=0):
        assert is_said.wait(60)
    assert said == ["slow ..."]
