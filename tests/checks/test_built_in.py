"""Everything that is built in passes the checks that custom functions have to pass."""

from __future__ import annotations

from typing import Any

import pytest

from actbench.catalogue.lookup import entries
from actbench.catalogue.registry import Kind
from actbench.experiment.choices import parse_choice
from examined import examine

KINDS: tuple[Kind, ...] = ("activation", "output", "initialiser", "loss")
ALL = [pytest.param(kind, entry.name, id=f"{kind}-{entry.name}") for kind in KINDS for entry in entries(kind)]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_what_is_built_in_passes_every_check(kind: Kind, name: str) -> None:
    found = examine(parse_choice(kind, name))
    assert found.refusals() == []
    assert {check.outcome for check in found.checks} >= {"pass"}


@pytest.mark.parametrize(
    "spelt",
    [{"leaky_relu": {"negative_slope": 0.3}}, {"gelu": {"approximate": "tanh", "mean": 0.5, "learn": True}}],
    ids=str,
)
def test_other_parameters_are_checked_as_they_are_chosen(spelt: Any) -> None:
    found = examine(parse_choice("activation", spelt))
    assert found.refusals() == []
    assert {check.name: check.outcome for check in found.checks}["bounds"] == "pass"


def test_the_cost_is_told_and_refuses_nobody() -> None:
    checks = {check.name: check for check in examine(parse_choice("activation", "tanh"), measures_cost=True).checks}
    assert checks["cost"].outcome == "note"
    assert "times relu's time" in checks["cost"].reason
    assert checks["curve"].reason.startswith("never falls; no kink; saturated below -2.18 and above 2.18; gain 1.59")


def test_an_initialiser_is_checked_with_the_number_that_a_named_gain_becomes() -> None:
    assert examine(parse_choice("initialiser", {"xavier_normal": {"gain": "derived"}})).refusals() == []
