"""Memory for batches of one size, what is the same in every pass over them, and the linear part of a layer in it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from actbench.experiment.layers import Layer, learnable_parameter_sizes
from actbench.experiment.records import Trial
from actbench.experiment.settings import Precision
from actbench.training.bytes import ByteBatch
from actbench.training.compiled import MAX_THIN_UNITS, compiled_functions
from actbench.training.functions import Apply, FunctionGroups, bind_activation, bind_pair, group_trials
from actbench.training.parameters import Parameters
from actbench.training.products import is_aligned, multiply
from actbench.training.sparse import NO_STEP, SparseBatch

Inputs = Tensor | SparseBatch | ByteBatch
"""A batch of every trial, `[trials, batch, features]`, or what the compiled functions read in its place."""


def batch_images(inputs: Inputs) -> int:
    """Images in a batch of every trial."""
    if isinstance(inputs, SparseBatch):
        return inputs.rows.shape[1]
    return (inputs if isinstance(inputs, Tensor) else inputs.stored).shape[1]


@dataclass(frozen=True)
class CompiledProducts:
    """The compiled products of a layer: forward, by weights and biases, and by inputs."""

    forward: Callable[..., None]
    gradients: Callable[..., None]
    backward: Callable[..., None]


def compiled_products(precision: Precision, units: int) -> CompiledProducts | None:
    """The compiled products of layers with few units, or in bf16 on a processor with AMX; None for torch's."""
    compiled = compiled_functions()
    is_compiled = compiled.has_tiles if precision == "bf16" else units <= MAX_THIN_UNITS
    if compiled.library is None or not is_compiled:
        return None
    name = "tile" if precision == "bf16" else "thin"
    return CompiledProducts(
        *(getattr(compiled.library, f"{name}_{way}") for way in ("forward", "gradients", "backward"))
    )


@dataclass(frozen=True)
class LayerMemory:
    """One layer's parameters and gradients in the shapes of the products, its activations, and memory for its values.

    `weight` is `[trials, in, out]`, `bias` `[trials, 1, out]`; `linear` and `activated` are
    `[trials, batch, out]`, `grad` `[trials, batch, in]`. `products` are the compiled ones, where the layer has them.
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor
    activations: FunctionGroups
    linear: Tensor
    activated: Tensor
    grad: Tensor
    products: CompiledProducts | None

    def multiply(self, inputs: Inputs) -> Tensor:
        """Inputs times weights plus biases, `[trials, batch, units]`."""
        if not isinstance(inputs, Tensor):
            return inputs.multiply(self.weight, self.bias, out=self.linear)
        if self.products is None:
            return multiply(inputs, self.weight, out=self.linear).add_(self.bias)
        inputs = _trial_by_trial(inputs)
        self.products.forward(
            *inputs.shape, self.weight.shape[2], inputs.data_ptr(), inputs.stride(0), self.weight.data_ptr(),
            self.weight.stride(0), self.bias.data_ptr(), self.bias.stride(0), self.linear.data_ptr(),
        )  # fmt: skip
        return self.linear

    def write_gradients(self, inputs: Inputs, grad: Tensor, step: tuple[int, ...] = NO_STEP) -> None:
        """Write the gradients by weights and biases, given that by the linear part's result, `[trials, batch, units]`.

        With a `step` of Adam, the weights of inputs that compiled functions read are changed; no gradient is written.
        """
        if not isinstance(inputs, Tensor):
            inputs.write_gradients(grad, self.weight_gradient, self.bias_gradient, step)
        elif self.products is None:
            multiply(inputs.mT, grad, out=self.weight_gradient)
            torch.sum(grad, dim=1, out=self.bias_gradient)
        else:
            inputs = _trial_by_trial(inputs)
            self.products.gradients(
                *inputs.shape, self.weight.shape[2], inputs.data_ptr(), inputs.stride(0), grad.data_ptr(),
                self.weight_gradient.data_ptr(), self.weight_gradient.stride(0), self.bias_gradient.data_ptr(),
                self.bias_gradient.stride(0),
            )  # fmt: skip

    def gradient_by_inputs(self, grad: Tensor) -> Tensor:
        """The gradient by the layer's inputs, `[trials, batch, inputs]`."""
        if self.products is None:
            return multiply(grad, self.weight.mT, out=self.grad)
        self.products.backward(
            *self.grad.shape, self.weight.shape[2], grad.data_ptr(), self.weight.data_ptr(), self.weight.stride(0),
            self.grad.data_ptr(),
        )  # fmt: skip
        return self.grad


def _trial_by_trial(inputs: Tensor) -> Tensor:
    """The inputs with each trial's share contiguous; trials of one seed may have the same memory."""
    return inputs if inputs.stride()[1:] == (inputs.shape[2], 1) else inputs.contiguous()


@dataclass(frozen=True)
class Workspace:
    """Everything a pass over a batch reads and overwrites: a batch per seed, layers, outputs and losses."""

    inputs: Tensor
    labels: Tensor
    layers: tuple[LayerMemory, ...]
    outputs: FunctionGroups
    losses: FunctionGroups
    gathered: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def stored(self, inputs: Tensor, *batch: int) -> Tensor:
        """Memory for so many of the inputs `[images, features]` in their stored type, `[*batch, features]`."""
        shape = *batch, inputs.shape[1]
        if inputs.dtype not in self.gathered:
            self.gathered[inputs.dtype] = torch.empty(shape, dtype=inputs.dtype, device=inputs.device)
        return self.gathered[inputs.dtype]


def create_workspace(
    trials: Sequence[Trial],
    networks: Sequence[Sequence[Layer]],
    parameters: Parameters,
    seeds: Sequence[int],
    batch: int,
) -> Workspace:
    """Memory for batches of `batch` images for each seed of the stack."""
    device = parameters.rows.device

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, device=device)

    library = compiled_functions().library if device.type == "cpu" else None
    precision = trials[0].settings.train.precision
    layers = []
    for index, layer in enumerate(networks[0]):
        weight, bias = parameters.named[index, "weight"], parameters.named[index, "bias"]
        shape = len(trials), batch, layer.units
        layers.append(
            LayerMemory(
                weight=weight.values.detach(),
                bias=bias.values.detach().unsqueeze(1),
                weight_gradient=weight.gradient,
                bias_gradient=bias.gradient,
                activations=_activations(networks, parameters, index, library, _may_join(device, batch, layer.units)),
                linear=empty(*shape),
                activated=empty(*shape),
                grad=empty(len(trials), batch, layer.fan_in if index else 0),
                products=compiled_products(precision, layer.units) if device.type == "cpu" else None,
            )
        )
    pairs = [(trial.settings.model.output, trial.settings.train.loss) for trial in trials]
    is_joint = _may_join(device, batch, networks[0][-1].units)
    few = library if 1 < networks[0][-1].units <= MAX_THIN_UNITS else None
    return Workspace(
        inputs=empty(len(seeds), batch, networks[0][0].fan_in),
        labels=torch.empty(len(seeds), batch, dtype=torch.int64, device=device),
        layers=tuple(layers),
        outputs=group_trials(pairs, lambda part: bind_pair(*pairs[part.start], library=few)[0], is_joint=is_joint),
        losses=group_trials(pairs, lambda part: bind_pair(*pairs[part.start], library=few)[1], is_joint=is_joint),
    )


def _may_join(device: torch.device, batch: int, units: int) -> bool:
    return device.type != "cpu" or is_aligned(batch * units)


def _activations(
    networks: Sequence[Sequence[Layer]], parameters: Parameters, index: int, library: ctypes.CDLL | None, is_joint: bool
) -> FunctionGroups:
    """The trials' activations of one layer; empty after the last layer."""
    layers = [layers[index] for layers in networks]

    def make(part: slice) -> Apply:
        layer = layers[part.start]
        assert layer.activation is not None
        return bind_activation(
            layer.activation,
            {
                name: partial(_learnt, parameters, (index, name), part, size)
                for name, size in learnable_parameter_sizes(layer).items()
            },
            library,
        )

    if layers[0].activation is None:
        return FunctionGroups((), ())
    keys: list[Hashable] = [
        (layer.activation, number if learnable_parameter_sizes(layer) else None) for number, layer in enumerate(layers)
    ]
    return group_trials(keys, make, is_joint=is_joint)


def _learnt(parameters: Parameters, key: tuple[int, str], part: slice, size: int) -> Tensor:
    return parameters.named[key].values[part, None, :size]
