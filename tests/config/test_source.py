"""YAML text to data with places: what is read, what is refused, and that neither takes long nor raises."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import pytest

from actbench.config.source import (
    MAX_ALIASES,
    MAX_NESTING,
    MAX_VALUES,
    dotted_path,
    read_yaml,
    scalar,
)
from actbench.errors import MAX_NAMED_FILE_BYTES
from stopwatch import time_limit

pytestmark = pytest.mark.oldest

QUICK_SECONDS = 0.5

NESTED = """\
model:
  hidden: [64, 32]
  activation: {leaky_relu: {negative_slope: 0.1}}
vary:
  train.lr:
    - 1e-3
    - 1e-2
"""


def read(text: str) -> Any:
    source = read_yaml(text, "f.yaml")
    assert source.problems == []
    return source.data


def mistakes(text: str) -> list[str]:
    return [str(problem) for problem in read_yaml(text, "f.yaml").problems]


@pytest.mark.parametrize(("text", "value"), [
    ("1e-3", 1e-3), ("1E3", 1e3), (".5", 0.5), ("5.", 5.0), ("-.5e+2", -50.0), ("+1.5", 1.5), ("1e400", math.inf),
    ("0", 0), ("-7", -7), ("+7", 7), ("010", 10), ("0o17", 15), ("0x1F", 31),
    ("123456789012345678", 123456789012345678),
    ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("tRue", "tRue"),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
    ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("nULL", "nULL"),
    (".inf", math.inf), (".Inf", math.inf), (".INF", math.inf), ("+.inf", math.inf), ("+.INF", math.inf),
    ("-.inf", -math.inf), ("-.Inf", -math.inf), ("-.INF", -math.inf), ("inf", "inf"),
    ("2024-01-31", "2024-01-31"), ("1:30", "1:30"), ("0b11", "0b11"), ("0o8", "0o8"), ("1e", "1e"), (".", "."),
    ("-", "-"), ("=", "="), ("1.2.3", "1.2.3"), ("relu", "relu"), ("1__0", "1__0"), ("1_", "1_"), ("-1_", "-1_"),
])  # fmt: skip
def test_a_plain_scalar_is_read_by_the_core_schema_of_yaml_1_2(text: str, value: Any) -> None:
    found = scalar(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_every_spelling_of_not_a_number_is_a_number(text: str) -> None:
    found = scalar(text)
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize(("text", "value"), [
    ("a: '1e-3'", "1e-3"), ('a: "5"', "5"), ("a: 'true'", "true"), ("a: ''", ""), ("a: 'null'", "null"),
    ("a: |\n  5\n", "5\n"), ("a: >-\n  5\n", "5"), ("a: 5", 5), ("a:", None), ("a: # nothing", None),
])  # fmt: skip
def test_quoted_and_block_scalars_are_text_whatever_they_look_like(text: str, value: Any) -> None:
    assert read(text) == {"a": value}


def test_lists_become_tuples_and_mappings_keep_the_order_of_their_keys() -> None:
    data = read("b: [1, [2, {}], []]\na: {d: 1, c: 2}\n")
    assert data == {"b": (1, (2, {}), ()), "a": {"d": 1, "c": 2}}
    assert [*data, *data["a"]] == ["b", "a", "d", "c"]


def test_keys_are_text_even_where_they_look_like_something_else() -> None:
    assert read("1: a\ntrue: b\nnull: c\n1e-3: d\n") == {"1": "a", "true": "b", "null": "c", "1e-3": "d"}


def test_unicode_and_windows_line_ends_are_read_and_counted_in_characters() -> None:
    source = read_yaml("größe: 大\r\n日本: [é, ü]\r\n", "f.yaml")
    assert source.data == {"größe": "大", "日本": ("é", "ü")}
    assert source.place(("日本", 1)) == "f.yaml:2:9"


def test_every_key_and_list_entry_has_its_place() -> None:
    assert read_yaml(NESTED, "f.yaml").places == {
        (): "f.yaml:1:1",
        ("model",): "f.yaml:1:1",
        ("model", "hidden"): "f.yaml:2:3",
        ("model", "hidden", 0): "f.yaml:2:12",
        ("model", "hidden", 1): "f.yaml:2:16",
        ("model", "activation"): "f.yaml:3:3",
        ("model", "activation", "leaky_relu"): "f.yaml:3:16",
        ("model", "activation", "leaky_relu", "negative_slope"): "f.yaml:3:29",
        ("vary",): "f.yaml:4:1",
        ("vary", "train.lr"): "f.yaml:5:3",
        ("vary", "train.lr", 0): "f.yaml:6:7",
        ("vary", "train.lr", 1): "f.yaml:7:7",
    }


def test_what_is_not_in_the_file_has_the_place_of_the_nearest_thing_above_it() -> None:
    source = read_yaml(NESTED, "f.yaml")
    assert source.place(("model", "hidden", 7, "units")) == "f.yaml:2:3"
    assert source.place(("train", "lr")) == "f.yaml:1:1"


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert dotted_path(("vary", "model.activation", 2, "leaky_relu")) == "vary.model.activation[2].leaky_relu"
    assert dotted_path(()) == ""


def test_a_duplicate_key_is_named_with_the_line_of_the_first_and_the_first_is_kept() -> None:
    source = read_yaml("a: {b: 1,\n    b: 2}\nc: 1\na: 3\n", "f.yaml")
    assert [str(problem) for problem in source.problems] == [
        "f.yaml:2:5: a.b: duplicate key, first given in line 1",
        "f.yaml:4:1: a: duplicate key, first given in line 1",
    ]
    assert source.data == {"a": {"b": 1}, "c": 1}


@pytest.mark.parametrize(("text", "place"), [
    ("a: [1, 2", "1:9"), ("a: 1\nb: c: d", "2:5"), ("a: 1\n b: 2", "2:3"), ("a: 1\n\tb: 2", "2:1"), ("a: 'x", "1:6"),
    ("a: @x", "1:4"), ("a: }", "1:4"), ("a: 1\nb: *unknown", "2:4"), ("a: &x 1\nb: &x 2", "2:4"),
    ("%YAML 3.0\n---\na: 1", "1:1"), ("a: \x00", "1:1"),
])  # fmt: skip
def test_what_is_not_yaml_is_one_problem_with_its_place(text: str, place: str) -> None:
    (line,) = mistakes(text)
    assert line.startswith(f"f.yaml:{place}: not YAML: ")


@pytest.mark.parametrize(("text", "line"), [
    ("", "f.yaml:1:1: expected settings, found an empty file"),
    ("# only a comment\n", "f.yaml:1:1: expected settings, found an empty file"),
    ("a: 1\n---\nb: 2\n", "f.yaml:2:1: expected one document, found another one"),
    ("? [a, b]\n: 1", "f.yaml:1:3: expected a plain name as key"),
    ("a: {{b: c}: 1}", "f.yaml:1:5: a: expected a plain name as key"),
    ("a: &x {b: 1}\nc:\n  <<: *x\n", "f.yaml:3:3: c: `<<` is not allowed"),
])  # fmt: skip
def test_what_an_experiment_file_may_not_hold_is_one_problem(text: str, line: str) -> None:
    assert mistakes(text) == [line]


@pytest.mark.parametrize(
    "tagged", ["!!int '5'", "!!python/object/apply:os.system [ls]", "!!python/name:os.system ''", "!own 1", "!<x:y> {}"]
)
def test_a_tag_is_refused_before_anything_is_built(tagged: str) -> None:
    source = read_yaml(f"a: 1\nb: [{tagged}]\n", "f.yaml")
    (problem,) = source.problems
    assert problem.place.startswith("f.yaml:2:")
    assert re.fullmatch(r"tags such as \S+ are not allowed here", problem.message)
    assert source.data is None


def test_an_alias_repeats_what_its_anchor_names() -> None:
    data = read("a: &widths [64, 32]\nb: *widths\nc: {d: *widths}\n")
    assert data == {"a": (64, 32), "b": (64, 32), "c": {"d": (64, 32)}}


def aliases_of_aliases(levels: int, times: int) -> str:
    first = f"a0: &a0 [{', '.join(['ha'] * times)}]\n"
    return first + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * times)}]\n" for n in range(1, levels))


@pytest.mark.parametrize(("text", "reason"), [
    pytest.param(aliases_of_aliases(10, 9), "aliases are followed", id="a billion laughs"),
    pytest.param("a0: &a0 {}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}, y: *a{n - 1}}}\n" for n in range(1, 40)),
                 "aliases are followed", id="doubled forty times"),
    pytest.param("a: &a [*a]", "aliases are followed", id="a list in itself"),
    pytest.param(f"a: &a [{'*a, ' * 90}]", "aliases are followed", id="a list ninety times in itself"),
    pytest.param("a: &a {b: *a, c: *a}", "aliases are followed", id="a mapping twice in itself"),
    pytest.param(f"a: &a 1\nb: [{'*a, ' * (MAX_ALIASES + 1)}]", f"more than {MAX_ALIASES} aliases", id="aliases"),
    pytest.param("[" * 10_000, f"nested deeper than {MAX_NESTING} levels", id="brackets"),
    pytest.param("[" * 10_000 + "]" * 10_000, f"nested deeper than {MAX_NESTING} levels", id="closed brackets"),
    pytest.param("{a: " * 10_000, f"nested deeper than {MAX_NESTING} levels", id="braces"),
    pytest.param("- " * 10_000, f"nested deeper than {MAX_NESTING} levels", id="dashes"),
    pytest.param("? " * 10_000, f"nested deeper than {MAX_NESTING} levels", id="question marks"),
    pytest.param("\n".join(" " * n + "a:" for n in range(900)), f"deeper than {MAX_NESTING} levels", id="indents"),
    pytest.param(f"a: [{'1, ' * (MAX_VALUES + 1)}]", f"more than {MAX_VALUES:,} values", id="a long list"),
    pytest.param("".join(f"k{n}: 1\n" for n in range(MAX_VALUES)), f"more than {MAX_VALUES:,} values", id="many keys"),
    pytest.param("#" * (MAX_NAMED_FILE_BYTES + 1), f"expected at most {MAX_NAMED_FILE_BYTES:,} bytes", id="bytes"),
    pytest.param("é" * (MAX_NAMED_FILE_BYTES // 2 + 1), f"at most {MAX_NAMED_FILE_BYTES:,} bytes", id="unicode"),
])  # fmt: skip
def test_what_passes_a_limit_is_one_problem_found_quickly(text: str, reason: str) -> None:
    with time_limit(QUICK_SECONDS):
        lines = mistakes(text)
    assert len(lines) == 1
    assert reason in lines[0]


def test_a_file_just_within_the_limits_is_read() -> None:
    assert len(read(f"a: [{'1, ' * 2000}]")["a"]) == 2000
    assert len(read(f"a: &a 1\nb: [{'*a, ' * MAX_ALIASES}]")["b"]) == MAX_ALIASES
    inner = read("[" * MAX_NESTING + "]" * MAX_NESTING)
    for _ in range(MAX_NESTING - 1):
        (inner,) = inner
    assert inner == ()


def test_no_text_makes_the_reader_raise_and_every_problem_has_a_place() -> None:
    syntax = [*"abc019_-+.:,[]{}&*!|>%@`#?~'\"\\\n\t\r ", "\n  ", "\n- ", ": ", "&a ", "*a", "---\n", "\ufeff"]
    pieces = [*syntax, "0x", "0o", "1_", "1e5", "é"]
    draw = random.Random(0)
    for _ in range(3000):
        text = "".join(draw.choices(pieces, k=draw.randint(1, 16)))
        for problem in read_yaml(text, "f.yaml").problems:
            assert re.fullmatch(r"f\.yaml:[1-9]\d*:[1-9]\d*", problem.place), text
