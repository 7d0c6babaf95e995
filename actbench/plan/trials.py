"""Trials and their ids: hashes of exactly what determines a trial's numbers; shards: equal shares of the trials."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from actbench.errors import ConfigurationError
from actbench.experiment import records
from actbench.experiment.identity import determining_settings, plain
from actbench.experiment.layers import Layer
from actbench.experiment.records import Phase, Trial
from actbench.experiment.settings import TrialSettings

MAX_REMEMBERED = 16_384  # more than an experiment may have arms
MAX_SHARDS = 9999
FOLDER_NAME = re.compile(r"(.+)\.shard-([0-9]{1,4})-of-([0-9]{1,4})")
WRITTEN = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")

Item = TypeVar("Item")


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


def by_identity(function: Callable[[TrialSettings], Item]) -> Callable[[TrialSettings], Item]:
    """The function, called once for settings that many trials share; hashing them would take longer."""
    known: dict[int, tuple[TrialSettings, Item]] = {}

    def known_or_called(settings: TrialSettings) -> Item:
        if id(settings) not in known:
            known[id(settings)] = settings, function(settings)
        return known[id(settings)][1]

    return known_or_called


def _text(part: Any) -> str:
    return json.dumps(part, sort_keys=True, separators=(",", ":"), default=plain)


@lru_cache(maxsize=MAX_REMEMBERED)
def _layers_text(layers: Sequence[Layer]) -> str:
    return _text(layers)


@dataclass(frozen=True)
class Shard:
    """The share `number` (from 1) of `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def folder_name(self, experiment: str) -> str:
        """The result folder of this shard beside the experiment's own; no two shards share one."""
        return f"{experiment}.shard-{self.number}-of-{self.of}"

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `of`-th item, so that shares differ by one item at most, also of any run of items."""
        return items[self.number - 1 :: self.of]


def shard_of(folder: str, experiment: str | None = None) -> Shard | None:
    """The shard of this experiment, or of any, whose result folder has this name; None for other names."""
    found = FOLDER_NAME.fullmatch(folder)
    if not found or experiment not in (None, found[1]):
        return None
    shard = Shard(int(found[2]), int(found[3]))
    return shard if shard.folder_name(found[1]) == folder else None


def parse_shard(text: str | None) -> Shard | None:
    """The shard that `--shard 2/5` names; raises `ConfigurationError`."""
    if text is None:
        return None
    found = WRITTEN.fullmatch(text)
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of <= MAX_SHARDS:
        what = "shards are counted from 1" if found and of and number == 0 else "expected I/N, such as 2/5"
        raise ConfigurationError(f"--shard {text}: {what}, with I from 1 to N, and N at most {MAX_SHARDS}")
    return Shard(number, of)
