"""Settings that are each valid but do not go together: impossible pairs, and pairs that mean something else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actbench.catalogue.gains import PUBLISHED_GAINS
from actbench.experiment.choices import Choice
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
        *_optimizer_conflicts(settings),
    ]


def warnings_about(candidates: Iterable[TrialSettings]) -> list[str]:
    """One sentence for everything that works in any of these settings, but not as its names say."""
    return list(
        dict.fromkeys(one.message for settings in candidates for one in conflicts(settings) if not one.impossible)
    )


def _data_conflicts(settings: TrialSettings) -> list[Conflict]:
    data, dataset = settings.data, settings.data.facts()
    found = []
    for path, wanted, available in (
        ("data.train", data.train, dataset.train_count),
        ("data.test", data.test, dataset.test_count),
    ):
        if wanted is not None and wanted > available:
            found.append(
                Conflict(
                    path, f"expected at most {available} images, which is what {dataset.name} has, found {wanted}", True
                )
            )
    if data.train_count() < 1:
        message = f"{data.validation_count()} validation images leave none of {data.train_available()} to train on"
        found.append(Conflict("data.validation", message, True))
    return found


def _model_conflicts(settings: TrialSettings) -> list[Conflict]:
    output, loss = settings.model.output, settings.train.loss
    found = []
    if settings.model.hidden is not None and settings.model.layers is not None:
        found.append(Conflict("model.layers", "give either hidden or layers, not both", True))
    if settings.data.facts().output_units == 1:
        for path, choice in (("model.output", output), ("train.loss", loss)):
            if choice.entry.across_units:
                message = (
                    f"{choice.name} compares several output units, and {settings.data.dataset} has one "
                    "(use sigmoid with bce)"
                )
                found.append(Conflict(path, message, True))
    yields = output.entry.yields
    is_applied_twice = (loss.name, output.name) == ("cross_entropy", "log_softmax")  # and log_softmax is idempotent
    if yields not in loss.entry.accepts and not is_applied_twice:
        meant_for = " or ".join(loss.entry.accepts)
        message = f"{loss.name} is meant for {meant_for}, but output {output} gives {yields}"
        possible = yields in loss.entry.tolerates
        ending = ": it trains, but on another loss than its name says" if possible else ": it cannot be computed"
        found.append(Conflict("train.loss", message + ending, not possible))
    return found


def _batch_conflicts(settings: TrialSettings) -> list[Conflict]:
    """Batches of one image, whose variance batch norm cannot compute (torch.nn.BatchNorm1d raises an error)."""
    count = settings.data.train_count()
    if count < 1 or not any(layer.batch_norm for layer in resolve_layers(settings)):
        return []
    size = settings.train.batch_images(count)
    if size > 1 and count % size != 1:
        return []
    cause = f"batches of {size} leave 1 of {count} training images over" if size > 1 else "each batch has 1 image"
    advice = "change batch_size, data.train or data.validation"
    return [
        Conflict("train.batch_size", f"batch norm needs at least 2 images in every batch, but {cause}: {advice}", True)
    ]


@lru_cache(maxsize=MAX_REMEMBERED)
def _layer_conflicts(model: ModelSettings, layers: Sequence[Layer]) -> tuple[Conflict, ...]:
    """Kept, since thousands of arms have the same network."""
    return (*_range_conflicts(model, layers), *_gain_conflicts(layers), *_softplus_conflicts(layers))


def _range_conflicts(model: ModelSettings, layers: Sequence[Layer]) -> list[Conflict]:
    """Parameters of one entry that are the wrong way round."""
    choices = [("model.activation", model.activation), ("model.init", model.init)]
    for layer in layers:
        choices += [("model.init", layer.init), ("model.init", layer.bias_init)]
        choices += [("model.activation", layer.activation)] if layer.activation else []
    found = []
    for path, choice in dict.fromkeys(choices):
        low_name, high_name = ORDERED_PARAMETERS.get(choice.name, ("", ""))
        given = dict(choice.parameters)
        if low_name and given[low_name] >= given[high_name]:
            message = (
                f"{choice.name} needs {low_name} below {high_name}, found {given[low_name]} and {given[high_name]}"
            )
            found.append(Conflict(path, message, True))
    return found


def _gain_conflicts(layers: Sequence[Layer]) -> list[Conflict]:
    """`published` gains of activations without a published gain."""
    without = dict.fromkeys(
        feeding.name
        for index, layer in enumerate(layers)
        if (feeding := previous_activation(layers, index)) and feeding.name not in PUBLISHED_GAINS
        if any(dict(init.parameters).get("gain") == "published" for init in (layer.init, layer.bias_init))
    )
    known = ", ".join(PUBLISHED_GAINS)
    flat = any(
        (feeding := previous_activation(layers, index)) and _is_zero(feeding)
        for index, layer in enumerate(layers)
        if any(isinstance(dict(init.parameters).get("gain"), str) for init in (layer.init, layer.bias_init))
    )
    message = "sine with omega 0 is 0 everywhere, so no gain keeps the size of its values: give gain a number"
    return [
        *([Conflict("model.init", message, True)] if flat else []),
        *(
            Conflict(
                "model.init", f"no gain is published for {name} (only for {known}): use derived, or a number", True
            )
            for name in without
        ),
    ]


def _is_zero(activation: Choice) -> bool:
    """Whether the activation gives 0 for every input, so that there is nothing to keep the size of."""
    return activation.name == "sine" and activation.recorded is None and dict(activation.parameters)["omega"] == 0


def _softplus_conflicts(layers: Sequence[Layer]) -> list[Conflict]:
    """A softplus that is cut off to a line too early: it jumps there by log(1 + e^-threshold) / beta."""
    activations = dict.fromkeys(layer.activation for layer in layers if layer.activation)
    given = [dict(one.parameters) for one in activations if one.name == "softplus" and one.recorded is None]
    jumps = [(one["threshold"], math.log1p(math.exp(min(-one["threshold"], 700.0))) / one["beta"]) for one in given]
    return [
        Conflict(
            "model.activation",
            f"softplus jumps by {jump:.2g} where beta * x reaches threshold {threshold:g}: 20 is large enough",
            False,
        )
        for threshold, jump in jumps
        if jump > MAX_JUMP
    ]


def _optimizer_conflicts(settings: TrialSettings) -> list[Conflict]:
    given = dict(settings.train.optimizer.parameters)
    if given.get("nesterov") and (given["momentum"] <= 0 or given["dampening"] != 0):
        return [Conflict("train.optimizer", "nesterov needs a momentum above 0 and dampening 0", True)]
    return []
