"""Layers with few units or in bf16, and the cross entropy of scores, by compiled functions: torch's values."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from actbench.experiment.settings import Precision, TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.compiled import Compiled, compiled_functions
from actbench.training.functions import FunctionGroups, bind_pair
from actbench.training.network import create_network
from actbench.training.workspace import LayerMemory, compiled_products

LIBRARY = compiled_functions().library
CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(LIBRARY is None, reason=compiled_functions().reason or "available")
with_tiles = pytest.mark.skipif(not compiled_functions().has_tiles, reason="this processor has no AMX")


def layer(
    trials: int, batch: int, inputs: int, units: int, generator: torch.Generator, precision: Precision = "float32"
) -> tuple[LayerMemory, Tensor]:
    """One layer's memory, its parameters inside longer rows as in a network, and the rows of gradients."""
    rows, gradients = torch.randn(2, trials, inputs * units + units + 9, generator=generator)

    def weights(memory: Tensor) -> Tensor:
        return memory[:, : inputs * units].view(trials, inputs, units)

    biases = slice(inputs * units, inputs * units + units)
    memory = LayerMemory(
        weight=weights(rows),
        bias=rows[:, None, biases],
        weight_gradient=weights(gradients),
        bias_gradient=gradients[:, biases],
        activations=FunctionGroups((), ()),
        linear=torch.empty(trials, batch, units),
        activated=torch.empty(trials, batch, units),
        grad=torch.empty(trials, batch, inputs),
        products=compiled_products(precision, units),
    )
    return memory, gradients


@pytest.mark.parametrize("units", [1, 2, 7, 8, 9, 10, 16])
@pytest.mark.parametrize(("batch", "inputs"), [(1, 1), (3, 5), (128, 128), (129, 130), (300, 33), (5, 784)])
def test_thin_products_are_those_of_torch(units: int, batch: int, inputs: int) -> None:
    generator = torch.Generator().manual_seed(batch + units)
    memory, gradients = layer(3, batch, inputs, units, generator)
    values, grad = (torch.randn(3, batch, size, generator=generator) for size in (inputs, units))
    beyond = gradients[:, inputs * units + units :].clone()
    expected = values @ memory.weight + memory.bias, values.mT @ grad, grad.sum(1), grad @ memory.weight.mT
    memory.write_gradients(values, grad)
    ours = memory.multiply(values), memory.weight_gradient, memory.bias_gradient, memory.gradient_by_inputs(grad)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * math.sqrt(batch * inputs))
    assert torch.equal(gradients[:, inputs * units + units :], beyond)


@with_tiles
@pytest.mark.parametrize("units", [1, 10, 16, 17, 32, 100])
@pytest.mark.parametrize(("batch", "inputs"), [(1, 1), (3, 5), (16, 32), (33, 31), (128, 128), (300, 47), (5, 784)])
def test_products_in_tiles_are_those_of_factors_rounded_to_bf16(units: int, batch: int, inputs: int) -> None:
    generator = torch.Generator().manual_seed(batch + units)
    memory, gradients = layer(3, batch, inputs, units, generator, "bf16")
    values, grad = (torch.randn(3, batch, size, generator=generator) for size in (inputs, units))
    beyond = gradients[:, inputs * units + units :].clone()
    left, right, slopes = (factor.bfloat16().double() for factor in (values, memory.weight, grad))
    expected = left @ right + memory.bias, left.mT @ slopes, grad.double().sum(1), slopes @ right.mT
    memory.write_gradients(values, grad)
    ours = memory.multiply(values), memory.weight_gradient, memory.bias_gradient, memory.gradient_by_inputs(grad)
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-5, atol=1e-6 * math.sqrt(batch * inputs))
    assert torch.equal(gradients[:, inputs * units + units :], beyond)


@with_tiles
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_stays_in_its_row_of_a_tile(broken: float) -> None:
    memory, _ = layer(1, 40, 40, 20, torch.Generator().manual_seed(0), "bf16")
    values = torch.ones(1, 40, 40)
    values[0, 3, 39] = broken
    is_finite = memory.multiply(values)[0].isfinite().all(dim=1)
    assert is_finite.tolist() == [row != 3 for row in range(40)]


def test_trials_of_one_seed_share_the_memory_of_their_inputs() -> None:
    generator = torch.Generator().manual_seed(0)
    memory, _ = layer(3, 20, 12, 10, generator)
    values = torch.randn(1, 20, 12, generator=generator)
    shared, copied = memory.multiply(values.expand(3, -1, -1)).clone(), memory.multiply(values.repeat(3, 1, 1))
    assert torch.equal(shared, copied)


def pair(output: str, loss: str) -> Any:
    settings = TrialSettings.model_validate({"model": {"output": output}, "train": {"loss": loss}})
    return settings.model.output, settings.train.loss


@pytest.mark.parametrize(("output", "loss"), [("log_softmax", "nll"), ("identity", "cross_entropy")])
@pytest.mark.parametrize("units", [2, 3, 10, 16])
@pytest.mark.parametrize("size", [0.0, 1.0, 50.0, 1e4, 1e30])
def test_the_cross_entropy_and_its_gradient_are_those_of_torch(output: str, loss: str, units: int, size: float) -> None:
    generator = torch.Generator().manual_seed(units)
    scores = torch.randn(2, 50, units, generator=generator) * size
    labels = torch.randint(0, units, (2, 50), generator=generator)
    exact = scores.double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(exact.flatten(0, 1), labels.flatten(), reduction="none")
    torch.autograd.backward(expected.sum() / 50)
    outputs, losses = bind_pair(*pair(output, loss), library=LIBRARY)
    unchanged, back = outputs(scores)
    values, pullback = losses(unchanged, labels)
    assert torch.equal(unchanged, scores)
    torch.testing.assert_close(values.flatten().double(), expected.detach(), rtol=1e-6, atol=2e-6)
    gradient = back(pullback(torch.full_like(values, 1 / 50)))
    assert exact.grad is not None
    torch.testing.assert_close(gradient.double(), exact.grad, rtol=1e-5, atol=2e-9)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_scores_that_are_not_finite_have_no_finite_loss(broken: float) -> None:
    assert isinstance(LIBRARY, ctypes.CDLL)
    scores = torch.zeros(1, 11, 10)
    for unit in range(10):
        scores[0, unit, unit] = broken
    values, pullback = bind_pair(*pair("log_softmax", "nll"), library=LIBRARY)[1](
        scores, torch.zeros(1, 11, dtype=torch.int64)
    )
    assert not values[0, :10].isfinite().any()
    assert values[0, 10].item() == pytest.approx(math.log(10))
    assert not pullback(torch.ones(1, 11))[0, :10].isfinite().all(dim=-1).any()


def test_a_score_of_minus_infinity_is_impossible_and_no_more() -> None:
    scores = torch.tensor([[[0.0, -math.inf, 0.0], [0.0, -math.inf, 0.0]]])
    values, pullback = bind_pair(*pair("log_softmax", "nll"), library=LIBRARY)[1](scores, torch.tensor([[0, 1]]))
    assert values[0, 0].item() == pytest.approx(math.log(2))
    assert values[0, 1].item() == math.inf
    torch.testing.assert_close(pullback(torch.ones(1, 2))[0, 0], torch.tensor([-0.5, 0.0, 0.5]))


@pytest.mark.parametrize(
    ("output", "loss"),
    [({"log_softmax": {"shift": False}}, "nll"), ("softmax", "nll"), ("log_softmax", "mse")],
    ids=str,
)
def test_other_outputs_and_losses_are_computed_as_they_are_written(output: Any, loss: str) -> None:
    scores = torch.tensor([[[1.0, 2.0, 4.0]]])
    assert not torch.equal(bind_pair(*pair(output, loss), library=LIBRARY)[0](scores)[0], scores)


@pytest.mark.parametrize(
    ("model", "train", "compiled", "joint"),
    [
        ({"hidden": (64, 10)}, {}, [False, True, True], True),
        ({"hidden": (17,)}, {}, [False, True], True),
        ({"hidden": (64,)}, {"precision": "bf16"}, [compiled_functions().has_tiles] * 2, True),
        ({"hidden": (8,), "output": "sigmoid"}, {"loss": "mse"}, [True, True], False),
    ],
    ids=str,
)
def test_only_layers_with_few_units_and_those_in_bf16_have_compiled_products(
    model: dict[str, Any], train: dict[str, Any], compiled: list[bool], joint: bool
) -> None:
    settings = TrialSettings.model_validate({"data": {"dataset": "digits"}, "model": model, "train": train})
    workspace = create_network([make_trial(settings, 0)], CPU).workspace(4)
    assert [memory.products is not None for memory in workspace.layers] == compiled
    scores = torch.randn(1, 4, 10)
    assert torch.equal(workspace.outputs.applies[0](scores)[0], scores) == joint


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_machine_without_the_functions_multiplies_with_torch(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actbench.training.workspace.compiled_functions", lambda: Compiled(None, "no C compiler"))
    settings = TrialSettings.model_validate(
        {"data": {"dataset": "digits"}, "model": {"hidden": (8,)}, "train": {"precision": precision}}
    )
    workspace = create_network([make_trial(settings, 0)], CPU).workspace(4)
    assert [memory.products for memory in workspace.layers] == [None, None]
