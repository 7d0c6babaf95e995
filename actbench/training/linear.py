"""The linear part of a layer, forward and backward: from sparse inputs, with few units, or by general products."""

from __future__ import annotations

import torch
from torch import Tensor

from actbench.training.products import multiply
from actbench.training.sparse import NO_STEP, SparseBatch
from actbench.training.workspace import LayerMemory

Inputs = Tensor | SparseBatch
"""A batch of every trial, `[trials, batch, features]`, or the same without its zeros."""


def linear(inputs: Inputs, memory: LayerMemory) -> Tensor:
    """Inputs times weights plus biases, `[trials, batch, units]`."""
    if isinstance(inputs, SparseBatch):
        return inputs.multiply(memory.weight, memory.bias, out=memory.linear)
    if memory.thin is None:
        return multiply(inputs, memory.weight, out=memory.linear).add_(memory.bias)
    inputs = _trial_by_trial(inputs)
    memory.thin.thin_forward(
        *inputs.shape, memory.weight.shape[2], inputs.data_ptr(), inputs.stride(0), memory.weight.data_ptr(),
        memory.weight.stride(0), memory.bias.data_ptr(), memory.bias.stride(0), memory.linear.data_ptr(),
    )  # fmt: skip
    return memory.linear


def write_gradients(inputs: Inputs, grad: Tensor, memory: LayerMemory, step: tuple[int, ...] = NO_STEP) -> None:
    """Write the gradients by weights and biases, given that by the linear part's result, `[trials, batch, units]`.

    A `step` of Adam changes the weights of sparse inputs at once, and their gradient is not written.
    """
    if isinstance(inputs, SparseBatch):
        inputs.write_gradients(grad, memory.weight_gradient, memory.bias_gradient, step)
    elif memory.thin is None:
        multiply(inputs.mT, grad, out=memory.weight_gradient)
        torch.sum(grad, dim=1, out=memory.bias_gradient)
    else:
        inputs = _trial_by_trial(inputs)
        memory.thin.thin_gradients(
            *inputs.shape, memory.weight.shape[2], inputs.data_ptr(), inputs.stride(0), grad.data_ptr(),
            memory.weight_gradient.data_ptr(), memory.weight_gradient.stride(0), memory.bias_gradient.data_ptr(),
            memory.bias_gradient.stride(0),
        )  # fmt: skip


def gradient_by_inputs(grad: Tensor, memory: LayerMemory) -> Tensor:
    """The gradient by a layer's inputs, `[trials, batch, inputs]`."""
    if memory.thin is None:
        return multiply(grad, memory.weight.mT, out=memory.grad)
    memory.thin.thin_backward(
        *memory.grad.shape, memory.weight.shape[2], grad.data_ptr(), memory.weight.data_ptr(), memory.weight.stride(0),
        memory.grad.data_ptr(),
    )  # fmt: skip
    return memory.grad


def _trial_by_trial(inputs: Tensor) -> Tensor:
    """The inputs with each trial's share contiguous; trials of one seed may have the same memory."""
    return inputs if inputs.stride()[1:] == (inputs.shape[2], 1) else inputs.contiguous()
