"""Settings that are each valid but do not go together: impossible pairs, and pairs that mean something else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actbench.catalogue.gains import PUBLISHED_GAINS
from actbench.experiment.layers import MAX_REMEMBERED, Layer, previous_activation, resolve_layers
from actbench.experiment.settings import ModelSettings, TrialSettings

MAX_JUMP = 1e-4
ORDERED_PARAMETERS = {"hardtanh": ("min_val", "max_val"), "trunc_normal": ("a", "b"), "uniform": ("a", "b")}


@dataclass(frozen=True)
class Conflict:
    """A sentence about settings that do not go together, and the setting to look at first."""

    path: str
    message: str
    impossible: bool


def conflicts(settings: TrialSettings) -> list[Conflict]:
    """Everything in these settings that cannot work (`impossible`) or works but not as its names say."""
    return [
        *_data_conflicts(settings),
        *_model_conflicts(settings),
        *_batch_conflicts(settings),
        *_layer_conflicts(settings.model, resolve_layers(settings)),
    ]


def _data_conflicts(settings: TrialSettings) -> Iterator[Conflict]:
    data, dataset = settings.data, settings.data.dataset
    for path, wanted, available in (
        ("data.train", data.train, dataset.train_count),
        ("data.test", data.test, dataset.test_count),
    ):
        if wanted is not None and wanted > available:
            message = f"expected at most {available} images, which is what {dataset.name} has, found {wanted}"
            yield Conflict(path, message, True)
    if data.train_count() < 1:
        message = f"{data.validation_count()} validation images leave none of {data.train_available()} to train on"
        yield Conflict("data.validation", message, True)


def _model_conflicts(settings: TrialSettings) -> Iterator[Conflict]:
    output, loss = settings.model.output, settings.train.loss
    if settings.model.hidden is not None and settings.model.layers is not None:
        yield Conflict("model.layers", "give either hidden or layers, not both", True)
    if settings.data.dataset.output_units == 1:
        for path, choice in (("model.output", output), ("train.loss", loss)):
            if choice.entry.across_units:
                dataset = settings.data.dataset
                message = f"{choice.name} compares several output units, and {dataset} has one (use sigmoid with bce)"
                yield Conflict(path, message, True)
    yields = output.entry.yields
    is_applied_twice = (loss.name, output.name) == ("cross_entropy", "log_softmax")  # and log_softmax is idempotent
    if yields not in loss.entry.accepts and not is_applied_twice:
        meant_for = " or ".join(loss.entry.accepts)
        message = f"{loss.name} is meant for {meant_for}, but output {output} gives {yields}"
        possible = yields in loss.entry.tolerates
        ending = ": it trains, but on another loss than its name says" if possible else ": it cannot be computed"
        yield Conflict("train.loss", message + ending, not possible)
    given = dict(settings.train.optimizer.parameters)
    if given.get("nesterov") and (given["momentum"] <= 0 or given["dampening"] != 0):
        yield Conflict("train.optimizer", "nesterov needs a momentum above 0 and dampening 0", True)


def _batch_conflicts(settings: TrialSettings) -> Iterator[Conflict]:
    """Batches of one image, whose variance batch norm cannot compute (torch.nn.BatchNorm1d raises an error)."""
    count = settings.data.train_count()
    if count < 1 or not any(layer.batch_norm for layer in resolve_layers(settings)):
        return
    size = settings.train.batch_images(count)
    if size == 1 or count % size == 1:
        cause = f"batches of {size} leave 1 of {count} training images over" if size > 1 else "each batch has 1 image"
        message = f"batch norm needs at least 2 images in every batch, but {cause}: "
        yield Conflict("train.batch_size", message + "change batch_size, data.train or data.validation", True)


@lru_cache(maxsize=MAX_REMEMBERED)
def _layer_conflicts(model: ModelSettings, layers: Sequence[Layer]) -> tuple[Conflict, ...]:
    """Kept, since thousands of arms have the same network."""
    return (*_range_conflicts(model, layers), *_gain_conflicts(layers), *_softplus_conflicts(layers))


def _range_conflicts(model: ModelSettings, layers: Sequence[Layer]) -> Iterator[Conflict]:
    """Parameters of one entry that are the wrong way round."""
    choices = [("model.activation", model.activation), ("model.init", model.init)]
    for layer in layers:
        choices += [("model.init", layer.init), ("model.init", layer.bias_init)]
        choices += [("model.activation", layer.activation)] if layer.activation else []
    for path, choice in dict.fromkeys(choices):
        low, high = ORDERED_PARAMETERS.get(choice.name, ("", ""))
        given = dict(choice.parameters)
        if low and given[low] >= given[high]:
            message = f"{choice.name} needs {low} below {high}, found {given[low]} and {given[high]}"
            yield Conflict(path, message, True)


def _gain_conflicts(layers: Sequence[Layer]) -> Iterator[Conflict]:
    """Named gains that an activation does not have."""
    gains = [
        (feeding, dict(init.parameters).get("gain"))
        for index, layer in enumerate(layers)
        if (feeding := previous_activation(layers, index))
        for init in (layer.init, layer.bias_init)
    ]
    sines = [one for one, gain in gains if isinstance(gain, str) and one.name == "sine" and one.recorded is None]
    if any(dict(sine.parameters)["omega"] == 0 for sine in sines):
        message = "sine with omega 0 is 0 everywhere, so no gain keeps the size of its values: give gain a number"
        yield Conflict("model.init", message, True)
    known = ", ".join(PUBLISHED_GAINS)
    published = dict.fromkeys(one.name for one, gain in gains if gain == "published")
    for name in [name for name in published if name not in PUBLISHED_GAINS]:
        message = f"no gain is published for {name} (only for {known}): use derived, or a number"
        yield Conflict("model.init", message, True)


def _softplus_conflicts(layers: Sequence[Layer]) -> Iterator[Conflict]:
    """A softplus that is cut off to a line too early: it jumps there by log(1 + e^-threshold) / beta."""
    activations = dict.fromkeys(layer.activation for layer in layers if layer.activation)
    for given in [dict(one.parameters) for one in activations if one.name == "softplus" and one.recorded is None]:
        threshold = given["threshold"]
        jump = math.log1p(math.exp(min(-threshold, 700.0))) / given["beta"]
        if jump > MAX_JUMP:
            message = f"softplus jumps by {jump:.2g} where beta * x reaches threshold {threshold:g}: 20 is large enough"
            yield Conflict("model.activation", message, False)
