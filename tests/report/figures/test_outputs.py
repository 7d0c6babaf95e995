"""Outputs computed from recorded weights are those of the trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from actbench.catalogue.datasets import load
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.report.figures.decisions import can_be_computed, network_outputs
from actbench.training.loop import train_stack

CASES: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    ("thermostat", {"hidden": (), "output": "sigmoid", "init": "uniform"}, {"loss": "bce"}, "none"),
    ("thermostat", {"hidden": (3,), "activation": "tanh", "output": "sigmoid"}, {"loss": "bce"}, "unit"),
    ("moons", {"hidden": (6,), "activation": "relu", "output": "log_softmax"}, {"loss": "nll"}, "unit"),
    ("moons", {"hidden": (4, 3), "activation": "gelu", "output": "softmax"}, {"loss": "bce"}, 2.0),
    ("moons", {"hidden": (5,), "activation": {"prelu": {"per_feature": True}}}, {"loss": "nll"}, "none"),
    ("moons", {"hidden": (5,), "activation": {"swish": {"learn": True}}, "output": "identity"},
     {"loss": "cross_entropy"}, "none"),
]  # fmt: skip


def settings_of(dataset: str, model: dict[str, Any], train: dict[str, Any], scale: Any) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": dataset, "train": 600, "test": 500, "scale": scale},
            "model": model,
            "train": {"epochs": 3, "batch_size": 30, "lr": 0.05, **train},
        }
    )


@pytest.mark.parametrize(("dataset", "model", "train", "scale"), CASES)
def test_the_outputs_decide_as_the_network_did_when_it_was_tested(
    dataset: str, model: dict[str, Any], train: dict[str, Any], scale: Any, tmp_path: Path
) -> None:
    settings = settings_of(dataset, model, train, scale)
    arrays = load(settings.data.dataset, tmp_path)
    (record,) = train_stack([make_trial(settings, 3)], arrays, "cpu", lambda epoch: None)
    assert can_be_computed(settings)
    outputs = network_outputs(settings, record.parameters, arrays.test_inputs[:500].astype(float))
    predicted = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(int)
    assert (predicted == arrays.test_labels[:500]).sum() == record.test_correct_count
    counts = numpy.bincount(predicted, minlength=2).tolist()
    assert counts == list(record.test_prediction_counts)
    assert 0 < counts[0] <= 500


@pytest.mark.parametrize(
    ("model", "scale"), [({"hidden": (4,), "batch_norm": True}, "unit"), ({"hidden": (4,)}, "standard")]
)
def test_what_depends_on_more_than_the_weights_is_not_computed(model: dict[str, Any], scale: str) -> None:
    assert not can_be_computed(settings_of("moons", model, {}, scale))
