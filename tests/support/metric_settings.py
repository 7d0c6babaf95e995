"""Settings whose networks have few metrics."""

from __future__ import annotations

from actbench.experiment.settings import TrialSettings

SMALL = TrialSettings.model_validate({"model": {"hidden": (4,)}, "train": {"epochs": 3}})


NOTHING_HELD_OUT = TrialSettings.model_validate({"data": {"validation": 0}})


PERCEPTRON = TrialSettings.model_validate({"data": {"dataset": "thermostat"}, "model": {"hidden": ()}})
