"""Preflight: a few images forward and backward through an experiment's untrained networks."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any

from actbench.catalogue.datasets import Arrays, Dataset, is_present, load
from actbench.experiment.definition import Arm, Experiment
from actbench.experiment.layers import resolve_layers
from actbench.lazy import numpy
from actbench.plan.trials import make_trial
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT
from actbench.training.flows import FACTOR, Flow, LayerFlow

MAX_SEEDS = 3


@dataclass(frozen=True)
class NetworkFlow:
    """The flow through a network, and the arms that start with it."""

    arms: tuple[Arm, ...]
    flow: Flow


@dataclass(frozen=True)
class Preflight:
    """The flow through every distinct network; `stand_in` is the dataset that random images replace, if any."""

    experiment: Experiment
    seeds: tuple[int, ...]
    networks: tuple[NetworkFlow, ...]
    stand_in: str | None


def run_preflight(experiment: Experiment, data_folder: Path) -> Preflight:
    """Pass images (random ones if the dataset is absent) through the distinct networks of up to three seeds.

    Raises `UnusableEnvironmentError` on damaged data.
    """
    dataset = experiment.settings.data.dataset
    is_there = is_present(dataset, data_folder)
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(load, dataset, data_folder) if is_there else pool.submit(_random_images, dataset)
        from actbench.training.preflight import measure_flows  # meanwhile, since it imports torch

    seeds = experiment.seeds[:MAX_SEEDS]
    arms: dict[Hashable, list[Arm]] = {}
    for arm in experiment.arms():
        settings, train = arm.settings, arm.settings.train
        first_pass = settings.data, resolve_layers(settings), settings.model.output, train.loss, train.precision
        arms.setdefault(first_pass, []).append(arm)
    stacks = [[make_trial(alike[0].settings, seed) for seed in seeds] for alike in arms.values()]
    flows = measure_flows(stacks, loading.result())
    networks = tuple(NetworkFlow(tuple(alike), flow) for alike, flow in zip(arms.values(), flows, strict=True))
    return Preflight(experiment, seeds, networks, None if is_there else dataset.name)


def _random_images(dataset: Dataset) -> Arrays:
    """Images of the dataset's shape with every pixel drawn uniformly from its range."""
    draws = numpy.random.Generator(numpy.random.PCG64(0))

    def drawn(count: int) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8]]:
        return draws.integers(0, int(dataset.maximum), (count, dataset.features), dtype=numpy.uint8, endpoint=True)

    def labels(count: int) -> numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.int64]]:
        return draws.integers(0, dataset.classes, count, dtype=numpy.int64)

    train, test = dataset.train_count, dataset.test_count
    return Arrays(drawn(train), labels(train), drawn(test), labels(test))


LAYER_COLUMNS = ("layer", "function", "values", "expected", "differ %", "gradient", "expected", "saturated %", "dead %")


def preflight_sections(found: Preflight) -> list[Section]:
    """A table of layers for every network, then one of arms."""
    rows = []
    for network in found.networks:
        flow = network.flow
        sizes = [_size(flow.value_growth()), _size(flow.gradient_growth()), _percent(flow.difference())]
        rows += [[arm.label(), flow.fate(), *sizes] for arm in network.arms]
    header = ["arm", "before training", "values", "gradients", "differ %"]
    fates = Section(f"{found.experiment.name}: preflight", header, rows, list(_notes(found)))
    return [*map(_layers_section, found.networks), fates]


def preflight_warnings(found: Preflight) -> list[str]:
    """A sentence for every arm that will explode or vanish."""
    return [
        f"{arm.label()} {network.flow.fate()}: {'; '.join(reason for _, reason in network.flow.problems())}"
        for network in found.networks
        if network.flow.problems()
        for arm in network.arms
    ]


def _layers_section(network: NetworkFlow) -> Section:
    layers = resolve_layers(network.arms[0].settings)
    output = network.arms[0].settings.model.output
    last = network.flow.layers[-1].gradient
    rows = [
        [str(number), str(layer.activation or output), *_cells(flow, last)]
        for number, (layer, flow) in enumerate(zip(layers, network.flow.layers, strict=True), start=1)
    ]
    title = "; ".join(arm.label() for arm in network.arms)
    return Section(title, LAYER_COLUMNS, rows, importance=(0, 2, 5, 3, 6, 4, 7, 8, 1))


def _cells(flow: LayerFlow, last: float) -> list[str]:
    values = [_size(flow.value), _size(flow.expected_value), _percent(flow.difference)]
    gradients = [
        size / last if size is not None and 0 < last < inf else None for size in (flow.gradient, flow.expected_gradient)
    ]
    return [*values, *map(_size, gradients), _percent(flow.saturated_share), _percent(flow.dead_share)]


def _size(size: float | None) -> str:
    return ABSENT if size is None else f"{size:.3g}"


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{100 * share:.2g}" if share < 0.1 else f"{100 * share:.0f}"


def _notes(found: Preflight) -> Iterator[str]:
    if found.stand_in:
        yield (
            f"{found.stand_in} is absent: random pixels replace its images, which are darker and more alike. Fetch "
            f"them with actbench data fetch {found.stand_in}."
        )
    yield (
        f"Untrained networks of seeds {', '.join(map(str, found.seeds))}; at most 256 training images, once forward "
        "and once backward."
    )
    yield (
        "Layers: root mean squares of the values, and of the loss's gradient before the activation, this one divided "
        "by the last layer's. Expected: by the recursion of second moments. Differ: the share that images differ in."
    )
    yield (
        "Arms: the largest layer's values divided by the images', the first layer's gradient by the last's. Above "
        f"{FACTOR:g} they explode; gradients below {1 / FACTOR:g} vanish, and so do the differences between images "
        f"below {100 / FACTOR:g} %."
    )
    if any(network.flow.fate() == "will vanish" for network in found.networks):
        yield "Where gradients vanish, plain sgd learns nothing; adam and rmsprop rescale them and may still train."
    if tuned := [factor.path for factor in found.experiment.tune if not factor.path.startswith("train.")]:
        yield f"Tuned settings ({', '.join(tuned)}) are as the file has them before tuning."


def preflight_document(found: Preflight) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "images": "random" if found.stand_in else "training",
        "seeds": list(found.seeds),
        "factor": FACTOR,
        "networks": [
            {
                "arms": [{"arm": arm.to_yaml(), "label": arm.label()} for arm in network.arms],
                "fate": network.flow.fate(),
                "reasons": [reason for _, reason in network.flow.problems()],
                "images": network.flow.images,
                "value_growth": network.flow.value_growth(),
                "gradient_growth": network.flow.gradient_growth(),
                "difference": network.flow.difference(),
                "layers": [asdict(layer) for layer in network.flow.layers],
            }
            for network in found.networks
        ],
    }
