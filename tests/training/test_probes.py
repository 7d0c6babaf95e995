"""Per-layer figures: what they mean, and that taking them changes nothing."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actbench.catalogue.datasets import DATASETS, load
from actbench.experiment.records import CLOCK_FIELDS, HISTOGRAM_EDGES, LayerProbe
from actbench.experiment.settings import TrainSettings, TrialSettings
from actbench.plan.trials import make_trial
from actbench.training import loop
from actbench.training.data import Images, SeedSplit, seed_split, to_device
from actbench.training.network import Network, create_network
from actbench.training.probes import probe

CPU = torch.device("cpu")


def settings(**model: Any) -> TrialSettings:
    return TrialSettings.model_validate(
        {
            "data": {"dataset": "digits", "train": 120, "test": 30},
            "model": {"hidden": (12, 8)} | model,
            "train": {"epochs": 3, "batch_size": 32},
        }
    )


def prepared(*models: dict[str, Any]) -> tuple[Network, Images, list[SeedSplit]]:
    trials = [make_trial(settings(**model), seed=0) for model in models]
    images, _ = to_device(load(DATASETS["digits"], Path()), CPU)
    return create_network(trials, CPU), images, [seed_split(images, trials[0].settings.data, "final", 0)]


def probed(*models: dict[str, Any]) -> list[tuple[LayerProbe, ...]]:
    return probe(*prepared(*models), epoch=0)


def test_figures_are_those_of_a_plain_forward_and_backward_pass() -> None:
    network, images, splits = prepared({"activation": "relu"})
    found = probe(network, images, splits, epoch=0)[0]
    rows = splits[0].train_rows[:256]
    inputs, labels = (images.inputs[rows].float() - splits[0].offset) / splits[0].divisor, images.labels[rows]
    weights = [network.parameters.named[i, "weight"].values[0].detach().requires_grad_() for i in range(3)]
    first = inputs @ weights[0]
    second = first.relu() @ weights[1]
    loss = torch.nn.functional.cross_entropy(second.relu() @ weights[2], labels)
    gradients = torch.autograd.grad(loss, weights)
    first, second = first.detach(), second.detach()
    for layer, gradient in zip(found, gradients, strict=True):
        assert layer.weight_gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-4)
    assert found[0].mean == pytest.approx(float(first.relu().mean()), rel=1e-4)
    assert found[1].sd == pytest.approx(float(second.relu().std(correction=0)), rel=1e-4)
    assert found[0].zero_share == pytest.approx(float((first <= 0).float().mean()), abs=1e-6)
    assert found[0].saturated_share == pytest.approx(float((first <= 0).float().mean()), abs=1e-6)
    assert found[0].dead_share == pytest.approx(float((first <= 0).all(0).float().mean()), abs=1e-6)
    for layer, weight, before in zip(found, weights, (first, second, second.relu() @ weights[2]), strict=True):
        assert layer.weight_norm == pytest.approx(float(weight.detach().norm()), rel=1e-5)
        counts, _ = np.histogram(before.detach().numpy(), bins=[-np.inf, *HISTOGRAM_EDGES, np.inf])
        shares = np.frombuffer(base64.b64decode(layer.histogram), np.uint8) / 255
        assert shares == pytest.approx(counts / counts.sum(), abs=0.004)
    assert [layer.layer for layer in found] == [1, 2, 3]
    assert (found[2].dead_share, found[2].saturated_share) == (None, None)


def test_learnt_parameters_are_kept_by_layer_and_epoch_and_of_many_the_mean_and_the_deviation() -> None:
    trials = [make_trial(settings(activation=one), 0) for one in ("prelu", {"prelu": {"per_feature": True}}, "relu")]
    one, many, none = loop.train_stack(trials, load(DATASETS["digits"], Path()), "cpu", lambda epoch: None)
    assert [probe.learnt for probe in none.probes] == [{}] * 12
    assert one.probes[0].learnt == {"negative_slope": 0.25}
    assert one.probes[-3].learnt != one.probes[0].learnt
    assert many.probes[0].learnt == {"negative_slope": 0.25, "negative_slope_sd": 0.0}
    assert (many.probes[-3].learnt["negative_slope_sd"] or 0) > 0
    assert many.probes[-1].learnt == {}


def test_units_that_no_image_moves_are_dead_and_their_weights_get_no_gradient() -> None:
    (found,) = probed({"activation": "relu", "bias_init": {"constant": {"val": -1000}}})
    assert (found[0].dead_share, found[0].zero_share, found[0].mean) == (1.0, 1.0, 0.0)
    assert found[0].weight_gradient_norm == 0


def test_a_leaky_unit_is_saturated_but_never_dead() -> None:
    (found,) = probed({"activation": "leaky_relu", "bias_init": {"constant": {"val": -1000}}})
    assert (found[0].dead_share, found[0].saturated_share) == (0.0, 1.0)


def test_large_inputs_saturate_tanh_and_small_ones_do_not() -> None:
    large, small = probed(
        {"activation": "tanh", "init": {"normal": {"std": 50}}},
        {"activation": "tanh", "init": {"normal": {"std": 0.01}}},
    )
    assert large[0].saturated_share is not None
    assert large[0].saturated_share > 0.9
    assert small[0].saturated_share == 0


def test_figures_that_are_not_finite_are_none() -> None:
    (found,) = probed({"activation": "identity", "init": {"constant": {"val": 1e38}}})
    assert found[1].mean is None
    assert found[2].weight_gradient_norm is None
    assert found[2].histogram == ""


@pytest.mark.parametrize("model", [{}, {"dropout": 0.2}, {"batch_norm": True}, {"activation": "prelu"}], ids=str)
def test_taking_probes_changes_no_other_number(model: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [make_trial(settings(**model), seed) for seed in (0, 1)]
    arrays = load(DATASETS["digits"], Path())
    with_probes = loop.train_stack(trials, arrays, "cpu", lambda epoch: None)
    monkeypatch.setattr(loop, "probe", lambda network, images, splits, epoch: [() for _ in network.trials])
    without = loop.train_stack(trials, arrays, "cpu", lambda epoch: None)
    for one, other in zip(with_probes, without, strict=True):
        assert [layer.epoch for layer in one.probes] == [epoch for epoch in range(4) for _ in range(3)]
        assert other.probes == ()
        assert one.model_dump(exclude={"probes", *CLOCK_FIELDS}) == other.model_dump(exclude={"probes", *CLOCK_FIELDS})


def test_long_trainings_are_probed_at_a_hundred_epochs_and_the_start() -> None:
    assert TrainSettings(epochs=1).probed_epochs() == {0, 1}
    assert TrainSettings(epochs=100).probed_epochs() == set(range(101))
    many = TrainSettings(epochs=10_000).probed_epochs()
    assert len(many) == 101
    assert {0, 100, 10_000} <= many
    assert all(math.isclose(b - a, 100) for a, b in zip(sorted(many), sorted(many)[1:], strict=False))
