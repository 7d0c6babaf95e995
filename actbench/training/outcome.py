"""A trial's curves, its figures at the end, and its record."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
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

    def figures(self, index: int, part: str) -> dict[str, float]:
        """One trial's figures by the names that records have for them, such as `test_loss`."""
        figures = {"loss": self.losses[index], **vars(self.measures[index])}
        return {f"{part}_{name}": value for name, value in figures.items() if value is not None}


@dataclass
class TrialCurves:
    """One trial's values so far, one per epoch, and at its end what else its record says; by their names there."""

    by_name: dict[str, list[float | None]]
    diverged_epoch: int | None = None
    end: dict[str, Any] | None = None

    def epochs(self) -> int:
        """In how many epochs it has been trained."""
        return len(self.by_name["train_loss"])


def record_epoch(curves: Sequence[TrialCurves], epoch: int, trained: Trained, validated: Evaluation | None) -> None:
    """Add one epoch to the curves of all trials that have not diverged, and mark those that diverge in it."""
    for index, curve in enumerate(curves):
        if curve.diverged_epoch is not None:
            continue
        figures = {"train_loss": trained[0][index], "train_correct_count": trained[1][index]}
        if validated is not None:
            figures |= validated.figures(index, "validation")
        for name, value in figures.items():
            curve.by_name.setdefault(name, []).append(_finite(value))
        if not all(math.isfinite(value) for name, value in figures.items() if name.endswith("_loss")):
            curve.diverged_epoch = epoch


def record_end(
    curves: Sequence[TrialCurves], ended: Sequence[bool], network: Network, tested: Evaluation | None
) -> list[int]:
    """Record the end of the trials in `ended` and say which are new among them; their test figures are read once.

    A tuning trial has no test figures, since choices must not depend on the test images.
    """
    new = [index for index, curve in enumerate(curves) if ended[index] and curve.end is None]
    for index in new:
        curve = curves[index]
        curve.end = {"parameters": small_parameters(network, index)}
        if tested is not None:
            figures = tested.figures(index, "test")
            curve.end |= {name: _finite(value) for name, value in figures.items()} | _predictions(
                network, index, tested
            )
            if curve.diverged_epoch is None and not math.isfinite(figures["test_loss"]):
                curve.diverged_epoch = curve.epochs()
    return new


def _predictions(network: Network, index: int, tested: Evaluation) -> dict[str, Any]:
    """What one trial's network predicts for the test images, by the names that records have for it."""
    labels, predicted = tested.labels[index].cpu(), tested.predicted[index].cpu()
    is_correct = predicted == labels
    classes = network.trials[index].settings.data.dataset.classes
    codes = (labels * classes + predicted)[~is_correct].numpy().astype(f">u{bytes_of_a_mistake(classes)}")
    return {
        "test_is_correct": base64.b64encode(np.packbits(is_correct.numpy()).tobytes()).decode(),
        "test_prediction_counts": torch.bincount(predicted, minlength=classes).tolist(),
        "test_mistakes": base64.b64encode(codes.tobytes()).decode(),
    }


def small_parameters(network: Network, index: int) -> dict[str, list[float | None]]:
    """All parameters of one trial's network by layer, row by row; none if there are more than 64."""
    if sum(map(count_parameters, network.layers[index])) > MAX_KEPT_PARAMETERS:
        return {}
    parameters = final_parameters(network, index)
    return {name: list(map(_finite, values.flatten().tolist())) for name, values in parameters.items()}


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
    assert curve.end is not None
    diverged_epoch = curve.diverged_epoch
    return TrialRecord.of(
        trial,
        outcome="done" if diverged_epoch is None else "diverged",
        diverged_epoch=diverged_epoch,
        curves=Curves.model_validate(curve.by_name),
        probes=tuple(
            layer for layers in probes for layer in layers if diverged_epoch is None or layer.epoch <= diverged_epoch
        ),
        **curve.end,
        wall_seconds=seconds,
        epoch_seconds=tuple(epoch_seconds[: curve.epochs()]),
        stack_trials=stack,
        device=device,
    )
