"""Stacks: trials of one shape that train together, sized for the cache and the number of workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from actbench.experiment.identity import data_identity
from actbench.experiment.layers import network_size, resolve_layers
from actbench.experiment.records import Trial
from actbench.experiment.settings import EVALUATION_IMAGES, TrialSettings

BYTES_PER_PARAMETER = 16
MIN_STACK_TRIALS, MAX_STACK_TRIALS = 4, 256
CPU_CACHE_BYTES = 32 * 2**20
GPU_CACHE_BYTES = 2**30
MAX_BATCH_BYTES = 2**30

Stack = tuple[Trial, ...]


def make_stacks(
    trials: Iterable[Trial], *, workers: int = 1, cache_bytes: int = CPU_CACHE_BYTES, is_timed: bool = False
) -> tuple[Stack, ...]:
    """Each distinct trial in one stack that fits the cache, enough for all workers; alone if time is measured."""
    shapes: dict[Any, dict[Any, dict[str, Trial]]] = {}
    for trial in trials:
        shape = trial.phase, stack_shape(trial.settings)
        shapes.setdefault(shape, {}).setdefault(function_key(trial.settings), {})[trial.id] = trial
    total = sum(len(by_id) for by_functions in shapes.values() for by_id in by_functions.values())
    fair_share = max(1, total // (2 * workers)) if workers > 1 else total
    stacks: list[Stack] = []
    for by_functions in shapes.values():
        alike = [tuple(sorted(by_id.values(), key=lambda trial: trial.seed)) for by_id in by_functions.values()]
        width = 1 if is_timed else min(cache_width(alike[0][0].settings, cache_bytes), fair_share)
        stacks += _stacks_of_one_shape(alike, width)
    return tuple(_evened_out(stacks, workers, cache_bytes))


def _evened_out(stacks: Sequence[Stack], workers: int, cache_bytes: int) -> list[Stack]:
    """The stacks, those of the last round, if of one shape, cut so that no worker waits long for the others."""
    rest = len(stacks) % workers
    uncut, last = stacks[: len(stacks) - (rest or workers)], stacks[len(stacks) - (rest or workers) :]
    trials = [trial for stack in last for trial in stack]
    pieces = workers if rest else 2 * workers
    if workers == 1 or len(trials) < pieces or len({stack_shape(trial.settings) for trial in trials}) > 1:
        return list(stacks)
    if not rest and 2 * min(map(len, last)) < cache_width(trials[0].settings, cache_bytes):
        return list(stacks)
    bounds = [round(number * len(trials) / pieces) for number in range(pieces + 1)]
    return [*uncut, *(tuple(trials[a:b]) for a, b in pairwise(bounds))]


def _stacks_of_one_shape(alike: Sequence[Stack], width: int) -> list[Stack]:
    """Cut the trials with the same functions into equal stacks; combine those of several functions if they are few.

    Trials with the same functions are computed in one call, so they stay together; trials of one seed share batches, so
    cuts go between seeds if possible.
    """
    stacks: list[Stack] = []
    group: list[Trial] = []
    for trials in alike:
        if len(group) + len(trials) > width:
            stacks += _flushed(group)
            group = []
        if len(trials) > width:
            even = math.ceil(len(trials) / math.ceil(len(trials) / width))
            stacks += [stack for part in batched_tuple(trials, even) for stack in _flushed(part)]
        else:
            group += trials
    return stacks + _flushed(group)


def _flushed(group: Sequence[Trial]) -> list[Stack]:
    """The group as one stack, ordered by functions and settings; none if it is empty."""
    by_functions = {key: place for place, key in enumerate(dict.fromkeys(function_key(one.settings) for one in group))}
    by_settings = {key: place for place, key in enumerate(dict.fromkeys(one.settings for one in group))}

    def place(trial: Trial) -> tuple[int, int]:
        return by_functions[function_key(trial.settings)], by_settings[trial.settings]

    return [tuple(sorted(group, key=place))] if group else []


def batched_tuple(items: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    """Consecutive tuples of at most `size` items."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def cache_width(settings: TrialSettings, cache_bytes: int) -> int:
    """How many trials' weights, gradients and two moments fit the cache, with batches that fit memory."""
    width = min(max(cache_bytes // _weight_bytes(settings), MIN_STACK_TRIALS), MAX_STACK_TRIALS)
    return max(1, min(width, MAX_BATCH_BYTES // _batch_bytes(settings)))


def stack_bytes(settings: TrialSettings) -> int:
    """Bytes that each trial of a stack takes: weights, gradients, two moments, and one batch in all layers."""
    return _weight_bytes(settings) + _batch_bytes(settings)


def _weight_bytes(settings: TrialSettings) -> int:
    return BYTES_PER_PARAMETER * network_size(settings).parameters


def _batch_bytes(settings: TrialSettings) -> int:
    layers = resolve_layers(settings)
    images = max(settings.train.batch_images(settings.data.train_count()), EVALUATION_IMAGES)
    return 4 * images * (layers[0].fan_in + 4 * sum(layer.units for layer in layers))


def stack_shape(settings: TrialSettings) -> tuple[Any, ...]:
    """Everything that trials of one stack must have in common."""
    layers = tuple(
        (layer.fan_in, layer.units, layer.activation is None, layer.dropout, layer.batch_norm)
        for layer in resolve_layers(settings)
    )
    train = settings.train
    data = tuple(data_identity(settings.data).values())
    how = train.optimizer, train.precision, train.batch_size, train.epochs, train.schedule, train.shuffle
    return data, layers, *how


def function_key(settings: TrialSettings) -> tuple[Any, ...]:
    """The activations, the output and the loss; trials with the same ones share each call."""
    activations = tuple(layer.activation for layer in resolve_layers(settings))
    return activations, settings.model.output, settings.train.loss
