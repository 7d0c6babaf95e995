"""A stack of multilayer perceptrons: forward and backward pass, losses and predictions of all trials at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from actbench.catalogue.losses import joint_loss
from actbench.experiment.choices import Choice
from actbench.experiment.layers import Layer, resolve_layers
from actbench.experiment.records import Trial
from actbench.training.bytes import ByteBatch, PackedWeights, packed_weights
from actbench.training.data import Images, SeedSplit, generator, scale
from actbench.training.functions import Applied, Pullback, activate_groups, apply_by_autograd, apply_groups
from actbench.training.parameters import Parameters, create_parameters
from actbench.training.sparse import NO_STEP, SparseBatch
from actbench.training.workspace import Inputs, Workspace, batch_images, create_workspace

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Network:
    """The networks of a stack: their layers per trial, their parameters, and the other state of their training.

    `seeds` are the stack's distinct seeds, `seed_index` `[trials]` is each trial's position among them, `running` holds
    batch norm's mean and variance `[trials, units]` by layer, `packed` the first layer's weights in tiles, and
    `workspaces` the memory for each batch size.
    """

    trials: tuple[Trial, ...]
    layers: tuple[tuple[Layer, ...], ...]
    parameters: Parameters
    seeds: tuple[int, ...]
    seed_index: Tensor
    running: dict[int, tuple[Tensor, Tensor]]
    dropout_generators: tuple[torch.Generator, ...]
    packed: PackedWeights | None = None
    workspaces: dict[int, Workspace] = field(default_factory=dict)

    def depth(self) -> int:
        """Linear layers in each network."""
        return len(self.layers[0])

    def workspace(self, batch: int) -> Workspace:
        """The memory for batches of so many images."""
        if batch not in self.workspaces:
            self.workspaces[batch] = create_workspace(self.trials, self.layers, self.parameters, self.seeds, batch)
        return self.workspaces[batch]


def create_network(trials: Sequence[Trial], device: torch.device) -> Network:
    """Networks of the same shape, one per trial, with their seeds' initial values."""
    layers = tuple(resolve_layers(trial.settings) for trial in trials)
    seeds = tuple(dict.fromkeys(trial.seed for trial in trials))
    index = torch.tensor([seeds.index(trial.seed) for trial in trials], device=device)
    count, phase, first = len(trials), trials[0].phase, layers[0][0]
    return Network(
        trials=tuple(trials),
        layers=layers,
        parameters=create_parameters(trials, layers, device),
        seeds=seeds,
        seed_index=index,
        running={
            number: (torch.zeros(count, layer.units, device=device), torch.ones(count, layer.units, device=device))
            for number, layer in enumerate(layers[0])
            if layer.batch_norm
        },
        dropout_generators=tuple(generator(phase, seed, "dropout", device=device.type) for seed in seeds),
        packed=packed_weights(count, first.fan_in, first.units, trials[0].settings.train.precision, device),
    )


def per_trial(network: Network, per_seed: Tensor) -> Tensor:
    """`[seeds, ...]` repeated to `[trials, ...]`; no copy if the stack has one seed, or one trial per seed."""
    if len(network.seeds) == 1:
        return per_seed.expand(len(network.trials), *per_seed.shape[1:])
    if len(network.seeds) == len(network.trials):
        return per_seed
    return per_seed.index_select(0, network.seed_index)


@dataclass(frozen=True)
class LayerValues:
    """One layer of all trials: its inputs, the values before and after its activation, and the pullbacks.

    For the last layer both values are the scores. Applied last to first, `pullbacks` take the gradient by `after` to
    the gradient by the linear part's result. The next pass over a batch of this size overwrites all of it.
    """

    inputs: Inputs
    before: Tensor
    after: Tensor
    pullbacks: tuple[Pullback, ...]


def forward(network: Network, inputs: Inputs, *, training: bool) -> list[LayerValues]:
    """Every layer's values `[trials, batch, units]` for a batch of inputs."""
    workspace = network.workspace(batch_images(inputs))
    values: list[LayerValues] = []
    for index, (layer, memory) in enumerate(zip(network.layers[0], workspace.layers, strict=True)):
        before = memory.multiply(inputs)
        pullbacks: list[Pullback] = []
        if layer.batch_norm:
            before, pullback = apply_by_autograd(partial(_batch_norm, network, index, training=training), before)
            pullbacks.append(pullback)
        after = before
        if layer.activation is not None:
            after, pullback = activate(network, index, before)
            pullbacks.append(pullback)
        if layer.dropout and training:
            device = after.device  # trials of one seed share the draws
            draws = [torch.rand(after.shape[1:], generator=one, device=device) for one in network.dropout_generators]
            kept = per_trial(network, (torch.stack(draws) >= layer.dropout).to(after.dtype) / (1 - layer.dropout))
            after = after * kept
            pullbacks.append(kept.mul)
        values.append(LayerValues(inputs, before, after, tuple(pullbacks)))
        inputs = after
    return values


def activate(network: Network, index: int, values: Tensor) -> Applied:
    """Apply the trials' activations of layer `index`."""
    memory = network.workspace(values.shape[1]).layers[index]
    return activate_groups(memory.activations, values, memory.activated)


def backward(
    network: Network, layers: Sequence[LayerValues], grad: Tensor, first_step: tuple[int, ...] = NO_STEP
) -> None:
    """Write every parameter's gradient, given the gradient `[trials, batch, units]` of the loss by the scores.

    `first_step` changes the weights of a first layer whose inputs compiled functions read; no gradient is written then.
    """
    workspace = network.workspace(grad.shape[1])
    for index in reversed(range(network.depth())):
        layer, memory = layers[index], workspace.layers[index]
        for pullback in reversed(layer.pullbacks):
            grad = pullback(grad)
        grad = grad.contiguous()
        memory.write_gradients(layer.inputs, grad, first_step if index == 0 else NO_STEP)
        if index > 0:
            grad = memory.gradient_by_inputs(grad)
    network.parameters.collect_gradients()


def gather_batch(network: Network, images: Images, splits: Sequence[SeedSplit], rows: Tensor) -> tuple[Inputs, Tensor]:
    """Inputs and labels `[trials, batch]` of each seed's rows `[seeds, batch]`."""
    workspace = network.workspace(rows.shape[1])
    rows = rows.contiguous()
    torch.index_select(images.labels, 0, rows.view(-1), out=workspace.labels.view(-1))
    labels = per_trial(network, workspace.labels)
    if images.sparse is not None:
        tables = torch.stack([split.table for split in splits])
        return SparseBatch(images.sparse, rows, tables, network.seed_index), labels
    if network.packed is not None and images.inputs.dtype == torch.uint8:
        stored = workspace.stored(images.inputs, *rows.shape)
        torch.index_select(images.inputs, 0, rows.view(-1), out=stored.flatten(0, 1))
        scaled = torch.stack([split.scaled_bytes for split in splits])
        return ByteBatch(network.packed, stored, scaled, network.seed_index), labels
    stored = workspace.stored(images.inputs, rows.shape[1])
    for place, split, inputs in zip(rows, splits, workspace.inputs, strict=True):  # one by one, to stay in the cache
        torch.index_select(images.inputs, 0, place, out=stored)
        scale(stored, split, out=inputs)
    return per_trial(network, workspace.inputs), labels


@dataclass(frozen=True)
class Objective:
    """Loss of every example and its predicted label, `[trials, batch]`, and the outputs `[trials, batch, units]`.

    Where output and loss have a joint form, the outputs are the scores. `pullback` takes the gradient by the losses to
    the gradient by the scores.
    """

    losses: Tensor
    predicted: Tensor
    outputs: Tensor
    pullback: Pullback

    def mean_gradient(self) -> Tensor:
        """The gradient of every trial's mean loss by its scores, `[trials, batch, units]`."""
        return self.pullback(torch.full_like(self.losses, 1 / self.losses.shape[1]))


def objective(network: Network, values: Tensor, labels: Tensor) -> Objective:
    """Losses and predictions from the scores `[trials, batch, units]`.

    The prediction is the unit with the largest output; a single unit predicts class 1 if its output is above 0.5 (above
    log 0.5 for log-probabilities). Output and loss with a joint form take their predictions from the scores.
    """
    workspace = network.workspace(values.shape[1])
    outputs, output_pullback = apply_groups(workspace.outputs, values)
    losses, loss_pullback = apply_groups(workspace.losses, outputs, labels)
    if values.shape[-1] > 1:
        predicted = outputs.argmax(dim=-1)
    else:
        limits = [_threshold(trial.settings.model.output, trial.settings.train.loss) for trial in network.trials]
        predicted = (outputs.squeeze(-1) > torch.tensor(limits, device=values.device).unsqueeze(1)).long()
    return Objective(losses, predicted, outputs, lambda grad: output_pullback(loss_pullback(grad)))


def _threshold(output: Choice, loss: Choice) -> float:
    """The output of a single unit above which it predicts class 1; with a joint form, its score."""
    if joint_loss(output.entry, dict(output.parameters), loss.entry):
        return 0.0
    return math.log(0.5) if output.entry.yields == "log-probabilities" else 0.5


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
    factor = network.parameters.named[index, "scale"].values.unsqueeze(1)
    shift = network.parameters.named[index, "shift"].values.unsqueeze(1)
    return (values - mean) * torch.rsqrt(variance + BATCH_NORM_EPSILON) * factor + shift
