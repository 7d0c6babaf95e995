"""What the catalogue says of an output function is true: formula, bounds, what it yields, whether it mixes units."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, default_parameters, parameters_model

OUTPUTS = entries("output")
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
SHIFTED = [entry for entry in OUTPUTS if "shift" in default_parameters(entry)]
RANGE = {
    "scores": (-math.inf, math.inf),
    "bounded scores": (-math.inf, math.inf),
    "probabilities": (0, 1),
    "log-probabilities": (-math.inf, 0),
}
TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": nn.Identity(),
    "log_softmax": nn.LogSoftmax(dim=-1),
    "softmax": nn.Softmax(dim=-1),
    "sigmoid": nn.Sigmoid(),
    "logsigmoid": nn.LogSigmoid(),
    "tanh": nn.Tanh(),
    "hardsigmoid": nn.Hardsigmoid(),
}


def variations(entry: Entry) -> list[dict[str, bool]]:
    """Every combination of the entry's switches."""
    fields = parameters_model(entry).model_fields
    assert all(field.annotation is bool for field in fields.values()), f"{entry.name}: how are its settings varied?"
    return [dict(zip(fields, chosen, strict=True)) for chosen in itertools.product((True, False), repeat=len(fields))]


def cases(those: Iterable[Entry]) -> list[Any]:
    return [pytest.param(entry, one, id=f"{entry.name}-{one}") for entry in those for one in variations(entry)]


by_case = pytest.mark.parametrize(("entry", "parameters"), cases(OUTPUTS))
by_entry = pytest.mark.parametrize("entry", OUTPUTS, ids=lambda entry: entry.name)
by_shifted = pytest.mark.parametrize("entry", SHIFTED, ids=lambda entry: entry.name)


@pytest.fixture(scope="module")
def scores() -> Tensor:
    """Scores `[examples, units]`: moderate ones, and rows in which one unit is far above or below the others."""
    drawn = torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
    lone = torch.zeros(201, 5, dtype=torch.float64)
    lone[:, 1] = torch.linspace(-40, 40, 201)
    return torch.cat([drawn, lone])


@by_case
def test_the_formula_gives_the_functions_values(entry: Entry, parameters: dict[str, bool], scores: Tensor) -> None:
    known = {name: getattr(numpy, name) for name in ("exp", "log", "sum", "clip", "tanh")}
    wanted = [eval(entry.formula, {"__builtins__": {}, **known, "x": row}) for row in scores.numpy()]
    found = entry.function(scores, **parameters)
    assert_close(found, torch.from_numpy(numpy.stack(wanted)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("entry", "parameters"), cases(entry for entry in OUTPUTS if entry.name in TORCH))
def test_torchs_own_function_agrees(entry: Entry, parameters: dict[str, bool], scores: Tensor) -> None:
    assert_close(entry.function(scores, **parameters), TORCH[entry.name](scores), rtol=1e-9, atol=1e-12)


def test_every_output_that_torch_has_under_the_same_name_is_compared_with_torch() -> None:
    torch_has = {name.replace("_", "").lower() for module in (torch, nn, functional) for name in dir(module)}
    assert {entry.name for entry in OUTPUTS if entry.name.replace("_", "") in torch_has} == TORCH.keys()


@by_case
def test_no_value_lies_outside_the_bounds(entry: Entry, parameters: dict[str, bool], scores: Tensor) -> None:
    values = entry.function(scores, **parameters)
    assert values.min().item() >= entry.bounds_at({})[0] - 1e-12
    assert values.max().item() <= entry.bounds_at({})[1] + 1e-12


@by_entry
def test_the_bounds_are_approached_or_the_values_grow_without_end(entry: Entry, scores: Tensor) -> None:
    values = entry.function(scores)
    far = [entry.function(torch.diag(torch.full((5,), x, dtype=torch.float64))) for x in (-1e4, -1e2, 1e2, 1e4)]
    for bound, reached, ends in (
        (entry.bounds_at({})[0], values.min(), [-one.min().item() for one in far]),
        (entry.bounds_at({})[1], values.max(), [one.max().item() for one in far]),
    ):
        if math.isinf(bound):
            assert max(ends) >= 1e4 - 10
        else:
            assert reached.item() == pytest.approx(bound, abs=1e-3)


@by_entry
def test_the_values_are_what_the_entry_says_it_yields(entry: Entry, scores: Tensor) -> None:
    values = entry.function(scores.float())
    low, high = RANGE[entry.yields]
    assert low <= values.min().item()
    assert values.max().item() <= high
    assert all(map(math.isfinite, entry.bounds_at({}))) or entry.yields in ("scores", "log-probabilities")


@pytest.mark.parametrize(("entry", "parameters"), cases(entry for entry in OUTPUTS if entry.across_units))
def test_probabilities_that_mix_the_units_sum_to_1(entry: Entry, parameters: dict[str, bool], scores: Tensor) -> None:
    values = entry.function(scores, **parameters)
    probabilities = values.exp() if entry.yields == "log-probabilities" else values
    assert_close(probabilities.sum(dim=-1), torch.ones(len(scores), dtype=torch.float64))


@by_case
def test_one_units_score_changes_other_units_only_where_the_entry_says_so(
    entry: Entry, parameters: dict[str, bool]
) -> None:
    before = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
    after = before.clone()
    after[1] += 1.5
    changed = entry.function(after, **parameters) != entry.function(before, **parameters)
    assert changed.tolist() == [entry.across_units, True, entry.across_units, entry.across_units]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@by_case
def test_leading_axes_and_dtype_are_kept_and_examples_stay_apart(
    entry: Entry, parameters: dict[str, bool], dtype: torch.dtype
) -> None:
    stack = torch.linspace(-3, 3, 2 * 3 * 4).reshape(2, 3, 4).to(dtype)
    values = entry.function(stack, **parameters)
    assert (values.shape, values.dtype) == (stack.shape, dtype)
    assert_close(values[1, 2], entry.function(stack[1, 2], **parameters))


@by_case
def test_gradients_are_finite_wherever_the_values_are(
    entry: Entry, parameters: dict[str, bool], scores: Tensor
) -> None:
    x = scores.float().requires_grad_()
    values = entry.function(x, **parameters)
    assert values.isfinite().all()
    assert torch.autograd.grad(values.square().sum(), x)[0].isfinite().all()


@by_entry
def test_values_and_gradients_are_finite_at_extreme_scores(entry: Entry) -> None:
    x = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [89.0, 0.0, 0.0]], requires_grad=True)
    values = entry.function(x)
    assert values.isfinite().all()
    assert torch.autograd.grad(values.sum(), x)[0].isfinite().all()


@by_shifted
def test_the_shift_changes_nothing_for_small_scores(entry: Entry) -> None:
    x = torch.randn(40, 10, generator=torch.Generator().manual_seed(1)) * 3
    assert default_parameters(entry)["shift"] is True
    assert_close(entry.function(x, shift=False), entry.function(x, shift=True), rtol=1e-5, atol=1e-6)


@by_shifted
def test_without_the_shift_float32_overflows_between_scores_of_88_and_89(entry: Entry) -> None:
    fits, overflows = torch.tensor([88.0, 0.0, 0.0]), torch.tensor([89.0, 0.0, 0.0])
    assert entry.function(fits, shift=False).isfinite().all()
    assert not entry.function(overflows, shift=False).isfinite().all()
    assert entry.function(overflows, shift=True).isfinite().all()


def test_tanh_without_the_shift_overflows_for_large_negative_scores_too() -> None:
    assert find("output", "tanh").function(torch.tensor([-89.0]), shift=False).isnan().all()


def test_logits_are_the_scores_themselves(scores: Tensor) -> None:
    assert find("output", "logits") is find("output", "identity")
    assert find("output", "logits").function(scores).equal(scores)
