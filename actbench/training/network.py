"""A stack of multilayer perceptrons: forward pass, losses and predictions of all trials at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from actbench.choices import Choice
from actbench.layers import Layer, learnt_sizes, resolve_layers
from actbench.records import Trial
from actbench.training.data import Images, SeedSplit, gather
from actbench.training.parameters import Parameters, create_parameters
from actbench.training.products import StackedLinear, is_aligned
from actbench.training.streams import generator

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5

Function = Callable[[Tensor, slice], Tensor]


@dataclass(frozen=True)
class Network:
    """The networks of a stack: their layers per trial, their parameters, and the state that training keeps besides.

    `seeds` are the stack's distinct seeds and `seed_index` `[trials]` says which of them each trial has, or is None
    where there is only one. `running` holds batch norm's mean and variance `[trials, units]` by layer.
    """

    trials: tuple[Trial, ...]
    layers: tuple[tuple[Layer, ...], ...]
    parameters: Parameters
    seeds: tuple[int, ...]
    seed_index: Tensor | None
    running: dict[int, tuple[Tensor, Tensor]]
    dropout_generators: tuple[torch.Generator, ...]

    def depth(self) -> int:
        """Linear layers in each network."""
        return len(self.layers[0])


def create_network(trials: Sequence[Trial], device: torch.device) -> Network:
    """Networks of the same shape, one per trial, with their seeds' initial values."""
    layers = tuple(resolve_layers(trial.settings) for trial in trials)
    seeds = tuple(dict.fromkeys(trial.seed for trial in trials))
    index = torch.tensor([seeds.index(trial.seed) for trial in trials], device=device)
    count = len(trials)
    phase = trials[0].phase
    return Network(
        trials=tuple(trials),
        layers=layers,
        parameters=create_parameters(trials, layers, device),
        seeds=seeds,
        seed_index=index if len(seeds) > 1 else None,
        running={
            number: (torch.zeros(count, layer.units, device=device), torch.ones(count, layer.units, device=device))
            for number, layer in enumerate(layers[0])
            if layer.batch_norm
        },
        dropout_generators=tuple(generator(phase, seed, "dropout", device=device.type) for seed in seeds),
    )


def per_trial(network: Network, per_seed: Tensor) -> Tensor:
    """`[seeds, ...]` repeated to `[trials, ...]`; without a copy where the stack has one seed or one trial a seed."""
    if network.seed_index is None:
        return per_seed.expand(len(network.trials), *per_seed.shape[1:])
    if len(network.seeds) == len(network.trials):
        return per_seed
    return per_seed.index_select(0, network.seed_index)


@dataclass(frozen=True)
class LayerValues:
    """One layer of all trials: what goes into its activation and what comes out (the scores, for the last layer)."""

    before: Tensor
    after: Tensor


def layer_values(network: Network, inputs: Tensor, *, training: bool) -> list[LayerValues]:
    """Every layer's values `[trials, batch, units]` for inputs `[trials, batch, features]`."""
    found: list[LayerValues] = []
    values = inputs
    for index in range(network.depth()):
        weight, bias = network.parameters.named[index, "weight"], network.parameters.named[index, "bias"]
        values = StackedLinear.apply(values, weight.values, bias.values, weight.gradient, bias.gradient)
        layer = network.layers[0][index]
        if layer.batch_norm:
            values = _batch_norm(network, index, values, training=training)
        before = values
        if layer.activation is not None:
            values = activate(network, index, values)
        found.append(LayerValues(before, values))
        if layer.dropout and training:
            values = values * _dropout_scale(network, layer, values)
    return found


def scores(network: Network, inputs: Tensor, *, training: bool) -> Tensor:
    """The last layer's scores `[trials, batch, units]` of inputs `[trials, batch, features]`."""
    return layer_values(network, inputs, training=training)[-1].before


def gather_batch(
    network: Network, images: Images, splits: Sequence[SeedSplit], rows: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Inputs `[trials, batch, features]` and labels `[trials, batch]`, gathered once for each seed."""
    batches = [gather(images, seed_rows, split) for seed_rows, split in zip(rows, splits, strict=True)]
    inputs = torch.stack([batch for batch, _ in batches])
    labels = torch.stack([labels for _, labels in batches])
    return per_trial(network, inputs), per_trial(network, labels)


def losses_and_predictions(network: Network, values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of every example and its predicted label, both `[trials, batch]`, from the scores `[trials, batch, units]`.

    The prediction is the unit with the largest output; a single unit predicts class 1 where its output is above 0.5
    (above log 0.5 for log-probabilities).
    """
    pairs = [(trial.settings.model.output, trial.settings.train.loss) for trial in network.trials]

    def both(piece: Tensor, part: slice) -> Tensor:
        output, loss = pairs[part.start]
        outputs = _call(output, piece)
        losses = _call(loss, outputs, labels[part])
        if piece.shape[-1] == 1:
            threshold = math.log(0.5) if output.entry.yields == "log-probabilities" else 0.5
            predicted = outputs.detach().squeeze(-1) > threshold
        else:
            predicted = outputs.detach().argmax(dim=-1)
        return torch.stack([losses, predicted.to(losses.dtype)], dim=1)

    joint = _by_runs(values, pairs, both)
    return joint[:, 0], joint[:, 1].detach().long()


def activate(network: Network, index: int, values: Tensor) -> Tensor:
    """Each trial's own activation of layer `index`."""
    layers = [layers[index] for layers in network.layers]

    def activate(piece: Tensor, part: slice) -> Tensor:
        layer = layers[part.start]
        assert layer.activation is not None
        learnt = {
            name: network.parameters.named[index, name].values[part, None, :size]
            for name, size in learnt_sizes(layer).items()
        }
        return _call(layer.activation, piece, **learnt)

    keys = [(layer.activation, number if learnt_sizes(layer) else None) for number, layer in enumerate(layers)]
    return _by_runs(values, keys, activate)


def _call(choice: Choice, *tensors: Tensor, **learnt: Tensor) -> Tensor:
    given = {name: value for name, value in choice.parameters if name not in ("learn", "per_feature")}
    result: Tensor = choice.entry.function(*tensors, **{**given, **learnt})
    return result


def _by_runs(values: Tensor, keys: Sequence[Hashable], function: Function) -> Tensor:
    """Apply `function` to runs of trials with equal keys; trial by trial where a run would change its trials' bits."""
    runs = [len(list(run)) for _, run in groupby(keys)]
    if values.device.type == "cpu" and not is_aligned(values[0].numel()):
        runs = [1] * len(keys)
    if len(runs) == 1:
        return function(values, slice(0, len(keys)))
    pieces, start = [], 0
    for piece in torch.split(values, runs):
        pieces.append(function(piece, slice(start, start + len(piece))))
        start += len(piece)
    return torch.cat(pieces)


def _batch_norm(network: Network, index: int, values: Tensor, *, training: bool) -> Tensor:
    """(x - mean) / sqrt(variance + eps) * scale + shift over the batch; evaluation uses the running moments."""
    running_mean, running_variance = network.running[index]
    if training:
        mean = values.mean(dim=1, keepdim=True)
        variance = (values - mean).square().mean(dim=1, keepdim=True)
        count = values.shape[1]
        with torch.no_grad():
            running_mean.lerp_(mean.squeeze(1), BATCH_NORM_MOMENTUM)
            running_variance.lerp_(variance.squeeze(1) * count / max(count - 1, 1), BATCH_NORM_MOMENTUM)
    else:
        mean, variance = running_mean.unsqueeze(1), running_variance.unsqueeze(1)
    scale = network.parameters.named[index, "scale"].values.unsqueeze(1)
    shift = network.parameters.named[index, "shift"].values.unsqueeze(1)
    return (values - mean) * torch.rsqrt(variance + BATCH_NORM_EPSILON) * scale + shift


def _dropout_scale(network: Network, layer: Layer, values: Tensor) -> Tensor:
    """0 with probability `dropout`, else 1 / (1 - dropout); trials of one seed share the draws."""
    shape = values.shape[1:]
    draws = torch.stack([torch.rand(shape, generator=g, device=values.device) for g in network.dropout_generators])
    return per_trial(network, (draws >= layer.dropout).to(values.dtype) / (1 - layer.dropout))
