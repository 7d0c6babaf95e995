"""What determines a trial's numbers, and which arms it is the same for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from actbench.catalogue.recorded import FROM
from actbench.experiment.cells import find_references
from actbench.experiment.choices import Choice
from actbench.experiment.compatibility import Conflict
from actbench.experiment.definition import Arm, Experiment
from actbench.experiment.layers import Layer, resolve_layers
from actbench.experiment.naming import SettingValues
from actbench.experiment.settings import DataSettings, TrialSettings
from actbench.text import counted, listed


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
        "checksum": data.dataset.checksum,
        "train": data.train_count(),
        "validation": data.validation_count(),
        "test": data.test_count(),
        "split": data.split,
        "scale": data.scale,
    }


def images_identity(data: DataSettings) -> tuple[tuple[str, Any], ...]:
    """Which images a trial sees, however they are scaled: seeds of arms with the same ones are pairs."""
    return tuple((key, value) for key, value in data_identity(data).items() if key != "scale")


def has_pairs(experiment: Experiment) -> bool:
    """Whether some arm has the images of its baseline; also where nothing has one, and with looks, which pair all."""
    arms = list(experiment.arms())
    references = find_references(arms, arms, experiment.baseline)
    images = [
        (images_identity(arm.settings.data), images_identity(other.settings.data))
        for arm, other in zip(arms, references, strict=True)
        if other is not None and other is not arm
    ]
    return experiment.looks is not None or not images or any(own == others for own, others in images)


def plain(value: Any) -> Any:
    """A choice or a layer as plain data, for `json.dumps`."""
    if isinstance(value, Choice):
        source = {FROM: value.recorded.checksum} if value.recorded else {}
        return {value.name: {**dict(value.parameters), **source}}
    if isinstance(value, Layer):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a trial's identity")


def equal_arms(arms: Iterable[Arm]) -> Iterator[Conflict]:
    """A warning for every two values whose arms train the same networks; pairs that differ alike are counted."""
    groups: dict[Hashable, list[Arm]] = defaultdict(list)
    pairs: dict[tuple[SettingValues, SettingValues], list[tuple[Arm, Arm]]] = defaultdict(list)
    counts: dict[str, set[object]] = defaultdict(set)
    for arm in arms:
        group = groups[_effect(arm.settings)]
        if group:
            nearest = min(group, key=lambda earlier: len(_differing(earlier, arm)))
            pairs[_differing(nearest, arm), _differing(arm, nearest)].append((nearest, arm))
        group.append(arm)
        for path, value in arm.values:
            counts[path].add(value)
    arm_count = sum(map(len, groups.values()))
    for (values, _), [(first, other), *others] in pairs.items():
        more = f" (and {counted(len(others), 'more such pair')})" if others else ""
        paths = [path for path, _ in values]
        is_for_all = (1 + len(others)) * math.prod(len(counts[path]) for path in paths) == arm_count
        advice = f"remove one of these values of {listed(paths)}" if is_for_all else "count them as one arm"
        message = f"the arms `{first.label()}` and `{other.label()}` train the same networks{more}: {advice}"
        yield Conflict(paths[-1], message, impossible=False)


def _differing(arm: Arm, other: Arm) -> SettingValues:
    """The values of an arm that are not the other's."""
    return tuple(value for value, theirs in zip(arm.values, other.values, strict=True) if value != theirs)


def _effect(settings: TrialSettings) -> Hashable:
    """The determining settings, the same for settings that a trial's id distinguishes but training does not."""
    effect = determining_settings(settings)
    effect["train"] |= {"batch_size": settings.train.batch_images(settings.data.train_count())}
    effect["data"] |= {"scale": settings.data.divisor()}
    return tuple(tuple(part.items()) if isinstance(part, dict) else part for part in effect.values())
