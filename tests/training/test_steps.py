"""Recorded steps: replayed on every full batch, and the same training as without recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.records import CLOCK_FIELDS, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training import loop, optimizer
from actbench.training.network import create_network
from actbench.training.optimizer import WARM_UP_STEPS, is_repeatable, make_step, replayed

pytestmark = pytest.mark.oldest

CPU = torch.device("cpu")


def settings(model: dict[str, Any], train: dict[str, Any]) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 180, "validation": 30, "test": 40},
            "model": {"hidden": (16, 8)} | model,
            "train": {"batch_size": 16, "epochs": 2} | train,
        }
    )


def record_and_count(recorded: list[int]) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """As a graph is recorded: taking it down does nothing, replaying it does everything."""

    def record(function: Callable[[], None]) -> Callable[[], None]:
        def replay() -> None:
            recorded[-1] += 1
            function()

        recorded.append(0)
        return replay

    return record


def train(model: dict[str, Any], options: dict[str, Any]) -> list[TrialRecord]:
    trials = [
        make_trial(settings({"activation": name} | model, options), seed)
        for name in ("relu", "mish")
        for seed in (0, 1)
    ]
    return loop.train_stack(trials, load(DATASETS["digits"], Path()), "cpu", lambda epoch: None)


@pytest.mark.parametrize("optimizer", ["sgd", {"sgd": {"momentum": 0.9}}, "adam", "adamw", "rmsprop"], ids=str)
@pytest.mark.parametrize("model", [{}, {"batch_norm": True}], ids=str)
def test_replayed_steps_train_as_steps_taken_one_by_one_do(
    optimizer: Any, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(model, {"optimizer": optimizer})
    recorded: list[int] = []
    monkeypatch.setattr(
        loop, "make_step", lambda *arguments: replayed(make_step(*arguments), record_and_count(recorded))
    )
    again = train(model, {"optimizer": optimizer})
    full_batches = 2 * (150 // 16)
    assert recorded == [full_batches - WARM_UP_STEPS]
    for one, other in zip(plain, again, strict=True):
        assert one.model_dump(exclude=set(CLOCK_FIELDS)) == other.model_dump(exclude=set(CLOCK_FIELDS))


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ({}, {}, True),
        ({"batch_norm": True}, {}, True),
        ({"dropout": 0.1}, {}, False),
        ({}, {"schedule": "cosine"}, False),
        ({}, {"schedule": "linear"}, False),
    ],
    ids=str,
)
def test_steps_that_differ_from_each_other_are_not_recorded(
    model: dict[str, Any], options: dict[str, Any], expected: bool
) -> None:
    network = create_network([make_trial(settings(model, options), 0)], CPU)
    assert is_repeatable(network) is expected


def test_on_the_cpu_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(function: Callable[[], None]) -> Callable[[], None]:
        raise AssertionError

    monkeypatch.setattr(optimizer, "record_cuda_graph", refuse)
    assert [record.outcome for record in train({}, {})] == ["done"] * 4
