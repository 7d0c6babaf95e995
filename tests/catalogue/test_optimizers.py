"""Every optimizer is torch's own: it takes its settings and each group's rate, and steps as its formula says."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from actbench.catalogue.lookup import entries, find
from actbench.catalogue.optimizers import Group
from actbench.catalogue.registry import Entry, default_parameters, parameters_model
from actbench.experiment.settings import TrainSettings

pytestmark = pytest.mark.usefixtures("_uncompiled")

OPTIMIZERS = entries("optimizer")
CHANGED: dict[str, list[dict[str, Any]]] = {
    "sgd": [{"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "dampening": 0.25}],
    "adam": [{"betas": (0.5, 0.75), "eps": 1e-3, "amsgrad": True}, {"betas": (0.0, 0.0), "eps": 1e-2}],
    "adamw": [{"betas": (0.5, 0.75), "eps": 1e-3, "amsgrad": True}, {"betas": (0.0, 0.0), "eps": 1e-2}],
    "rmsprop": [{"alpha": 0.5, "eps": 1e-3, "momentum": 0.9, "centered": True}, {"alpha": 0.0}],
}
by_entry = pytest.mark.parametrize("entry", OPTIMIZERS, ids=lambda entry: entry.name)
by_settings = pytest.mark.parametrize(
    ("entry", "settings"),
    [pytest.param(e, s, id=f"{e.name}-{s}") for e in OPTIMIZERS for s in ({}, *CHANGED.get(e.name, []))],
)


ORACLES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}


def group_of(*values: torch.Tensor, weight_decay: float = 0.0) -> Group:
    return Group(list(values), [torch.zeros_like(value) for value in values], weight_decay)


def step(entry: Entry, group: Group, lr: float, settings: dict[str, Any], *gradients: torch.Tensor) -> None:
    """One step as an experiment with these settings would take it."""
    for own, given in zip(group.gradients, gradients, strict=True):
        own.copy_(given)
    entry.function(group, lr, **parameters_model(entry)(**settings).model_dump())


@by_settings
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_steps_are_those_of_torchs_own_class(entry: Entry, settings: dict[str, Any], decay: float) -> None:
    draws = torch.Generator().manual_seed(0)
    values = [torch.randn(64, generator=draws) for _ in range(2)]
    group = group_of(*[value.clone() for value in values], weight_decay=decay)
    theirs = [value.clone().requires_grad_() for value in values]
    oracle: Any = ORACLES[entry.name]
    optimizer = oracle(theirs, lr=0.0, weight_decay=decay, **settings)
    for lr in (0.1, 0.1, 0.03, 0.01):
        gradients = [torch.randn(64, generator=draws) for _ in values]
        step(entry, group, lr, settings, *gradients)
        for tensor, gradient in zip(theirs, gradients, strict=True):
            tensor.grad = gradient.clone()
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
    for ours, tensor in zip(group.parameters, theirs, strict=True):
        torch.testing.assert_close(ours, tensor.detach(), rtol=1e-5, atol=1e-6)


@by_entry
def test_the_settings_tried_here_are_all_that_an_optimizer_has(entry: Entry) -> None:
    assert {name for settings in CHANGED.get(entry.name, []) for name in settings} == default_parameters(entry).keys()


@by_settings
def test_a_step_moves_every_parameter_by_finite_amounts(entry: Entry, settings: dict[str, Any]) -> None:
    before = [torch.linspace(-1, 2, 7).add(index) for index in range(2)]
    group = group_of(*[value.clone() for value in before])
    for _ in range(2):
        step(entry, group, 0.1, settings, *[torch.linspace(-1, 1, 7)] * 2)
    assert all(value.isfinite().all() for value in group.parameters)
    assert all(not value.equal(old) for value, old in zip(group.parameters, before, strict=True))


@pytest.mark.slow
def test_stepping_never_imports_torchs_compiler() -> None:
    program = (
        "import sys, torch\n"
        "from actbench.catalogue.optimizers import Group\n"
        "from actbench.catalogue.lookup import entries\n"
        "for entry in entries('optimizer'):\n"
        "    entry.function(Group([torch.zeros(8)], [torch.ones(8)]), 0.1)\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def moments(name: str, given: dict[str, Any], gradients: Iterator[float]) -> Iterator[dict[str, float]]:
    """The symbols of an optimizer's formula step by step; the gradient is asked for when the weight has moved."""
    m = v = 0.0
    for step, g in enumerate(gradients, start=1):
        if name == "sgd":
            yield {"g": g, "v": v}
            v = given["momentum"] * v + g
        elif name in ("adam", "adamw"):
            first, second = given["betas"]
            m, v = first * m + (1 - first) * g, second * v + (1 - second) * g * g
            yield {"g": g, "m": m / (1 - first**step), "v": v / (1 - second**step)}
        else:
            assert name == "rmsprop", f"how does {name} step?"
            v = given["alpha"] * v + (1 - given["alpha"]) * g * g
            yield {"g": g, "v": v}


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((entry.name, {}) for entry in OPTIMIZERS),
        ("sgd", {"momentum": 0.9}),
        ("adam", {"betas": (0.5, 0.75), "eps": 0.5}),
        ("adamw", {"betas": (0.5, 0.75), "eps": 0.5}),
        ("rmsprop", {"alpha": 0.5, "eps": 0.5}),
    ],
    ids=str,
)
def test_four_steps_follow_the_formula(name: str, settings: dict[str, Any], decay: float) -> None:
    entry, lr, w = find("optimizer", name), 0.05, 1.5
    group = group_of(torch.tensor([w]), weight_decay=decay)
    given = default_parameters(entry) | settings
    formula = entry.formula.removeprefix("w -= ")
    assert formula != entry.formula
    decoupled = "weight_decay" in formula

    def gradients() -> Iterator[float]:
        for gradient in (0.5, -1.25, 2.0, 0.25):
            group.gradients[0].fill_(gradient)
            yield gradient if decoupled else gradient + decay * w

    for symbols in moments(name, given, gradients()):
        entry.function(group, lr, **given)
        known = {**given, **symbols, "sqrt": math.sqrt, "lr": lr, "w": w, "weight_decay": decay}
        w -= eval(formula, {"__builtins__": {}}, known)
        assert group.parameters[0].item() == pytest.approx(w, rel=1e-5)


def test_adamw_decays_by_a_hundredth_unless_told_otherwise() -> None:
    train = TrainSettings.model_validate({"optimizer": "adamw"})
    assert train.resolved_weight_decay() == torch.optim.AdamW([torch.zeros(1)]).param_groups[0]["weight_decay"] == 0.01


@by_entry
def test_unknown_settings_are_rejected(entry: Entry) -> None:
    with pytest.raises(ValidationError, match="learning_rate"):
        parameters_model(entry)(learning_rate=0.1)


def wrong_settings() -> Iterator[tuple[str, str, Any]]:
    """Every numeric setting out of range, not finite, or of another kind; every switch as text."""
    for entry in OPTIMIZERS:
        for name, default in default_parameters(entry).items():
            if isinstance(default, bool):
                wrong: list[Any] = ["yes", 1, None]
            elif isinstance(default, float):
                wrong = [-1e-9, math.nan, math.inf, "0.5", True, None]
            else:
                wrong = [(0.9,), (0.9, 1.0), (-0.1, 0.9), (0.9, 0.9, 0.9), (0.9, math.nan), 0.9, None]
            yield from ((entry.name, name, value) for value in wrong)
    yield "rmsprop", "alpha", 1.0


def test_settings_out_of_range_are_rejected() -> None:
    for name, setting, value in wrong_settings():
        with pytest.raises(ValidationError, match=setting):
            parameters_model(find("optimizer", name))(**{setting: value})
