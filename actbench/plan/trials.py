"""Trials and their ids: hashes of exactly what determines a trial's numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from actbench.experiment import records
from actbench.experiment.identity import determining_settings, plain
from actbench.experiment.layers import Layer
from actbench.experiment.records import Phase, Trial
from actbench.experiment.settings import TrialSettings

MAX_REMEMBERED = 16_384  # more than an experiment may have arms


def make_trial(settings: TrialSettings, seed: int, phase: Phase = "final", training_code: int | None = None) -> Trial:
    """A trial with its id, a hash of settings, phase, seed, data and `training_code` (a version; None for this one)."""
    return make_trials(settings, (seed,), phase, training_code)[0]


def make_trials(
    settings: TrialSettings, seeds: Iterable[int], phase: Phase = "final", training_code: int | None = None
) -> tuple[Trial, ...]:
    """The trials of several seeds, as `make_trial` gives each."""
    version = records.TRAINING_CODE_VERSION if training_code is None else training_code
    text = identity_text(settings)
    return tuple(Trial(trial_id(text, seed, phase, version), phase, seed, settings) for seed in seeds)


def trial_id(text: str, seed: int, phase: Phase, training_code: int) -> str:
    """The id of a trial whose settings have this `identity_text`."""
    identity = f'{{"phase":"{phase}","seed":{seed},"settings":{text},"training_code":{training_code}}}'
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


@lru_cache(maxsize=MAX_REMEMBERED)
def identity_text(settings: TrialSettings) -> str:
    """The determining settings as JSON; cached, since every arm has many seeds and plans are made often."""
    parts = determining_settings(settings)
    layers = _layers_text(parts["layers"])
    return (
        "{" + ",".join(f'"{name}":{layers if name == "layers" else _text(parts[name])}' for name in sorted(parts)) + "}"
    )


def _text(part: Any) -> str:
    return json.dumps(part, sort_keys=True, separators=(",", ":"), default=plain)


@lru_cache(maxsize=MAX_REMEMBERED)
def _layers_text(layers: Sequence[Layer]) -> str:
    return _text(layers)
