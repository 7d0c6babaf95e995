"""Trials and their ids: a hash of everything that determines a trial's numbers, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from actbench.catalogue.recorded import FROM
from actbench.experiment import records
from actbench.experiment.choices import Choice
from actbench.experiment.layers import Layer, resolve_layers
from actbench.experiment.records import Phase, Trial
from actbench.experiment.settings import DataSettings, TrialSettings

MAX_REMEMBERED = 16_384  # more than an experiment may have arms


def make_trial(settings: TrialSettings, seed: int, phase: Phase = "final", training_code: int | None = None) -> Trial:
    """A trial with the id that its settings, phase and seed, the data and the training code determine.

    `training_code` is the version of the code that trains or has trained it; None for this one.
    """
    return make_trials(settings, (seed,), phase, training_code)[0]


def make_trials(
    settings: TrialSettings, seeds: Iterable[int], phase: Phase = "final", training_code: int | None = None
) -> tuple[Trial, ...]:
    """The trials of several seeds, as `make_trial` gives each."""
    version = records.TRAINING_CODE_VERSION if training_code is None else training_code
    text = _text(settings)
    made = []
    for seed in seeds:
        identity = f'{{"phase":"{phase}","seed":{seed},"settings":{text},"training_code":{version}}}'
        made.append(Trial(hashlib.sha256(identity.encode()).hexdigest()[:16], phase, seed, settings))
    return tuple(made)


@lru_cache(maxsize=MAX_REMEMBERED)
def _text(settings: TrialSettings) -> str:
    """The determining settings as JSON; kept, since every arm has many seeds and plans are made again and again."""
    return json.dumps(determining_settings(settings), sort_keys=True, separators=(",", ":"), default=_plain)


def determining_settings(settings: TrialSettings) -> dict[str, Any]:
    """Everything in the settings that the numbers depend on, with shorthands and defaults resolved."""
    train = settings.train
    return {
        "data": data_identity(settings.data),
        "layers": resolve_layers(settings),
        "output": settings.model.output,
        "loss": train.loss,
        "optimizer": train.optimizer,
        "train": {
            "lr": train.lr,
            "batch_size": train.batch_size,
            "epochs": train.epochs,
            "weight_decay": train.resolved_weight_decay(),
            "schedule": train.schedule,
            "shuffle": train.shuffle,
            **({} if train.precision == "float32" else {"precision": train.precision}),
        },
    }


def data_identity(data: DataSettings) -> dict[str, Any]:
    """Which images a trial sees, and how they are scaled."""
    return {
        "checksum": data.facts().checksum,
        "train": data.train_count(),
        "validation": data.validation_count(),
        "test": data.test_count(),
        "split": data.split,
        "scale": data.scale,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Choice):
        source = {FROM: value.recorded.checksum} if value.recorded else {}
        return {value.name: {**dict(value.parameters), **source}}
    if isinstance(value, Layer):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a trial's identity")
