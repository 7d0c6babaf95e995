"""What a trial's record says of its end, against the network and the images themselves."""

from __future__ import annotations

import base64
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch

from actbench.catalogue.datasets import DATASETS, Arrays, load
from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.training.loop import train_stack
from actbench.training.measures import Measures
from actbench.training.outcome import Evaluation, TrialCurves, make_record, record_epoch


def trained(settings: dict[str, object], arrays: Arrays, seeds: int = 2) -> list[TrialRecord]:
    chosen = TrialSettings.model_validate(settings)
    return train_stack([make_trial(chosen, seed) for seed in range(seeds)], arrays, "cpu", lambda epoch: None)


def arrays_of(name: str) -> Arrays:
    return load(DATASETS[name], Path())


def test_the_bits_of_the_test_images_add_up_to_the_correct_count() -> None:
    arrays = arrays_of("digits")
    for record in trained({"data": {"dataset": "digits"}, "model": {"hidden": (8,)}, "train": {"epochs": 2}}, arrays):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(record.test_is_correct), np.uint8), count=record.test_count)
        assert bits.sum() == record.test_correct_count
        assert record.test_correct_count is not None
        assert 0 < record.test_correct_count < record.test_count
        assert sum(record.test_prediction_counts) == record.test_count
        assert len(record.test_prediction_counts) == 10
        labels = np.bincount(arrays.test_labels[: record.test_count], weights=bits, minlength=10)
        assert (labels <= np.array(record.test_prediction_counts)).all()
        assert len(record.epoch_seconds) == 2
        assert 0 < sum(record.epoch_seconds) <= record.wall_seconds


def test_a_small_network_keeps_its_parameters_and_they_predict_what_it_predicted() -> None:
    settings = {
        "data": {"dataset": "thermostat", "validation": 0, "scale": "none"},
        "model": {"hidden": (), "output": "sigmoid", "init": "uniform", "bias_init": "uniform"},
        "train": {"loss": "bce", "lr": 0.05, "batch_size": "full", "epochs": 300},
    }
    thermostat = arrays_of("thermostat")
    for record in trained(settings, thermostat):
        (slope,), (offset,) = record.parameters["layer1.weight"], record.parameters["layer1.bias"]
        assert slope is not None
        assert offset is not None
        bits = np.unpackbits(np.frombuffer(base64.b64decode(record.test_is_correct), np.uint8), count=record.test_count)
        predicted = thermostat.test_inputs[:, 0] * slope + offset > 0
        assert (bits == (predicted == thermostat.test_labels)).mean() > 0.999
        assert record.test_prediction_counts[1] == pytest.approx(predicted.sum(), abs=1)


def test_a_large_network_keeps_none() -> None:
    settings = {"data": {"dataset": "digits"}, "model": {"hidden": (8,)}, "train": {"epochs": 1}}
    assert trained(settings, arrays_of("digits"), seeds=1)[0].parameters == {}


def test_a_layers_parameters_are_kept_by_name_and_row_by_row() -> None:
    settings = {
        "data": {"dataset": "cube"},
        "model": {"layers": ({"units": 3, "activation": "prelu"}, {"units": 2}), "init": {"constant": {"val": 0.5}}},
        "train": {"epochs": 1, "lr": 1e-30},
    }
    kept = trained(settings, arrays_of("cube"), seeds=1)[0].parameters
    assert {name: len(values) for name, values in kept.items()} == {
        "layer1.weight": 9, "layer2.weight": 6, "layer3.weight": 4,
        "layer1.bias": 3, "layer1.negative_slope": 1, "layer2.bias": 2, "layer3.bias": 2,
    }  # fmt: skip
    assert kept["layer1.weight"] == pytest.approx([0.5] * 9)
    assert kept["layer1.negative_slope"] == pytest.approx([0.25])


def test_a_validation_loss_that_is_not_finite_is_a_divergence() -> None:
    curve, nothing = TrialCurves({"train_loss": []}), torch.zeros(1, 1)
    validated = Evaluation([nan], nothing, nothing, [Measures(None, None, None, 0, 0)])
    record_epoch([curve], 4, ([0.5], [3]), validated)
    assert curve.diverged_epoch == 4
    assert curve.by_name["validation_loss"] == [None]


def test_a_trial_that_diverged_keeps_its_probes_and_times_up_to_that_epoch() -> None:
    trial = make_trial(TrialSettings.model_validate({"train": {"epochs": 3}}), 0)
    curve = TrialCurves({"train_loss": [0.5, None], "train_correct_count": [1, 1]}, diverged_epoch=2, end={})
    figures = {"mean": 0.0, "sd": 1.0, "zero_share": 0.0, "weight_gradient_norm": 1.0, "bias_gradient_norm": 1.0}
    probes = tuple((LayerProbe.model_validate({"epoch": epoch, "layer": 1} | figures),) for epoch in range(4))
    record = make_record(trial, curve, probes, 1.0, [0.1, 0.2, 0.3], 1, "cpu")
    assert ([one.epoch for one in record.probes], record.epoch_seconds) == ([0, 1, 2], (0.1, 0.2))
