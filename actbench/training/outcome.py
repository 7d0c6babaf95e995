"""A trial's curves, its figures at the end, and its record."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from actbench.experiment.layers import RUNNING_MOMENTS, count_parameters, parameter_name, parameter_shapes
from actbench.experiment.records import Curves, LayerProbe, Trial, TrialRecord, Weights, bytes_of_a_mistake
from actbench.training.measures import Measures
from actbench.training.network import Network

MAX_KEPT_PARAMETERS = 64

Trained = tuple[list[float], list[int]]
"""Mean loss and correct count of each trial over an epoch's own batches."""


class Evaluation(NamedTuple):
    """Each trial's mean loss, labels and predictions `[trials, images]`, and measures besides the loss."""

    losses: list[float]
    labels: Tensor
    predicted: Tensor
    measures: list[Measures]


@dataclass(frozen=True)
class TrialEnd:
    """One trial at its end: its parameters if they are few, and its figures on the test set.

    A tuning trial has no test figures, since choices must not depend on the test images.
    """

    parameters: dict[str, tuple[float | None, ...]]
    test_loss: float | None = None
    test_correct_count: int | None = None
    test_is_correct: str = ""
    test_prediction_counts: tuple[int, ...] = ()
    test_mistakes: str = ""
    measures: Measures | None = None


@dataclass
class TrialCurves:
    """One trial's values so far, one per epoch."""

    train_loss: list[float] = field(default_factory=list)
    train_correct_count: list[int] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_correct_count: list[int] = field(default_factory=list)
    measures: list[Measures] = field(default_factory=list)
    diverged_epoch: int | None = None
    end: TrialEnd | None = None


def record_epoch(curves: Sequence[TrialCurves], epoch: int, trained: Trained, validated: Evaluation | None) -> None:
    """Add one epoch to the curves of all trials that have not diverged, and mark those that diverge in it."""
    hits = [] if validated is None else (validated.predicted == validated.labels).sum(dim=1).tolist()
    for index, curve in enumerate(curves):
        if curve.diverged_epoch is not None:
            continue
        latest = [trained[0][index]]
        curve.train_loss.append(trained[0][index])
        curve.train_correct_count.append(trained[1][index])
        if validated is not None:
            latest.append(validated.losses[index])
            curve.validation_loss.append(validated.losses[index])
            curve.validation_correct_count.append(hits[index])
            curve.measures.append(validated.measures[index])
        if not all(map(math.isfinite, latest)):
            curve.diverged_epoch = epoch


def record_end(
    curves: Sequence[TrialCurves], ended: Sequence[bool], network: Network, tested: Evaluation | None
) -> list[int]:
    """Record the end of the trials in `ended` and say which are new among them; their test figures are read once."""
    new = [index for index, curve in enumerate(curves) if ended[index] and curve.end is None]
    for index in new:
        curves[index].end = _end_of(network, index, tested)
    return new


def _end_of(network: Network, index: int, tested: Evaluation | None) -> TrialEnd:
    parameters = small_parameters(network, index)
    if tested is None:
        return TrialEnd(parameters)
    labels, predicted = tested.labels[index].cpu(), tested.predicted[index].cpu()
    is_correct = predicted == labels
    classes = network.trials[index].settings.data.dataset.classes
    codes = (labels * classes + predicted)[~is_correct].numpy().astype(f">u{bytes_of_a_mistake(classes)}")
    return TrialEnd(
        parameters,
        test_loss=tested.losses[index],
        test_correct_count=int(is_correct.sum()),
        test_is_correct=base64.b64encode(np.packbits(is_correct.numpy()).tobytes()).decode(),
        test_prediction_counts=tuple(torch.bincount(predicted, minlength=classes).tolist()),
        test_mistakes=base64.b64encode(codes.tobytes()).decode(),
        measures=tested.measures[index],
    )


def small_parameters(network: Network, index: int) -> dict[str, tuple[float | None, ...]]:
    """All parameters of one trial's network by layer, row by row; none if there are more than 64."""
    if sum(map(count_parameters, network.layers[index])) > MAX_KEPT_PARAMETERS:
        return {}
    parameters = final_parameters(network, index)
    return {name: tuple(map(_finite, values.flatten().tolist())) for name, values in parameters.items()}


def final_parameters(network: Network, index: int) -> dict[str, Tensor]:
    """All parameters of one trial's network by name; stack-mates may have room for more values of a learnt one."""
    return {
        parameter_name(*key): network.parameters.named[key]
        .values[index]
        .detach()
        .flatten()[: math.prod(shape)]
        .view(shape)
        for key, shape in parameter_shapes(network.layers[index]).items()
    }


def final_weights(network: Network, index: int) -> Weights:
    """One trial's parameters and batch norm's running moments, as the bytes of an npz file."""
    arrays = final_parameters(network, index)
    for number, moments in network.running.items():
        for name, values in zip(RUNNING_MOMENTS, moments, strict=True):
            arrays[parameter_name(number, name)] = values[index]
    buffer = io.BytesIO()
    np.savez(buffer, **{name: values.cpu().numpy() for name, values in arrays.items()})  # type: ignore[arg-type]
    return Weights(network.trials[index].id, buffer.getvalue())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _measured(measures: Sequence[Measures], name: str) -> tuple[float | None, ...]:
    """One measure by epoch; empty where outputs give no probabilities."""
    values = [getattr(one, name) for one in measures]
    return () if None in values else tuple(map(_finite, values))


def make_record(
    trial: Trial,
    curve: TrialCurves,
    probes: tuple[tuple[LayerProbe, ...], ...],
    seconds: float,
    epoch_seconds: Sequence[float],
    stack: int,
    device: str,
) -> TrialRecord:
    """The record of a trial that has ended."""
    end = curve.end
    assert end is not None
    data = trial.settings.data
    measured: dict[str, Any] = {}
    if end.measures is not None:
        shares = {f"test_{name}": getattr(end.measures, name) for name in ("nll", "brier", "ece")}
        measured = {name: None if value is None else _finite(value) for name, value in shares.items()}
        measured["test_top2_correct_count"] = end.measures.top2_correct_count
    diverged_epoch = curve.diverged_epoch
    if diverged_epoch is None and end.test_loss is not None and not math.isfinite(end.test_loss):
        diverged_epoch = len(curve.train_loss)
    return TrialRecord(
        trial=trial.id,
        phase=trial.phase,
        seed=trial.seed,
        settings=trial.settings,
        outcome="done" if diverged_epoch is None else "diverged",
        diverged_epoch=diverged_epoch,
        train_count=data.train_count(),
        validation_count=data.validation_count(),
        test_count=data.test_count(),
        curves=Curves(
            train_loss=tuple(map(_finite, curve.train_loss)),
            train_correct_count=tuple(curve.train_correct_count),
            validation_loss=tuple(map(_finite, curve.validation_loss)),
            validation_correct_count=tuple(curve.validation_correct_count),
            validation_nll=_measured(curve.measures, "nll"),
            validation_brier=_measured(curve.measures, "brier"),
            validation_ece=_measured(curve.measures, "ece"),
            validation_top2_correct_count=tuple(one.top2_correct_count for one in curve.measures),
        ),
        probes=tuple(
            layer for layers in probes for layer in layers if diverged_epoch is None or layer.epoch <= diverged_epoch
        ),
        test_correct_count=end.test_correct_count,
        test_loss=None if end.test_loss is None else _finite(end.test_loss),
        test_is_correct=end.test_is_correct,
        test_prediction_counts=end.test_prediction_counts,
        test_mistakes=end.test_mistakes,
        **measured,
        parameters=end.parameters,
        wall_seconds=seconds,
        epoch_seconds=tuple(epoch_seconds[: len(curve.train_loss)]),
        stack_trials=stack,
        device=device,
    )
