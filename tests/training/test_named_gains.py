"""Named gains in training: each layer gets the number of the activation whose values it takes in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actbench.plan.trials import make_trial
from actbench.training.network import create_network
from builders import experiment_from

MIXED = """
model:
  layers: [{units: 500, activation: relu}, {units: 400, activation: tanh}]
  init: {INIT: {gain: GAIN}}
seeds: 1
"""


def gains_found(init: str, gain: str, folder: Path) -> list[float]:
    """What the drawn weights are times sqrt(fan_in), layer by layer."""
    experiment = experiment_from(MIXED.replace("INIT", init).replace("GAIN", gain), folder)
    trial = make_trial(experiment.settings, 0)
    weights = create_network([trial], torch.device("cpu")).parameters.named
    drawn = [weights[index, "weight"].values.detach()[0] for index in range(3)]
    return [float(weight.square().mean().sqrt()) * len(weight) ** 0.5 for weight in drawn]


@pytest.mark.parametrize("init", ["fitted_normal", "fitted_uniform"])
@pytest.mark.parametrize(
    ("gain", "wanted"),
    [
        ("derived", [1, 1.41421, 1.59254]),
        ("derived_backward", [1, 1.41421, 1.46741]),
        ("published", [1, 1.41421, 1.66667]),
        ("0.7", [0.7, 0.7, 0.7]),
    ],
)
def test_a_layer_has_the_gain_of_the_activation_before_it_and_the_first_layer_has_1(
    init: str, gain: str, wanted: list[float], tmp_path: Path
) -> None:
    assert gains_found(init, gain, tmp_path) == pytest.approx(wanted, rel=0.03)


def test_the_name_of_a_gain_is_part_of_the_trials_identity_and_a_gain_of_1_is_what_it_always_was(
    tmp_path: Path,
) -> None:
    def trial_id(init: str) -> str:
        return make_trial(experiment_from(f"model: {{init: {init}}}", tmp_path).settings, 0).id

    assert trial_id("xavier_normal") == trial_id("{xavier_normal: {gain: 1}}")
    inits = ["xavier_normal", *(f"{{xavier_normal: {{gain: {gain}}}}}" for gain in ("derived", "published", "0.7"))]
    assert len({trial_id(init) for init in inits}) == 4
