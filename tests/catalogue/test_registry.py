"""Entries are added once, found by name or alias, described in one sentence, and read without heavy imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from actbench.catalogue import activation
from actbench.catalogue.lookup import entries, find, names
from actbench.catalogue.registry import Entry, Kind, Origin, adding_from, default_parameters, parameters_model
from actbench.text import did_you_mean
from places import ROOT
from registered import catalogue_restored

KINDS: tuple[Kind, ...] = get_args(Kind)
ENTRIES = [entry for kind in KINDS for entry in entries(kind)]
by_kind = pytest.mark.parametrize("kind", KINDS)
by_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.kind}-{entry.name}")


@pytest.fixture
def scratch_catalogue() -> Iterator[None]:
    """Whatever a test registers is gone after it."""
    with catalogue_restored():
        yield


@by_entry
def test_every_entry_has_a_one_sentence_summary_a_formula_and_a_reference(entry: Entry) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*\.", entry.summary)
    assert not re.search(r"\.\s", entry.summary)
    assert entry.formula.strip()
    assert entry.reference.strip()


@by_entry
def test_every_entry_is_found_by_its_name_and_its_aliases(entry: Entry) -> None:
    assert all(find(entry.kind, name) is entry for name in (entry.name, *entry.aliases))


@by_entry
def test_every_entrys_bounds_are_in_order_and_what_is_learnable_is_a_number_it_has(entry: Entry) -> None:
    defaults = default_parameters(entry)
    assert entry.bounds_at(defaults)[0] < entry.bounds_at(defaults)[1]
    assert all(isinstance(defaults[name], float) for name in entry.learnable)
    assert ("learn" in defaults) == ("per_feature" in defaults) == bool(entry.learnable)


@by_kind
def test_entries_come_once_each_and_names_hold_their_aliases_too(kind: Kind) -> None:
    listed = entries(kind)
    assert listed
    assert len({entry.name for entry in listed}) == len(listed)
    assert sorted(names(kind)) == sorted(name for entry in listed for name in (entry.name, *entry.aliases))


@by_kind
def test_an_unknown_name_raises_key_error(kind: Kind) -> None:
    with pytest.raises(KeyError, match=f"no {kind} is called 'zzzzzz'"):
        find(kind, "zzzzzz")


@pytest.mark.parametrize(
    ("kind", "wrong", "nearest"),
    [
        ("activation", "leakyrelu", "leaky_relu"),
        ("activation", "ReLU", "relu"),
        ("activation", "swich", "swish"),
        ("output", "logsoftmax", "log_softmax"),
        ("initialiser", "kaiming_norml", "kaiming_normal"),
        ("loss", "crossentropy", "cross_entropy"),
        ("optimizer", "adamm", "adam"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest_names(kind: Kind, wrong: str, nearest: str) -> None:
    with pytest.raises(KeyError, match=rf"{wrong}.*; did you mean .*\b{nearest}\b.*\?"):
        find(kind, wrong)


def test_near_names_are_joined_into_a_question() -> None:
    assert did_you_mean("zzz", ["relu"]) == ""
    assert did_you_mean("rel", ["relu"]) == "; did you mean relu?"
    assert did_you_mean("aab", ["aaa", "aac"]) == "; did you mean aac or aaa?"
    assert re.fullmatch(r"; did you mean \w+, \w+ or \w+\?", did_you_mean("aab", ["aaa", "aac", "aad", "aae"]))


def test_a_name_belongs_to_its_kind() -> None:
    assert find("activation", "tanh") is not find("output", "tanh")
    with pytest.raises(KeyError):
        find("output", "relu")


def register(name: str, aliases: tuple[str, ...] = ()) -> Any:
    def function(x: Any, *, slope=0.5) -> Any:  # type: ignore[no-untyped-def]
        """Throwaway line through the origin.

        More than one paragraph.
        """
        return slope * x

    function.__name__ = name
    with adding_from(Origin(f"{name}.py", f"sha256:{'0' * 64}"), __name__):
        return activation(formula="slope * x", reference="nobody", aliases=aliases)(function)


@pytest.mark.usefixtures("scratch_catalogue")
def test_a_users_own_function_becomes_an_entry_and_stays_a_function() -> None:
    function = register("throwaway", aliases=("thrown",))
    entry = find("activation", "thrown")
    assert function(4) == 2
    assert (entry.name, entry.summary) == ("throwaway", "Throwaway line through the origin.")
    assert entry in entries("activation")
    assert default_parameters(entry) == {"slope": 0.5}
    with pytest.raises(ValidationError, match="slope"):
        parameters_model(entry)(slope="steep")


@pytest.mark.usefixtures("scratch_catalogue")
@pytest.mark.parametrize("taken", ["relu", "silu", "throwaway"])
def test_a_name_or_alias_that_is_taken_raises_value_error(taken: str) -> None:
    register("throwaway")
    before = find("activation", taken)
    with pytest.raises(ValueError, match=f"already has activation '{taken}'"):
        register(taken)
    with pytest.raises(ValueError, match=f"already has activation '{taken}'"):
        register("another", aliases=(taken,))
    assert find("activation", taken) is before


@pytest.mark.usefixtures("scratch_catalogue")
def test_a_rejected_entry_leaves_nothing_behind() -> None:
    before = names("activation")
    with pytest.raises(ValueError, match="already has activation 'silu'"):
        register("throwaway", aliases=("silu",))
    assert names("activation") == before


def test_default_parameters_are_the_signatures_defaults_and_how_it_learns() -> None:
    assert default_parameters(find("activation", "relu")) == {}
    assert default_parameters(find("activation", "leaky_relu")) == {"negative_slope": 0.01}
    assert default_parameters(find("activation", "prelu")) == {
        "negative_slope": 0.25,
        "learn": True,
        "per_feature": False,
    }
    assert default_parameters(find("activation", "swish")) == {"beta": 1.0, "learn": False, "per_feature": False}
    assert default_parameters(find("optimizer", "adam"))["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("relu", {"learn": True}),
        ("leaky_relu", {"slope": 0.1}),
        ("leaky_relu", {"negative_slope": "0.1"}),
        ("leaky_relu", {"negative_slope": float("nan")}),
        ("softplus", {"beta": 0.0}),
        ("softshrink", {"lambd": -0.1}),
        ("gelu", {"approximate": "tan"}),
        ("gelu", {"std": 0.0}),
        ("snake", {"alpha": -1.0}),
        ("swish", {"learn": 1}),
    ],
    ids=str,
)
def test_unknown_and_impossible_parameters_are_rejected(name: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(given))):
        parameters_model(find("activation", name))(**given)


def test_a_whole_number_is_a_number() -> None:
    assert parameters_model(find("activation", "leaky_relu"))(negative_slope=1).model_dump() == {"negative_slope": 1.0}


READ_EVERYTHING = """
import json, sys, typing
import actbench.catalogue, actbench.catalogue.datasets
from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind, default_parameters
for kind in typing.get_args(Kind):
    for entry in entries(kind):
        str((entry, default_parameters(entry)))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_whole_catalogue_is_read_without_torch_or_numpy() -> None:
    root = ROOT
    done = subprocess.run([sys.executable, "-c", READ_EVERYTHING], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "actbench" in loaded
    assert not loaded & {"torch", "torchvision", "numpy", "scipy", "pandas", "sklearn", "matplotlib"}
