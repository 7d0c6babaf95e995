"""Where torch lacks a private function, a slower public one gives the same results, or the error says why."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import actbench
from actbench.catalogue import torch_private
from actbench.catalogue.lookup import entries
from actbench.catalogue.optimizers import Group
from actbench.catalogue.registry import Entry, parameters_model
from actbench.experiment.choices import Choice, parse_choice
from actbench.training.functions import bind_activation

WITH_KERNEL = [entry for entry in entries("activation") if entry.kernel is not None]
PRIVATE = re.compile(r"\btorch\.ops\b|\btorch(\.\w+)*\._[a-z]")


@dataclass(frozen=True)
class Without:
    """A namespace without the attributes that actbench uses."""

    namespace: Any
    hidden: frozenset[str]

    def __getattr__(self, name: str) -> Any:
        if name in self.hidden:
            raise AttributeError(name)
        return getattr(self.namespace, name)


@pytest.fixture
def without_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = {name for entry in WITH_KERNEL if entry.kernel for name in entry.kernel.operators}
    hidden = {name.partition(".")[0] for name in operators} | {"_prelu_kernel", "_is_mkldnn_bf16_supported"}
    for namespace in ("aten", "mkldnn"):
        monkeypatch.setattr(torch.ops, namespace, Without(getattr(torch.ops, namespace), frozenset(hidden)))


def both_passes(choice: Choice) -> tuple[torch.Tensor, torch.Tensor]:
    """f(x) and f'(x) as training computes them."""
    x = torch.linspace(-5, 5, 96).reshape(3, 8, 4)
    value, pullback = bind_activation(choice, {})(x, torch.empty_like(x))
    return value.clone(), pullback(torch.ones_like(x)).clone()


@pytest.mark.parametrize("entry", WITH_KERNEL, ids=lambda entry: entry.name)
def test_activations_without_native_operators_are_trained_by_autograd(
    entry: Entry, request: pytest.FixtureRequest
) -> None:
    choice = parse_choice("activation", {entry.name: {"learn": False}} if entry.learnable else entry.name)
    expected = both_passes(choice)
    request.getfixturevalue("without_operators")
    for result, reference in zip(both_passes(choice), expected, strict=True):
        torch.testing.assert_close(result, reference, rtol=1e-6, atol=1e-6)


def test_prelu_with_a_slope_for_each_trial_needs_no_native_operator(request: pytest.FixtureRequest) -> None:
    entry = parse_choice("activation", "prelu").entry

    def slopes() -> tuple[torch.Tensor, ...]:
        x, slope = torch.linspace(-2, 2, 12).reshape(2, 3, 2), torch.tensor([0.1, 0.5]).reshape(2, 1, 1)
        leaves = x.requires_grad_(), slope.requires_grad_()
        value = entry.function(x, negative_slope=slope)
        return value.detach(), *torch.autograd.grad(value.square().sum(), leaves)

    expected = slopes()
    request.getfixturevalue("without_operators")
    for result, reference in zip(slopes(), expected, strict=True):
        torch.testing.assert_close(result, reference)


SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "adam": {"betas": (0.5, 0.75), "amsgrad": True},
    "adamw": {"eps": 1e-3},
    "rmsprop": {"momentum": 0.5, "centered": True},
}


def steps(entry: Entry) -> torch.Tensor:
    """A parameter after four steps at three learning rates, with weight decay."""
    group = Group([torch.linspace(-1, 1, 64)], [torch.zeros(64)], weight_decay=0.02)
    draws = torch.Generator().manual_seed(0)
    settings = parameters_model(entry)(**SETTINGS[entry.name]).model_dump()
    for lr in (0.1, 0.1, 0.03, 0.01):
        group.gradients[0].copy_(torch.randn(64, generator=draws))
        entry.function(group, lr, **settings)
    return group.parameters[0]


@pytest.mark.parametrize("what", ["no such function", "other settings"])
@pytest.mark.parametrize("entry", entries("optimizer"), ids=lambda entry: entry.name)
def test_optimizers_whose_function_is_missing_step_by_torchs_class(
    entry: Entry, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = steps(entry)
    name = "adam" if entry.name == "adamw" else entry.name
    module = ModuleType(f"torch.optim.{name}")
    if what == "other settings":
        setattr(module, name, lambda parameters, gradients: None)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    torch_private.optimizer_function.cache_clear()
    try:
        torch.testing.assert_close(steps(entry), expected)
    finally:
        torch_private.optimizer_function.cache_clear()


def test_factors_are_rounded_where_torch_cannot_say_whether_the_processor_multiplies_in_bf16(
    without_operators: None,
) -> None:
    assert not torch_private.multiplies_in_bf16()


def test_private_functions_of_torch_are_named_in_one_module() -> None:
    package = Path(actbench.__file__).parent
    naming = {
        path.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute | ast.ImportFrom) and PRIVATE.search(ast.unparse(node).replace("from ", ""))
    }
    assert naming <= {"torch_private.py", "import_probe.py"}  # the probe imports nothing of actbench
