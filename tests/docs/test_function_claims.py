"""What the documents claim of functions alone: the verdicts, and that another function would get another verdict."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import inf
from typing import Any

import numpy
import pytest
import torch
from scipy import special
from torch import Tensor

from actbench.catalogue.lookup import entries, find, names
from actbench.catalogue.registry import Entry
from actbench.checks.claims import FUNCTION_CLAIMS, Finding, FunctionClaim, finding_of
from function_claims import (
    check,
    hardly_tells_apart,
    has_a_gate_that_opens,
    has_a_slope_everywhere,
    has_slope_that_vanishes,
    is_a_member,
    is_a_step_in_slope,
    is_flat_beyond,
    is_nearly_straight_at_0,
    is_smoother,
    is_the_same,
    keeps_more_below_0,
    needs_no_shift,
    passes_on_positive_values,
    squashes_to,
    stays_in,
    sums_to_1,
    tells_inputs_apart_within,
    together,
)
from slow import one_in

by_claim = pytest.mark.parametrize("claim", FUNCTION_CLAIMS, ids=lambda claim: claim.id)
UNIT, SYMMETRIC = (0, 1), (-1, 1)


def f(name: str) -> Entry:
    return find("activation", name)


def output(name: str) -> Entry:
    return find("output", name)


def made(function: Callable[..., Tensor]) -> Entry:
    """An entry of a function that the catalogue does not hold."""
    return replace(f("identity"), name="made", function=function)


def without_shift(name: str) -> Entry:
    return replace(output(name), function=lambda x: output(name).function(x, shift=False))


@cache
def found(claim: FunctionClaim) -> Finding:
    return check(claim)


def evidence(claim_id: str) -> str:
    return next(found(claim).evidence for claim in FUNCTION_CLAIMS if claim.id == claim_id)


def test_every_claim_about_functions_alone_is_there_in_the_documents_order() -> None:
    whole = ["D2.2", "D2.3", "D2.4", "D2.5", "D3.1", "D3.2", "D3.13", "D3.18", "D4.1", "D5.2", "D5.3"]
    parts = ["D1.5", "D3.6", "D3.8", "D3.15", "D4.4", "D5.5"]
    assert [claim.id for claim in FUNCTION_CLAIMS if claim.is_whole] == whole
    assert [claim.id for claim in FUNCTION_CLAIMS if not claim.is_whole] == parts
    ids = [claim.id for claim in FUNCTION_CLAIMS]
    assert ids == sorted(ids, key=lambda text: [int(part) for part in text[1:].split(".")])


@by_claim
def test_the_functions_bear_the_claim_out_unless_it_is_known_to_be_false(claim: FunctionClaim) -> None:
    is_false = claim.id in {"D2.5", "D3.13", "D3.15"}
    assert found(claim).verdict == ("contradicted" if is_false else "supported")


@by_claim
def test_the_evidence_is_one_line_about_the_named_functions_and_the_same_each_time(claim: FunctionClaim) -> None:
    assert check(claim) == found(claim)
    text = found(claim).evidence
    assert text.isascii()
    assert len(text.splitlines()) == 1
    assert text.endswith(".")
    assert "nan" not in text
    for name in claim.functions:
        assert name in text
        assert name in claim.sentence or claim.id == "D1.5"
        assert name in (*names("activation"), *names("output"))


def test_the_package_ships_what_the_checks_find() -> None:
    shipped = {claim: finding_of(claim) for claim in FUNCTION_CLAIMS}
    assert {claim: found(claim) for claim in FUNCTION_CLAIMS} == shipped, "out of date: python docs/function_claims.py"


HOLDING: dict[str, Callable[[], Finding]] = {
    "relu steps": lambda: is_a_step_in_slope(f("relu")),
    "relu stays": lambda: stays_in(f("relu"), 0, inf, has_low=True),
    "a stretched sigmoid squashes": lambda: squashes_to(made(lambda x: 3 * torch.sigmoid(x) - 1), -1, 2),
    "softsign vanishes slowly": lambda: has_slope_that_vanishes(f("softsign"), left=True, right=True),
    "a line vanishes nowhere": lambda: has_slope_that_vanishes(f("identity"), left=False, right=False),
    "a constant tells nothing apart": lambda: hardly_tells_apart(made(lambda x: 0 * x), 10, 1000),
    "swish of beta 1 is swish": lambda: is_the_same(f("swish"), {"beta": 1.0}, f("swish"), {}),
    "gelu with another mean is a gelu": lambda: is_a_member(f("gelu"), {"mean": 0.5, "std": 1.5}, f("gelu")),
    "tanh is smoother than leaky_relu": lambda: is_smoother(f("tanh"), f("leaky_relu")),
    "elu keeps more below 0": lambda: keeps_more_below_0(f("elu"), f("relu")),
    "elu of alpha 1 has no corner": lambda: has_a_slope_everywhere(f("elu")),
    "swish has a gate too": lambda: has_a_gate_that_opens(f("swish")),
    "leaky_relu passes on what is positive": lambda: passes_on_positive_values(f("leaky_relu")),
    "no overflow at all": lambda: needs_no_shift(made(lambda x, *, shift=True: torch.softmax(x, dim=-1))),
}
FAILING: dict[str, Callable[[], Finding]] = {
    "leaky_relu has a slope below 0": lambda: is_a_step_in_slope(f("leaky_relu")),
    "relu6 has no slope above 6": lambda: is_a_step_in_slope(f("relu6")),
    "elu has a slope below 0": lambda: is_a_step_in_slope(f("elu")),
    "tanh is negative": lambda: stays_in(f("tanh"), *UNIT),
    "relu grows": lambda: stays_in(f("relu"), *UNIT),
    "relu reaches 0": lambda: stays_in(f("relu"), 0, inf),
    "hardtanh reaches its ends": lambda: stays_in(f("hardtanh"), *SYMMETRIC),
    "elu falls below 0": lambda: stays_in(f("elu"), 0, inf, has_low=True),
    "something undefined far out": lambda: stays_in(made(lambda x: x.exp() / (1 + x.exp())), *UNIT),
    "tanh does not squash to (0, 1)": lambda: squashes_to(f("tanh"), *UNIT),
    "sigmoid fills half of (-1, 1)": lambda: squashes_to(f("sigmoid"), *SYMMETRIC),
    "a steep sigmoid bends": lambda: is_nearly_straight_at_0(made(lambda x: torch.sigmoid(4 * x))),
    "tanh bends": lambda: is_nearly_straight_at_0(f("tanh")),
    "relu has a corner": lambda: is_nearly_straight_at_0(f("relu")),
    "relu keeps its slope": lambda: has_slope_that_vanishes(f("relu"), left=True, right=True),
    "tanh loses its slope": lambda: has_slope_that_vanishes(f("tanh"), left=True, right=False),
    "leaky_relu keeps a small slope": lambda: has_slope_that_vanishes(f("leaky_relu"), left=True, right=False),
    "relu tells 10 from 1000": lambda: hardly_tells_apart(f("relu"), 10, 1000),
    "softsign tells 10 from 1000": lambda: hardly_tells_apart(f("softsign"), 10, 1000),
    "tanh is flat at 3": lambda: tells_inputs_apart_within(f("tanh"), 3, 6),
    "softsign is not flat at 6": lambda: tells_inputs_apart_within(f("softsign"), 3, 6),
    "sigmoid is not flat at 5": lambda: tells_inputs_apart_within(f("sigmoid"), 3, 5),
    "sigmoid has slope beyond 3": lambda: is_flat_beyond(f("sigmoid"), 3),
    "relu has slope beyond 3": lambda: is_flat_beyond(f("relu"), 3),
    "prelu of slope 0.25 is not relu": lambda: is_the_same(f("prelu"), {"negative_slope": 0.25}, f("relu"), {}),
    "the same values, another slope below 0": lambda: is_the_same(
        f("prelu"), {"negative_slope": 1.0}, made(lambda x: torch.where(x > 0, x, 2 * x - x.detach())), {}
    ),
    "hardswish is no gelu": lambda: is_a_member(f("hardswish"), {}, f("gelu")),
    "relu is a limit, not a member": lambda: is_a_member(f("relu"), {}, f("gelu")),
    "leaky_relu is not smooth": lambda: is_smoother(f("leaky_relu"), f("relu")),
    "relu keeps nothing below 0": lambda: keeps_more_below_0(f("relu"), f("relu")),
    "leaky_relu has a corner": lambda: has_a_slope_everywhere(f("leaky_relu")),
    "relu's gate is shut or open": lambda: has_a_gate_that_opens(f("relu")),
    "tanh squeezes what is positive": lambda: passes_on_positive_values(f("tanh")),
    "sigmoids do not sum to 1": lambda: sums_to_1(output("sigmoid")),
    "softmax that overflows": lambda: sums_to_1(without_shift("softmax")),
    "tanh saturates, and differs": lambda: needs_no_shift(
        made(lambda x, *, shift=True: torch.softmax(x, dim=-1) if shift else torch.tanh(x))
    ),
}


@pytest.mark.parametrize("ask", HOLDING.values(), ids=HOLDING)
def test_a_predicate_holds_for_other_functions_that_have_the_property(ask: Callable[[], Finding]) -> None:
    assert ask().verdict == "supported"


@pytest.mark.parametrize("ask", FAILING.values(), ids=FAILING)
def test_a_function_without_the_property_is_contradicted_in_one_line(ask: Callable[[], Finding]) -> None:
    finding = ask()
    assert finding.verdict == "contradicted"
    assert len(finding.evidence.splitlines()) == 1


def test_one_contradicted_part_contradicts_the_whole() -> None:
    good, bad = Finding("supported", "a is 1"), Finding("contradicted", "b is 2")
    assert together(good, good) == Finding("supported", "a is 1; a is 1.")
    assert together(good, bad) == Finding("contradicted", "a is 1; b is 2.")


@pytest.mark.parametrize(
    "entry", one_in(5, {entry.name: entry for entry in (made(lambda x: 0 * x), *entries("activation"))})
)
def test_every_activation_can_be_asked_everything(entry: Entry) -> None:
    findings = [
        is_a_step_in_slope(entry),
        stays_in(entry, *UNIT),
        squashes_to(entry, *UNIT),
        is_nearly_straight_at_0(entry),
        has_slope_that_vanishes(entry, left=True, right=True),
        is_flat_beyond(entry, 3),
        hardly_tells_apart(entry, 10, 1000),
        tells_inputs_apart_within(entry, 3, 6),
        is_a_member(entry, {}, f("gelu")),
        is_smoother(entry, f("relu")),
        keeps_more_below_0(entry, f("relu")),
        has_a_slope_everywhere(entry),
        has_a_gate_that_opens(entry),
        passes_on_positive_values(entry),
    ]
    assert all(entry.name in finding.evidence or "tangent" in finding.evidence for finding in findings)


def test_the_numbers_about_sigmoid_are_those_of_its_formula() -> None:
    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    slopes = [100 * 4 * sigmoid(x) * sigmoid(-x) for x in (3, 6)]
    assert f"at least {slopes[0]:.3g} % of its maximum up to 3" in evidence("D4.1")
    assert f"at most {slopes[1]:.3g} % beyond 6" in evidence("D4.1")
    assert f"{100 * (2 * sigmoid(3) - 1):.3g} % of its range lies within 3" in evidence("D4.1")
    assert f"differ by {1 - sigmoid(10):.2g}" in evidence("D3.2")
    assert f"by {100 * (0.75 - sigmoid(1)) / 0.5:.3g} % of the tangent's rise on [-1, 1]" in evidence("D2.3")


def test_the_evidence_says_where_float32_gives_out() -> None:
    assert "about 17" in evidence("D3.2")  # 1 + exp(-x) rounds to 1 from 24 log 2 = 16.6 on
    assert "about 17" in evidence("D4.1")
    assert "about 9" in evidence("D2.4")  # 2 exp(-2 x) is lost beside 1 from 13 log 2 = 9.01 on
    assert re.findall(r"about \d+", evidence("D5.2")) == ["about 17", "about 9"]
    assert f"above {math.log(torch.finfo(torch.float32).max):.2f}" in evidence("D1.5")


def test_swishs_distance_from_gelu_is_that_of_their_formulas() -> None:
    x = numpy.linspace(-20, 20, 40_001)
    gap = numpy.abs(x * special.expit(1.702 * x) - x * special.ndtr(x)).max()
    assert float(evidence("D3.13").split("swish(beta=1.702)")[1].split("up to ")[1].split(" ")[0]) <= gap < 0.0204


def test_another_grid_of_means_and_stds_comes_as_close_to_swish_and_mish() -> None:
    x = numpy.linspace(-20, 20, 4001)
    functions: dict[str, Any] = {"swish": x * special.expit(x), "mish": x * numpy.tanh(numpy.logaddexp(0, x))}
    for name, values in functions.items():
        best = min(
            numpy.abs(x * special.ndtr((x - mean) / std) - values).max()
            for mean in numpy.linspace(-0.6, 0.2, 41)
            for std in numpy.linspace(1.2, 2.0, 41)
        )
        gap = float(f"; {evidence('D3.13')}".split(f"; {name} ")[1].split("up to ")[1].split(" ")[0])
        assert gap == pytest.approx(best, abs=0.003)
