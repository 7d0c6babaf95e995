"""Every optimizer is torch's own: it takes its settings and each group's rate, and steps as its formula says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.optim import Optimizer

from actbench.catalogue.registry import Entry, default_parameters, entries, find, parameters_model

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


def parameters(count: int = 2) -> list[torch.Tensor]:
    return [torch.linspace(-1, 2, 7).add(index).requires_grad_() for index in range(count)]


def build(entry: Entry, settings: dict[str, Any], groups: list[dict[str, Any]]) -> Optimizer:
    """The optimizer that an experiment with these settings would train with."""
    checked = parameters_model(entry)(**settings).model_dump()
    optimizer: Optimizer = entry.function(groups, **checked)
    return optimizer


@by_settings
def test_every_group_keeps_its_own_rate_and_weight_decay(entry: Entry, settings: dict[str, Any]) -> None:
    first, second = parameters()
    groups = [
        {"params": [first], "lr": 0.1, "weight_decay": 0.02},
        {"params": [second], "lr": 0.3, "weight_decay": 0.0},
    ]
    optimizer = build(entry, settings, groups)
    assert isinstance(optimizer, Optimizer)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.1, 0.02), (0.3, 0.0)]
    assert [group["params"][0] is p for group, p in zip(optimizer.param_groups, (first, second), strict=True)]


@by_settings
def test_every_setting_reaches_torch(entry: Entry, settings: dict[str, Any]) -> None:
    (group,) = build(entry, settings, [{"params": parameters(1), "lr": 0.1}]).param_groups
    wanted = default_parameters(entry) | settings
    assert {name: group[name] for name in wanted} == wanted


@by_entry
def test_the_settings_tried_here_are_all_that_an_optimizer_has(entry: Entry) -> None:
    assert {name for settings in CHANGED.get(entry.name, []) for name in settings} == default_parameters(entry).keys()


@by_settings
def test_a_step_moves_every_group_by_finite_amounts(entry: Entry, settings: dict[str, Any]) -> None:
    tensors = parameters()
    before = [one.detach().clone() for one in tensors]
    optimizer = build(entry, settings, [{"params": [one], "lr": 0.1} for one in tensors])
    for _ in range(2):
        for one in tensors:
            one.grad = torch.linspace(-1, 1, 7)
        optimizer.step()
    assert all(one.isfinite().all() for one in tensors)
    assert all(not one.equal(old) for one, old in zip(tensors, before, strict=True))


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
    tensor = torch.tensor([w], requires_grad=True)
    optimizer = build(entry, settings, [{"params": [tensor], "lr": lr, "weight_decay": decay}])
    given = default_parameters(entry) | settings
    step = entry.formula.removeprefix("w -= ")
    assert step != entry.formula
    decoupled = "weight_decay" in step

    def gradients() -> Iterator[float]:
        for gradient in (0.5, -1.25, 2.0, 0.25):
            tensor.grad = torch.tensor([gradient])
            yield gradient if decoupled else gradient + decay * w

    for symbols in moments(name, given, gradients()):
        optimizer.step()
        known = {**given, **symbols, "sqrt": math.sqrt, "lr": lr, "w": w, "weight_decay": decay}
        w -= eval(step, {"__builtins__": {}}, known)
        assert tensor.item() == pytest.approx(w, rel=1e-5)


def test_adamw_decays_by_a_hundredth_unless_told_otherwise() -> None:
    (group,) = build(find("optimizer", "adamw"), {}, [{"params": parameters(1)}]).param_groups
    assert group["weight_decay"] == 0.01


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


@pytest.mark.parametrize(("name", "setting", "value"), list(wrong_settings()))
def test_settings_out_of_range_are_rejected(name: str, setting: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=setting):
        parameters_model(find("optimizer", name))(**{setting: value})
