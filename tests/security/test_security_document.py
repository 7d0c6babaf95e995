"""Every promise of SECURITY.md has a number, and every number has tests that there are."""

from __future__ import annotations

import ast
import re

from places import TESTS

TEXT = (TESTS.parent / "SECURITY.md").read_text(encoding="utf-8")
PROMISES, REST = TEXT.split("## What this does not cover")
ROWS = dict(re.findall(r"^\| (\d+) \| (.+) \|$", REST, re.MULTILINE))
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_sentence_of_a_promise_ends_in_its_number() -> None:
    numbers = []
    for paragraph in PROMISES.strip().split("\n\n")[2:]:
        heading, promise = paragraph.split("\n", 1)
        assert heading.startswith("**")
        for sentence in re.split(r"(?<=\))\.\s+", promise.replace("\n", " ").rstrip(". ")):
            assert re.search(r"\(\d+\)$", sentence), sentence
            numbers += re.findall(r"\((\d+)\)", sentence)
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)] == list(ROWS)


def test_every_number_has_tests_that_there_are() -> None:
    for number, row in ROWS.items():
        named = NAMED.findall(row)
        assert named, number
        for file, name in named:
            tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"
