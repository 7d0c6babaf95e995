"""Metrics by name: what can be read off a trial's record, and which way is better."""

from __future__ import annotations

import base64
import math
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from actbench.catalogue.lookup import entries
from actbench.catalogue.losses import probability_form
from actbench.experiment.layers import learnable_parameter_sizes, resolve_layers
from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.lazy import numpy as np
from actbench.text import did_you_mean

PARTS = ("test", "validation", "train")
CURVES = tuple(f"{part}_{quantity}" for part in PARTS for quantity in ("accuracy", "loss"))
OF_PROBABILITIES = ("nll", "brier", "ece")
MEASURES = tuple(f"{part}_{quantity}" for part in PARTS[:2] for quantity in (*OF_PROBABILITIES, "top2_accuracy"))
NOT_NUMBERS = ("epoch", "layer", "histogram", "learnt")
PROBES = (*(name for name in LayerProbe.model_fields if name not in NOT_NUMBERS), "abs_mean")
COUNTED = {"accuracy": "correct_count", "top2_accuracy": "top2_correct_count"}
OF_ACTIVATIONS = ("dead_share", "saturated_share")
OTHERS = ("step_seconds", "boundary")
FORMS = (
    "test_accuracy_of_first_64", "test_accuracy_of_class_3", "epochs_to_0.95_validation_accuracy", "layer1.dead_share",
    "layer1.negative_slope", "validation_loss@3",
)  # fmt: skip

CURVE = re.compile(rf"(?P<curve>{'|'.join((*CURVES, *MEASURES))})(@(?P<epoch>\d{{1,7}}))?")
PROBE = re.compile(rf"layer(?P<layer>\d{{1,3}})\.(?P<probe>{'|'.join(PROBES)})(@(?P<epoch>\d{{1,7}}))?")
LEARNT_PREFIX = "learnt_"
LEARNT_NAME = r"[a-z_]\w{0,60}"
LEARNT = re.compile(rf"layer(?P<layer>\d{{1,3}})\.(?P<probe>{LEARNT_NAME})(@(?P<epoch>\d{{1,7}}))?")
OF_CLASS = re.compile(r"test_accuracy_of_class_(?P<label>\d{1,3})")
FIRST = re.compile(r"test_accuracy_of_first_(?P<count>\d{1,7})")
EPOCHS_TO = re.compile(r"epochs_to_(?P<target>\d+(\.\d+)?)_(?P<curve>(train|validation)_(accuracy|loss))")
EXPRESSION = re.compile(r"(?P<first>\S+)\s+(?P<operator>[-/])\s+(?P<second>\S+)")

Unit = Literal["share", "loss", "number"]


@dataclass(frozen=True)
class Metric:
    """One number that a trial's record gives, or does not (None: absent or not finite).

    `unit`: shares are shown in percent. `larger_is_better` is None where neither way is. `problem` says why networks of
    given settings cannot have it, or is None. `is_loss`: it is read off a training loss, in whose unit it is.
    """

    name: str
    unit: Unit
    larger_is_better: bool | None
    value: Callable[[TrialRecord], float | None]
    problem: Callable[[TrialSettings], str | None]
    is_timed: bool = False
    is_loss: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is shown in percent, and its differences in points."""
        return self.unit == "share"


@cache
def parse_metric(text: str) -> Metric:
    """A metric by name, the difference of two (`train_loss - validation_loss`) or their ratio; raises `ValueError`."""
    if found := EXPRESSION.fullmatch(text.strip()):
        return _combined(parse_metric(found["first"]), found["operator"], parse_metric(found["second"]))
    return _single(text.strip())


def _single(name: str) -> Metric:
    if found := CURVE.fullmatch(name):
        return _curve(name, found["curve"], _epoch(found))
    if found := PROBE.fullmatch(name):
        return _probe(name, int(found["layer"]), found["probe"], _epoch(found))
    if found := OF_CLASS.fullmatch(name):
        return _of_class(name, int(found["label"]))
    if found := FIRST.fullmatch(name):
        return _of_first(name, int(found["count"]))
    if found := EPOCHS_TO.fullmatch(name):
        return _epochs_to(name, float(found["target"]), found["curve"])
    if name == "step_seconds":
        return Metric(name, "number", False, _step_seconds, lambda _settings: None, is_timed=True)
    if name == "boundary":
        return Metric(name, "number", None, _boundary, _boundary_problem)
    if (found := LEARNT.fullmatch(name)) and _may_be_learnt(found["probe"]):
        return _learnt(name, int(found["layer"]), found["probe"], _epoch(found))
    known = dict.fromkeys((*CURVES, *MEASURES, *OTHERS, *FORMS, *(f"layer1.{probe}" for probe in PROBES)))
    near = did_you_mean(name, known) or f"; known here: {', '.join((*CURVES, *MEASURES, *OTHERS))}"
    raise ValueError(f"no metric is called {name!r}{near}")


def _epoch(found: re.Match[str]) -> int | None:
    return None if found["epoch"] is None else int(found["epoch"])


def _combined(first: Metric, operator: str, second: Metric) -> Metric:
    def value(record: TrialRecord) -> float | None:
        a, b = first.value(record), second.value(record)
        if a is None or b is None:
            return None
        return a - b if operator == "-" else _ratio(a, b)

    unit: Unit = first.unit if operator == "-" and first.unit == second.unit else "number"
    return Metric(
        f"{first.name} {operator} {second.name}",
        unit,
        None,
        value,
        lambda settings: first.problem(settings) or second.problem(settings),
        is_timed=first.is_timed or second.is_timed,
        is_loss=first.is_loss or second.is_loss,
    )


def _ratio(a: float, b: float) -> float | None:
    """A / b, or None where that is not finite."""
    ratio = a / b if b else math.inf
    return ratio if math.isfinite(ratio) else None


def _curve(name: str, curve: str, epoch: int | None) -> Metric:
    part, _, quantity = curve.partition("_")

    def problem(settings: TrialSettings) -> str | None:
        if part == "validation" and not settings.data.validation_count():
            return f"{name}: no validation images are held out"
        if quantity == "top2_accuracy" and settings.data.dataset.classes < 3:
            return f"{name}: of two classes one of two is always right"
        output, loss = settings.model.output, settings.train.loss
        if quantity in OF_PROBABILITIES and not probability_form(output.entry, dict(output.parameters), loss.entry):
            return f"{name}: {output} with {loss} gives no probabilities"
        if epoch is None:
            return None
        if part == "test":
            return f"{name}: test images are looked at once, after the last epoch"
        return None if 1 <= epoch <= settings.train.epochs else f"{name}: epochs are 1 to {settings.train.epochs}"

    is_accuracy = quantity in COUNTED
    return Metric(
        name,
        "share" if is_accuracy else "loss",
        is_accuracy,
        lambda record: _curve_value(record, part, quantity, epoch),
        problem,
        is_loss=quantity == "loss",
    )


def _curve_value(record: TrialRecord, part: str, quantity: str, epoch: int | None) -> float | None:
    """The value after an epoch, or at the trial's end; accuracies as fractions."""
    found: float | None
    field = COUNTED.get(quantity, quantity)
    if part == "test":
        found = getattr(record, f"test_{field}")
    else:
        series = getattr(record.curves, f"{part}_{field}")
        index = (epoch or len(record.curves.train_loss)) - 1
        found = series[index] if 0 <= index < len(series) else None
    return found / getattr(record, f"{part}_count") if found is not None and quantity in COUNTED else found


def _probe(name: str, layer: int, probe: str, epoch: int | None) -> Metric:
    field = probe.removeprefix("abs_")

    def value(record: TrialRecord) -> float | None:
        probed = _latest_probe(record, layer, epoch)
        found = getattr(probed, field) if probed else None
        return abs(found) if found is not None and probe == "abs_mean" else found

    def problem(settings: TrialSettings) -> str | None:
        depth = len(resolve_layers(settings))
        if not 1 <= layer <= depth:
            return f"{name}: layers are 1 to {depth}"
        if probe in OF_ACTIVATIONS and layer == depth:
            return f"{name}: the last layer has no activation"
        return _unprobed(name, settings, epoch)

    is_share = probe.endswith("share")
    return Metric(name, "share" if is_share else "number", False if probe in OF_ACTIVATIONS else None, value, problem)


def _latest_probe(record: TrialRecord, layer: int, epoch: int | None) -> LayerProbe | None:
    probed = [one for one in record.probes if one.layer == layer and epoch in (None, one.epoch)]
    return probed[-1] if probed else None


def _unprobed(name: str, settings: TrialSettings, epoch: int | None) -> str | None:
    """Why layers are not looked at after this epoch."""
    probed = settings.train.probed_epochs()
    if epoch is None or epoch in probed:
        return None
    nearest, last = min(probed, key=lambda one: abs(one - epoch)), settings.train.epochs
    return f"{name}: of epochs 0 (before training) to {last}, {len(probed)} are probed; nearest: {nearest}"


def learnt_name(parameter: str) -> str:
    """What metrics and columns call a learnt parameter: `learnt_mean` where a layer's figure is called `mean`."""
    return f"{LEARNT_PREFIX}{parameter}" if parameter in PROBES else parameter


def _may_be_learnt(name: str) -> bool:
    """Whether it is a learnt parameter of an activation, or could be one of a custom one and is no misspelt figure."""
    known = {learnt_name(one) for entry in entries("activation") for one in entry.learnable}
    return name.removesuffix("_sd") in known or not did_you_mean(name, PROBES)


def _learnt(name: str, layer: int, column: str, epoch: int | None) -> Metric:
    """A parameter that the activation of a layer learns; its mean over the features if each has one."""
    bare = column.removeprefix(LEARNT_PREFIX)
    parameter = bare if learnt_name(bare) == column else column

    def value(record: TrialRecord) -> float | None:
        probed = _latest_probe(record, layer, epoch)
        return probed.learnt.get(parameter) if probed else None

    def problem(settings: TrialSettings) -> str | None:
        layers = resolve_layers(settings)
        if not 1 <= layer <= len(layers):
            return f"{name}: layers are 1 to {len(layers)}"
        sizes = learnable_parameter_sizes(layers[layer - 1])
        known = [*map(learnt_name, sizes), *(f"{one}_sd" for one, size in sizes.items() if size > 1)]
        if column not in known:
            learns = f"learns {', '.join(known)}" if known else "learns no parameter of its activation"
            return f"{name}: layer {layer} {learns}{did_you_mean(column, known)}"
        return _unprobed(name, settings, epoch)

    return Metric(name, "number", None, value, problem)


def _of_class(name: str, label: int) -> Metric:
    """The share of the test images of one class that are given it."""

    def value(record: TrialRecord) -> float | None:
        mistakes, given = record.mistakes(), record.test_prediction_counts
        if mistakes is None or label >= len(given):
            return None
        right = given[label] - sum(predicted == label for _, predicted in mistakes)
        images = right + sum(true == label for true, _ in mistakes)
        return right / images if images else None

    def problem(settings: TrialSettings) -> str | None:
        classes = settings.data.dataset.classes
        return None if label < classes else f"{name}: classes are 0 to {classes - 1}"

    return Metric(name, "share", True, value, problem)


def _of_first(name: str, count: int) -> Metric:
    def value(record: TrialRecord) -> float | None:
        packed = np.frombuffer(base64.b64decode(record.test_is_correct), np.uint8)
        is_there = record.test_count >= count <= 8 * len(packed)
        return float(np.unpackbits(packed, count=count).mean()) if is_there else None

    def problem(settings: TrialSettings) -> str | None:
        available = settings.data.test_count()
        return None if 1 <= count <= available else f"{name}: there are {available} test images"

    return Metric(name, "share", True, value, problem)


def _epochs_to(name: str, target: float, curve: str) -> Metric:
    """Epochs until the curve first reaches the target; one more than were trained where it never does."""
    whole = _curve(name, curve, None)
    part, _, quantity = curve.partition("_")

    def value(record: TrialRecord) -> float | None:
        if record.outcome == "failed":
            return None
        for epoch in range(1, len(record.curves.train_loss) + 1):
            reached = _curve_value(record, part, quantity, epoch)
            if reached is not None and (reached >= target if quantity == "accuracy" else reached <= target):
                return float(epoch)
        return float(record.settings.train.epochs + 1)

    def problem(settings: TrialSettings) -> str | None:
        if quantity == "accuracy" and target > 1:
            return f"{name}: a target for the accuracy is a fraction, such as 0.95"
        return whole.problem(settings)

    return Metric(name, "number", False, value, problem, is_loss=quantity == "loss")


def _step_seconds(record: TrialRecord) -> float | None:
    """The median epoch's time per step; None for a trial that shared its stack, whose time is not its own."""
    if record.stack_trials > 1 or not record.epoch_seconds:
        return None
    steps = math.ceil(record.train_count / record.settings.train.batch_images(record.train_count))
    return statistics.median(record.epoch_seconds) / steps


def _boundary(record: TrialRecord) -> float | None:
    """The (scaled) input at which a single unit's score weight * x + bias changes sign: -bias / weight."""
    weight, bias = record.parameters.get("layer1.weight", ()), record.parameters.get("layer1.bias", ())
    if len(weight) != 1 or len(bias) != 1 or weight[0] is None or bias[0] is None:
        return None
    return _ratio(-bias[0], weight[0])


def _boundary_problem(settings: TrialSettings) -> str | None:
    layers = resolve_layers(settings)
    is_perceptron = len(layers) == 1 and (layers[0].fan_in, layers[0].units) == (1, 1)
    return None if is_perceptron else "boundary: only a network of one input and one unit has one"
