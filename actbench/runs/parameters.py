"""Every parameter of an experiment's networks by name, as a seed draws it and after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actbench.errors import UnusableEnvironmentError
from actbench.experiment.definition import Experiment, with_values
from actbench.experiment.records import Trial
from actbench.lazy import numpy
from actbench.plan.trials import make_trial
from actbench.render.sections import Section
from actbench.store.results import Results
from actbench.store.weights import read_weights, weights_file


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of a parameter's values."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Parameter:
    """One parameter; `trained` is None where no weights were kept."""

    name: str
    shape: tuple[int, ...]
    count: int
    start: Moments
    trained: Moments | None


@dataclass(frozen=True)
class ArmsParameters:
    """The parameters of one seed's network, and the arms that have exactly these."""

    arms: tuple[str, ...]
    parameters: tuple[Parameter, ...]


def summarise_parameters(experiment: Experiment, seed: int, results: Results | None) -> list[ArmsParameters]:
    """The parameters of every arm, with those after training as far as a result folder has kept them.

    Raises `UnusableEnvironmentError` on a damaged file of weights.
    """
    from actbench.training.parameters import initial_parameters

    arms: dict[tuple[Parameter, ...], list[str]] = {}
    tuned = {arm.values: arm.tuned for arm, _ in results.plan.arms} if results else {}
    for arm in experiment.arms():
        settings = with_values(arm.settings, tuned.get(arm.values, ()))
        trial = make_trial(settings, seed, training_code=results.training_code if results else None)
        trained = _kept_weights(results.folder, trial) if results else {}
        start = {name: values.numpy() for name, values in initial_parameters(trial).items()}
        parameters = (
            Parameter(name, tuple(x.shape), x.size, _moments(x), _moments(trained[name]) if name in trained else None)
            for name, x in start.items()
        )
        arms.setdefault(tuple(parameters), []).append(arm.label())
    return [ArmsParameters(tuple(labels), alike) for alike, labels in arms.items()]


def _kept_weights(folder: Path, trial: Trial) -> dict[str, Any]:
    """A trial's final weights, or nothing where none were kept."""
    if not (path := weights_file(folder, trial.id)).is_file():
        return {}
    try:
        return read_weights(folder, trial.id, trial.settings)
    except ValueError as problem:
        raise UnusableEnvironmentError(f"{path}: {problem}; remove it, or put it back from a copy") from None


def _moments(values: Any) -> Moments:
    return Moments(float(values.mean(dtype=numpy.float64)), float(values.std(dtype=numpy.float64)))


def parameters_sections(found: Sequence[ArmsParameters], seed: int) -> list[Section]:
    """A table for every distinct network."""
    sections = []
    for network in found:
        header = ["parameter", "shape", "count", "mean", "sd"]
        rows = [
            [one.name, " x ".join(map(str, one.shape)), f"{one.count:,}", *_cells(one.start), *_cells(one.trained)]
            for one in network.parameters
        ]
        notes = [f"{sum(one.count for one in network.parameters):,} trainable parameters, as seed {seed} draws them."]
        if network.parameters[0].trained:
            header += ["trained mean", "trained sd"]
            notes.append("Trained: the weights that the result folder has kept.")
        sections.append(Section("; ".join(network.arms), header, rows, notes))
    return sections


def _cells(moments: Moments | None) -> list[str]:
    return [f"{moments.mean:.3g}", f"{moments.sd:.3g}"] if moments else []


def parameters_document(found: Sequence[ArmsParameters], seed: int) -> dict[str, Any]:
    """The same as plain data."""
    return {"seed": seed, "networks": [asdict(one) for one in found]}
