"""How large networks are, and networks made as large as others."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from actbench.experiment.layers import Matched, match_parameters, network_size, resolve_layers
from actbench.experiment.settings import TrialSettings


def settings(**model: Any) -> TrialSettings:
    return TrialSettings.model_validate({"data": {"dataset": "digits"}, "model": model})


def test_a_networks_size_is_that_of_a_plain_module() -> None:
    size = network_size(settings(hidden=(20, 30), batch_norm=True, activation={"prelu": {"per_feature": True}}))
    plain = nn.Sequential(
        nn.Linear(64, 20), nn.BatchNorm1d(20), nn.PReLU(20), nn.Linear(20, 30), nn.BatchNorm1d(30), nn.PReLU(30),
        nn.Linear(30, 10),
    )  # fmt: skip
    assert size.parameters == sum(parameter.numel() for parameter in plain.parameters())
    assert size.multiply_adds == sum(one.weight.numel() for one in plain if isinstance(one, nn.Linear))


def test_equal_networks_share_their_layers_whatever_else_differs() -> None:
    settings_of = TrialSettings.model_validate
    first, other = (settings_of({"model": {"hidden": (7, 5)}, "train": {"lr": rate}}) for rate in (0.1, 0.2))
    assert resolve_layers(first) is resolve_layers(other)
    assert resolve_layers(first) is not resolve_layers(settings_of({"model": {"hidden": (7, 6)}}))


def with_units(model: dict[str, Any], index: int, units: int) -> dict[str, Any]:
    """The model with another width of one hidden layer, as a file would say it."""
    name = "layers" if "layers" in model else "hidden"
    layers = list(model.get(name, (256, 128)))
    layers[index] = {**layers[index], "units": units} if name == "layers" else units
    return model | {name: tuple(layers)}


@pytest.mark.parametrize(("model", "index"), [
    ({"hidden": (50,)}, 0), ({"hidden": (10, 40, 30)}, 1), ({"hidden": (40, 40)}, 0), ({}, 0),
    ({"hidden": (30,), "batch_norm": True}, 0),
    ({"hidden": (30, 5), "activation": {"prelu": {"per_feature": True}}}, 0),
    ({"layers": ({"units": 9}, {"units": 70, "activation": "tanh"}, {"units": 12, "batch_norm": True})}, 1),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("target", [3_210, 4_001, 60_000])
def test_the_widest_layer_gets_the_width_that_is_nearest(model: dict[str, Any], index: int, target: int) -> None:
    if target < network_size(settings(**with_units(model, index, 1))).parameters:
        pytest.skip("one unit is too many")
    found, matched = match_parameters(settings(**model), target)
    assert found == settings(**with_units(model, index, matched.units))
    assert (matched.layer, matched.target) == (index + 1, target)
    assert matched.left == network_size(found).parameters - target
    assert matched.is_nearest()
    for units in (matched.units - 1, matched.units + 1):
        if units:
            other = network_size(settings(**with_units(model, index, units))).parameters
            assert abs(other - target) >= abs(matched.left)


def test_what_no_width_can_give_is_not_the_nearest() -> None:
    without, matched = match_parameters(settings(hidden=()), 1_000)
    assert without == settings(hidden=())
    assert matched == Matched(layer=0, given=0, units=0, target=1_000, left=-350, step=0)
    assert not matched.is_nearest()
    assert match_parameters(settings(hidden=()), 650)[1].is_nearest()
    narrow = match_parameters(settings(hidden=(8, 50, 40)), 100)[1]
    assert (narrow.units, narrow.is_nearest()) == (1, False)
