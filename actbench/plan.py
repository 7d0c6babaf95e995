"""From an experiment to its trials and the stacks they train in; pure, and the same whatever is already done."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actbench.choices import Choice
from actbench.experiment import Arm, Experiment
from actbench.layers import Layer, count_parameters, resolve_layers
from actbench.metrics import parse_metric
from actbench.records import TRAINING_CODE_VERSION, Phase, Trial, TrialRecord
from actbench.settings import EVALUATION_IMAGES, DataSettings, TrialSettings

BYTES_PER_PARAMETER = 16
NARROWEST_STACK, WIDEST_STACK = 4, 256
CPU_CACHE_BYTES = 16 * 2**20
GPU_CACHE_BYTES = 2**30
MOST_BATCH_BYTES = 2**30

Stack = tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    """The trials of every arm, in the order of the seeds, and the stacks that train each distinct trial once."""

    arms: tuple[tuple[Arm, tuple[Trial, ...]], ...]
    stacks: tuple[Stack, ...]

    def trials(self) -> dict[str, Trial]:
        """Distinct trials by id."""
        return {trial.id: trial for _, trials in self.arms for trial in trials}


def make_plan(experiment: Experiment, *, workers: int = 1, cache_bytes: int = CPU_CACHE_BYTES) -> Plan:
    """All trials of the experiment, stacked so that a stack's parameters stay in cache and every worker has work.

    Where a claim is about time, every trial has a stack of its own: the time of a shared one is nobody's.
    """
    is_timed = any(parse_metric(expectation.metric).is_timed for expectation in experiment.expectations)
    arms = tuple((arm, tuple(make_trial(arm.settings, seed) for seed in experiment.seeds)) for arm in experiment.arms())
    shapes: dict[Any, dict[int, dict[str, Trial]]] = {}
    for arm, trials in arms:
        for trial in trials:
            shapes.setdefault(stack_shape(arm.settings), {}).setdefault(trial.seed, {})[trial.id] = trial
    total = sum(len(by_id) for by_seed in shapes.values() for by_id in by_seed.values())
    fair_share = max(1, total // (2 * workers)) if workers > 1 else total
    stacks: list[Stack] = []
    for by_seed in shapes.values():
        seeds = [tuple(by_id.values()) for by_id in by_seed.values()]
        width = 1 if is_timed else min(cache_width(seeds[0][0].settings, cache_bytes), fair_share)
        stacks += _stacks_of_one_shape(seeds, width)
    return Plan(arms, tuple(stacks))


def _stacks_of_one_shape(seeds: Sequence[Stack], width: int) -> list[Stack]:
    """Cut the arms of each seed into equal stacks, or, where they are few, put several seeds into one stack.

    Trials of one seed share their batches, so they stay together; within a stack equal arms stand side by side.
    """
    arms = len(seeds[0])
    if arms > width:
        pieces = math.ceil(arms / width)
        even = math.ceil(arms / pieces)
        return [tuple(piece) for trials in seeds for piece in batched_tuple(trials, even)]
    return [
        tuple(trials[arm] for arm in range(arms) for trials in group)
        for group in batched_tuple(seeds, max(1, width // arms))
    ]


def batched_tuple(items: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    """Consecutive tuples of at most `size` items."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def cache_width(settings: TrialSettings, cache_bytes: int) -> int:
    """How many trials' weights, gradients and two moments fit into the cache, as far as memory holds their batches."""
    layers = resolve_layers(settings)
    parameters = sum(map(count_parameters, layers))
    images = max(settings.train.batch_images(settings.data.train_count()), EVALUATION_IMAGES)
    batch_bytes = 4 * images * (layers[0].fan_in + 4 * sum(layer.units for layer in layers))
    width = min(max(cache_bytes // (BYTES_PER_PARAMETER * parameters), NARROWEST_STACK), WIDEST_STACK)
    return max(1, min(width, MOST_BATCH_BYTES // batch_bytes))


def stack_shape(settings: TrialSettings) -> tuple[Any, ...]:
    """What trials of one stack must have in common; they may differ in everything else."""
    layers = tuple(
        (layer.fan_in, layer.units, layer.activation is None, layer.dropout, layer.batch_norm)
        for layer in resolve_layers(settings)
    )
    train = settings.train
    data = tuple(data_identity(settings.data).values())
    return data, layers, train.optimizer, train.batch_size, train.epochs, train.schedule, train.shuffle


def make_trial(settings: TrialSettings, seed: int, phase: Phase = "final") -> Trial:
    """A trial with the id that its settings, phase and seed, the data and the training code determine."""
    identity = {
        "training_code": TRAINING_CODE_VERSION,
        "phase": phase,
        "seed": seed,
        "settings": determining_settings(settings),
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), default=_plain)
    return Trial(hashlib.sha256(text.encode()).hexdigest()[:16], phase, seed, settings)


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
        return {value.name: dict(value.parameters)}
    if isinstance(value, Layer):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a trial's identity")


def finished(records: Mapping[str, TrialRecord], plan: Plan) -> dict[str, TrialRecord]:
    """The plan's trials that need no training; failed ones are tried again."""
    return {key: records[key] for key in plan.trials() if key in records and records[key].outcome != "failed"}
