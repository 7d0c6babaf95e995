"""Lists that are cut, and what is said while something takes long, and not otherwise."""

from __future__ import annotations

import threading

import pytest

from actbench import text
from actbench.text import capitalised, first_few, listed, said_if_slow


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


def test_of_many_names_the_first_are_given_and_the_others_counted() -> None:
    assert first_few(["a", "b"], 2) == ["a", "b"]
    assert listed(first_few(["a", "b", "c"], 2)) == "a, b and 1 more"
    assert first_few(["a"] * 1002, 1, "mistake") == ["a", "1,001 more mistakes"]
    assert first_few(["a", "b"], 1, "mistake") == ["a", "1 more mistake"]


def test_names_keep_their_small_first_letter() -> None:
    texts = ("claims", "test_accuracy by arm", "lr=0.1 is best", "")
    assert [*map(capitalised, texts)] == ["Claims", "test_accuracy by arm", "lr=0.1 is best", ""]
