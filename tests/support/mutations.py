"""Experiments as they could be written, and what may go wrong with them: values, keys, places, letters, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from actbench.catalogue.lookup import names
from actbench.catalogue.registry import Kind
from actbench.config.cells import SETTING_PATHS
from actbench.config.reader import KNOWN_KEYS
from actbench.config.source import read_yaml, write_yaml
from actbench.experiment.definition import SECTIONS
from actbench.experiment.metrics import CURVES
from corpus.bad_experiments import BAD_EXPERIMENTS
from hostile import HOSTILE
from places import EXPERIMENT_FILES

KINDS: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss", "optimizer")
RICH = """
name: rich
data: {dataset: cube, train: 600, test: 200, validation: 100, split: tail, scale: 2}
model:
  layers:
    - {units: 3, activation: {gelu: {approximate: tanh, learn: true}}, init: {xavier_normal: {gain: 2}}, dropout: 0.5}
    - {units: 2, batch_norm: true, bias_init: {constant: {val: -1e-7}}}
train: {optimizer: {adam: {betas: [0.8, 0.99], eps: 1e-30}}, weight_decay: 0, batch_size: full, schedule: cosine}
vary:
  model.activation: [silu, {prelu: {per_feature: true}}, {leaky_relu: {negative_slope: 1e-5}}]
  data.scale: [unit, 2]
tune: {train.lr: [1e-3, 1e-2, 0.1]}
tuning_seeds: 2
seeds: [9223372036854775807, 3, 0]
margin: 0.01
baseline: {model.activation: silu, data.scale: 2}
expect:
  - {claim: one, better: {model.activation: silu}, than: {data.scale: 2}}
  - {claim: two, arm: {}, metric: validation_loss, between: [0, 1]}
"""
WRITTEN = (RICH, *(path.read_text(encoding="utf-8") for path in EXPERIMENT_FILES))


def with_lists(data: Any) -> Any:
    """Plain data with lists for tuples."""
    if isinstance(data, dict):
        return {key: with_lists(value) for key, value in data.items()}
    return [*map(with_lists, data)] if isinstance(data, tuple) else data


VALID = tuple(with_lists(read_yaml(text, "").data) for text in WRITTEN)

words = st.sampled_from([
    *HOSTILE, *KNOWN_KEYS, *SETTING_PATHS, *SECTIONS, *CURVES, *(name for kind in KINDS for name in names(kind)),
    *(field for model in SECTIONS.values() for field in model.model_fields), "layer1.dead_share", "loss@3", "full",
    "units", "claim", "arm", "than", "better", "minus", "above", "below", "learn", "per_feature", "constant", "nan", "",
    "yes", "~", "1e3", "0x10", "../x", "__class__", "__init__", "model.__class__", "con", "a" * 70,
])  # fmt: skip
numbers = st.one_of(
    st.integers(-3, 70_000),
    st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**63), 10**30, 10**99, 10**400]),
    st.floats(),
    st.sampled_from([1e-320, 5e-324, 1e308, 0.1, 0.5, 1.0, -0.0]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, words, st.text(max_size=12))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(words | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(data: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in plain data, that of the whole included."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [above, *(place for key, value in inner for place in places(value, (*above, key)))]


def at(data: Any, place: Sequence[Any]) -> Any:
    """The value at a path."""
    for key in place:
        data = data[key]
    return data


def changed(data: Any, place: Sequence[Any], value: Any) -> Any:
    """A copy of the data with this value at a path."""
    if not place:
        return value
    key, *rest = place
    copy = dict(data) if isinstance(data, dict) else list(data)
    copy[key] = changed(data[key], rest, value)
    return copy


@st.composite
def experiments(draw: st.DrawFn) -> Any:
    """A valid experiment in which up to four things have been changed, taken out, renamed, moved or put in."""
    data = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.sampled_from(places(data)))
        found = at(data, place)
        kind = draw(st.sampled_from(["value", "value", "other place", "rename", "remove", "put in", "wrap"]))
        if kind == "other place":
            data = changed(data, place, at(data, draw(st.sampled_from(places(data)))))
        elif kind == "rename" and isinstance(found, dict) and found:
            old, new = draw(st.sampled_from(sorted(found, key=str))), draw(words)
            data = changed(data, place, {new if key == old else key: value for key, value in found.items()})
        elif kind == "remove" and isinstance(found, dict | list) and found:
            gone = draw(st.integers(0, len(found) - 1))
            kept = [
                one for index, one in enumerate(found.items() if isinstance(found, dict) else found) if index != gone
            ]
            data = changed(data, place, dict(kept) if isinstance(found, dict) else kept)
        elif kind == "put in" and isinstance(found, dict):
            data = changed(data, place, {**found, draw(words): draw(values)})
        elif kind == "put in" and isinstance(found, list):
            data = changed(data, place, [*found, draw(values)])
        elif kind == "wrap":
            data = changed(data, place, draw(st.sampled_from([[found], {"relu": found}, {"a": found}, [found, found]])))
        else:
            data = changed(data, place, draw(values))
    return data


SNIPPETS = (
    *"abc019_-+.:,[]{}&*!|>%@`#?~'\"\\\n\t\r \x00\x1b\x7f\x85\u2028\ufeffé漢", "\n  ", "\n- ", ": ", "&a ", "*a",
    "---\n", "...\n", "<<: *a\n", "!!python/name:os.system ", "%YAML 1.3\n", "%TAG ! tag:x,1:\n", "\\U00110000",
    '"\\ud800"', "0x", "1e999", ".nan", "? ", "|\n", ">-\n", "[" * 30, "{a: " * 30, "1, " * 300, "\ud800", "#" * 200,
)  # fmt: skip
TEXTS = (*WRITTEN, *map(write_yaml, VALID))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The text of a valid experiment with pieces cut out, doubled or put in."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 5, 40])))
        piece = draw(st.one_of(st.sampled_from(SNIPPETS), st.just(text[start:end] * 2), st.text(max_size=4)))
        text = text[:start] + piece + text[end:]
    return text


CONTENTS = (
    *(text.encode() for text in TEXTS),
    *(c.contents for c in BAD_EXPERIMENTS.values() if len(c.contents) < 5_000),
)


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """Bytes of a file: anything, or those of a good or bad experiment with some changed."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=300))
    found = bytearray(draw(st.sampled_from(CONTENTS)))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(found)))
        found[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(found)
