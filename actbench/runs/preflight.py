"""A look at an experiment's networks before they are trained: a few images forward and backward, in seconds."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actbench.catalogue.datasets import Arrays, Dataset, is_present, load
from actbench.experiment.definition import Arm, Experiment
from actbench.experiment.layers import resolve_layers
from actbench.experiment.settings import TrialSettings
from actbench.lazy import LazyModule
from actbench.plan.trials import make_trial
from actbench.training.flows import Flow

if TYPE_CHECKING:
    import numpy
else:
    numpy = LazyModule("numpy")

MOST_SEEDS = 3


@dataclass(frozen=True)
class NetworkFlow:
    """What goes through a network, and the arms that begin with it."""

    arms: tuple[Arm, ...]
    flow: Flow

    def label(self) -> str:
        """The arms as tables call them."""
        return "; ".join(arm.label() for arm in self.arms)


@dataclass(frozen=True)
class Preflight:
    """Every distinct network of an experiment; `stand_in` names the dataset that random images stand in for."""

    experiment: Experiment
    seeds: tuple[int, ...]
    networks: tuple[NetworkFlow, ...]
    stand_in: str | None


def fly(experiment: Experiment, data_folder: Path) -> Preflight:
    """Pass training images forward and backward through every arm's networks, as up to three of its seeds draw them.

    Arms that differ in how they are trained alone share a network. Where the dataset is absent, random images stand in
    for it. Raises `UnusableEnvironmentError` on damaged data.
    """
    from actbench.training.preflight import measure_flow

    dataset = experiment.settings.data.facts()
    is_there = is_present(dataset, data_folder)
    arrays = load(dataset, data_folder) if is_there else _random_images(dataset)
    seeds = experiment.seeds[:MOST_SEEDS]
    arms: dict[Hashable, list[Arm]] = {}
    for arm in experiment.arms():
        arms.setdefault(_beginning(arm.settings), []).append(arm)
    networks = [
        NetworkFlow(tuple(alike), measure_flow([make_trial(alike[0].settings, seed) for seed in seeds], arrays))
        for alike in arms.values()
    ]
    return Preflight(experiment, seeds, tuple(networks), None if is_there else dataset.name)


def _beginning(settings: TrialSettings) -> Hashable:
    """All that the first forward and backward pass depend on."""
    train = settings.train
    return settings.data, resolve_layers(settings), settings.model.output, train.loss, train.precision


def _random_images(dataset: Dataset) -> Arrays:
    """Images of the dataset's shape with every pixel drawn uniformly from its range."""
    draws = numpy.random.Generator(numpy.random.PCG64(0))

    def drawn(count: int) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]:
        return draws.integers(0, int(dataset.maximum), (count, dataset.features), dtype=numpy.uint8, endpoint=True)

    def labels(count: int) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.int64]]:
        return draws.integers(0, dataset.classes, count, dtype=numpy.int64)

    train, test = dataset.train_count, dataset.test_count
    return Arrays(drawn(train), labels(train), drawn(test), labels(test))
