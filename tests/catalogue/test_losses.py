"""What the catalogue says of a loss is true: formula, one number per example, and the outputs it can be computed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.registry import Entry, Yields, default_parameters

pytestmark = pytest.mark.oldest

LOSSES = entries("loss")
SINGLE_UNIT = [entry for entry in LOSSES if not entry.across_units]
TRIALS, EXAMPLES, UNITS = 3, 40, 5

by_entry = pytest.mark.parametrize("entry", LOSSES, ids=lambda entry: entry.name)


def pairs(those: Iterable[Entry]) -> list[Any]:
    """Each loss with every kind of output it can be computed on."""
    return [pytest.param(e, y, id=f"{e.name}-{y}") for e in those for y in (*e.accepts, *e.tolerates)]


by_pair = pytest.mark.parametrize(("entry", "yields"), pairs(LOSSES))
by_single_unit = pytest.mark.parametrize("entry", SINGLE_UNIT, ids=lambda entry: entry.name)


def predictions(yields: Yields, *shape: int) -> Tensor:
    """What an output function of that kind could give for random scores."""
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    return {
        "scores": scores,
        "bounded scores": scores.tanh(),
        "probabilities": scores.softmax(-1) if shape[-1] > 1 else scores.sigmoid(),
        "log-probabilities": scores.log_softmax(-1) if shape[-1] > 1 else functional.logsigmoid(scores),
    }[yields]


def labels(*shape: int, classes: int = UNITS) -> Tensor:
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(1))


def one_hot(label: Tensor) -> Tensor:
    return functional.one_hot(label, UNITS).double()


def by_formula(entry: Entry, prediction: Tensor, label: Tensor, target: Tensor) -> Tensor:
    """The entry's formula, example by example."""
    known = {"__builtins__": {}, "sum": numpy.sum, "log": numpy.log, "exp": numpy.exp}
    values = [
        eval(entry.formula, known | {"prediction": p, "label": int(y), "target": t})
        for p, y, t in zip(prediction.numpy(), label.numpy(), target.numpy(), strict=True)
    ]
    return torch.tensor(values, dtype=torch.float64)


TORCH: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "nll": nn.NLLLoss(reduction="none"),
    "cross_entropy": nn.CrossEntropyLoss(reduction="none"),
    "bce": lambda prediction, label: nn.BCELoss(reduction="none")(prediction, one_hot(label)).sum(-1),
    "mse": lambda prediction, label: nn.MSELoss(reduction="none")(prediction, one_hot(label)).sum(-1),
}


@by_pair
def test_the_formula_gives_the_losses_values(entry: Entry, yields: Yields) -> None:
    prediction, label = predictions(yields, EXAMPLES, UNITS), labels(EXAMPLES)
    wanted = by_formula(entry, prediction, label, one_hot(label))
    assert_close(entry.function(prediction, label), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("entry", "yields"), pairs(entry for entry in LOSSES if entry.name in TORCH))
def test_torchs_own_loss_agrees(entry: Entry, yields: Yields) -> None:
    prediction, label = predictions(yields, EXAMPLES, UNITS), labels(EXAMPLES)
    assert_close(entry.function(prediction, label), TORCH[entry.name](prediction, label), rtol=1e-9, atol=1e-12)


def test_every_loss_that_torch_has_under_the_same_name_is_compared_with_torch() -> None:
    torch_has = {name.replace("_", "").removesuffix("loss").lower() for name in (*dir(nn), *dir(functional))}
    assert {entry.name for entry in LOSSES if entry.name.replace("_", "") in torch_has} <= TORCH.keys()


@by_pair
def test_a_loss_is_one_number_per_example_and_leading_axes_are_kept(entry: Entry, yields: Yields) -> None:
    prediction, label = predictions(yields, TRIALS, EXAMPLES, UNITS), labels(TRIALS, EXAMPLES)
    values = entry.function(prediction, label)
    assert values.shape == (TRIALS, EXAMPLES)
    for trial in range(TRIALS):
        assert_close(values[trial], entry.function(prediction[trial], label[trial]))


@by_pair
def test_an_examples_loss_depends_on_its_own_prediction_and_label_alone(entry: Entry, yields: Yields) -> None:
    prediction, label = predictions(yields, EXAMPLES, UNITS), labels(EXAMPLES)
    changed, other = prediction.clone(), label.clone()
    changed[7], other[7] = prediction[8], (label[7] + 1) % UNITS
    differs = entry.function(changed, other) != entry.function(prediction, label)
    assert differs.nonzero().flatten().tolist() == [7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@by_pair
def test_values_and_gradients_are_finite_on_every_output_the_entry_names(
    entry: Entry, yields: Yields, dtype: torch.dtype
) -> None:
    prediction = predictions(yields, TRIALS, EXAMPLES, UNITS).to(dtype).requires_grad_()
    values = entry.function(prediction, labels(TRIALS, EXAMPLES))
    assert values.dtype == dtype
    assert values.isfinite().all()
    assert torch.autograd.grad(values.sum(), prediction)[0].isfinite().all()


@by_entry
def test_what_a_loss_accepts_and_what_it_tolerates_are_apart(entry: Entry) -> None:
    assert entry.accepts
    assert not set(entry.accepts) & set(entry.tolerates)


def test_every_kind_of_output_has_a_loss_that_accepts_it() -> None:
    assert {yields for entry in LOSSES for yields in entry.accepts} == set(get_args(Yields))


@by_entry
def test_a_loss_has_no_settings(entry: Entry) -> None:
    assert default_parameters(entry) == {}


@by_single_unit
def test_a_single_unit_is_compared_with_the_label_0_or_1_itself(entry: Entry) -> None:
    prediction, label = predictions("probabilities", EXAMPLES, 1), labels(EXAMPLES, classes=2)
    wanted = by_formula(entry, prediction, label, label.double().unsqueeze(-1))
    assert set(label.tolist()) == {0, 1}
    assert_close(entry.function(prediction, label), wanted)


@by_single_unit
def test_a_single_unit_keeps_leading_axes(entry: Entry) -> None:
    prediction, label = predictions("probabilities", TRIALS, EXAMPLES, 1), labels(TRIALS, EXAMPLES, classes=2)
    values = entry.function(prediction, label)
    assert values.shape == (TRIALS, EXAMPLES)
    assert_close(values[2], entry.function(prediction[2], label[2]))


@pytest.mark.parametrize("entry", [entry for entry in LOSSES if entry.across_units], ids=lambda entry: entry.name)
def test_a_loss_that_compares_units_cannot_be_computed_on_one(entry: Entry) -> None:
    with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)"):
        entry.function(torch.tensor([[0.5]]), torch.tensor([1]))


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("label", [0, 1])
def test_bce_is_finite_with_finite_gradients_at_probabilities_of_exactly_0_and_1(label: int, units: int) -> None:
    prediction = torch.tensor([[0.0] * units, [1.0] * units, [0.0, 1.0][:units]], requires_grad=True)
    values = find("loss", "bce").function(prediction, torch.full((3,), label))
    assert values.isfinite().all()
    assert torch.autograd.grad(values.sum(), prediction)[0].isfinite().all()


def test_bce_cuts_its_logarithms_at_minus_87_3() -> None:
    values = find("loss", "bce").function(torch.tensor([[0.0], [1.0], [1.0], [0.0]]), torch.tensor([1, 0, 1, 0]))
    assert values.tolist() == pytest.approx([87.3365, 87.3365, 0, 0], abs=1e-3)


def test_cross_entropy_is_finite_at_extreme_scores() -> None:
    prediction = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 89.0]], requires_grad=True)
    values = find("loss", "cross_entropy").function(prediction, torch.tensor([0, 0]))
    assert values.tolist() == [0, 2e4]
    assert torch.autograd.grad(values.sum(), prediction)[0].isfinite().all()


def test_cross_entropy_of_scores_is_nll_of_their_log_softmax() -> None:
    scores, label = predictions("scores", EXAMPLES, UNITS), labels(EXAMPLES)
    together = find("loss", "nll").function(find("output", "log_softmax").function(scores), label)
    assert_close(find("loss", "cross_entropy").function(scores, label), together)


@pytest.mark.parametrize(
    ("alias", "name"),
    [("negative_log_likelihood", "nll"), ("binary_cross_entropy", "bce"), ("squared_error", "mse")],
)
def test_the_long_names_are_aliases(alias: str, name: str) -> None:
    assert find("loss", alias) is find("loss", name)
