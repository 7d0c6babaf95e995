"""Catalogue functions applied to a stack, with their derivatives in closed form or by autograd."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from actbench.catalogue import activations, losses, outputs
from actbench.catalogue.facts import differentiable
from actbench.catalogue.losses import joint_loss
from actbench.catalogue.registry import call_parameters
from actbench.experiment.choices import Choice
from actbench.training.compiled import COMPILED_ACTIVATIONS

Pullback = Callable[[Tensor], Tensor]
Applied = tuple[Tensor, Pullback]
"""A function's value, and its pullback: from the gradient by the value to the gradient by the argument.

An activation's pullback overwrites its argument.
"""
Apply = Callable[..., Applied]


def bind(choice: Choice) -> Apply:
    """The chosen output function or loss with its parameters."""
    parameters = dict(choice.parameters)
    function = partial(choice.entry.function, **parameters)
    if choice.entry.gradient is None:
        return lambda x, *others: apply_by_autograd(lambda leaf: function(leaf, *others), x)
    return partial(_apply_in_closed_form, function, partial(choice.entry.gradient, **parameters))


def _apply_in_closed_form(
    function: Callable[..., Tensor], gradient: Callable[..., Tensor], x: Tensor, *others: Tensor
) -> Applied:
    value = function(x, *others)
    return value, lambda grad: gradient(grad, value, x, *others)


def bind_pair(output: Choice, loss: Choice, *, library: ctypes.CDLL | None = None) -> tuple[Apply, Apply]:
    """The chosen output function and loss; if they have a joint form, the identity and the loss of scores.

    The cross entropy of scores is computed by the compiled functions of `library`, if they are given.
    """
    if library is not None and is_cross_entropy(output, loss):
        return _pass_on, partial(_cross_entropy, library)
    joint = joint_loss(output.entry, dict(output.parameters), loss.entry)
    if joint is None:
        return bind(output), bind(loss)
    function, gradient = joint
    return _pass_on, partial(_apply_in_closed_form, function, lambda grad, _, *given: gradient(grad, *given))


def _pass_on(scores: Tensor) -> Applied:
    return scores, lambda grad: grad


def is_cross_entropy(output: Choice, loss: Choice) -> bool:
    """Whether output and loss together are log(sum(exp(scores))) - scores[label]."""
    pairs = (outputs.identity, losses.cross_entropy), (outputs.log_softmax, losses.nll)
    is_shifted = dict(output.parameters).get("shift", True)
    return is_shifted and (output.entry.function, loss.entry.function) in pairs


def _cross_entropy(library: ctypes.CDLL, scores: Tensor, label: Tensor) -> Applied:
    scores, label = scores.contiguous(), label.contiguous()
    values, slopes = torch.empty_like(label, dtype=scores.dtype), torch.empty_like(scores)
    wrong = library.cross_entropy(
        label.numel(), scores.shape[-1], scores.data_ptr(), label.data_ptr(), values.data_ptr(), slopes.data_ptr()
    )
    if wrong >= 0:
        raise IndexError(f"label {int(label.flatten()[wrong])}, for {scores.shape[-1]} units")
    return values, lambda grad: slopes.mul_(grad.unsqueeze(-1))


def bind_activation(
    choice: Choice, learnt: Mapping[str, Callable[[], Tensor]], library: ctypes.CDLL | None = None
) -> Apply:
    """The chosen activation as a function of `x` and of memory for its value.

    Gradients of `learnt` parameters are added to their leaves' `grad`. The compiled functions of `library`, if they are
    given, compute the activations that they know.
    """
    parameters = call_parameters(dict(choice.parameters))
    if library is not None and not learnt and is_compiled(choice, parameters):
        return partial(_activate_compiled, library, choice.entry.function.__name__, parameters.get("alpha", 1.0))
    kernel = choice.entry.kernel
    if learnt or kernel is None or not kernel.is_available():
        function = partial(choice.entry.function, **parameters) if learnt else differentiable(choice.entry, parameters)
        return partial(_activate_by_autograd, function, learnt)
    forward, backward = partial(kernel.forward, **parameters), partial(kernel.backward, **parameters)

    def apply(x: Tensor, out: Tensor) -> Applied:
        forward(x, out)

        def pullback(grad: Tensor) -> Tensor:
            backward(grad, out, x)
            return grad

        return out, pullback

    return apply


def is_compiled(choice: Choice, parameters: Mapping[str, Any]) -> bool:
    """Whether there are compiled functions of the activation with these parameters."""
    name = choice.entry.function.__name__
    is_ours = name in COMPILED_ACTIVATIONS and choice.entry.function is getattr(activations, name)
    return is_ours and parameters.get("beta", 1.0) == 1.0


def _activate_compiled(library: ctypes.CDLL, name: str, alpha: float, x: Tensor, out: Tensor) -> Applied:
    x = x.contiguous()
    assert out.is_contiguous()
    getattr(library, f"{name}_forward")(x.numel(), x.data_ptr(), x.data_ptr(), out.data_ptr(), alpha)
    kept = out if name in ("sigmoid", "tanh") else x

    def pullback(grad: Tensor) -> Tensor:
        slopes = grad.contiguous()
        pointers = kept.data_ptr(), slopes.data_ptr(), slopes.data_ptr()
        getattr(library, f"{name}_backward")(x.numel(), *pointers, alpha)
        return grad if slopes is grad else grad.copy_(slopes)

    return out, pullback


def _activate_by_autograd(
    function: Callable[..., Tensor], learnt: Mapping[str, Callable[[], Tensor]], x: Tensor, out: Tensor
) -> Applied:
    value, pullback = apply_by_autograd(lambda leaf: function(leaf, **{name: get() for name, get in learnt.items()}), x)
    return out.copy_(value), lambda grad: grad.copy_(pullback(grad))


def apply_by_autograd(function: Callable[[Tensor], Tensor], x: Tensor) -> Applied:
    """Apply any differentiable function to `x`; autograd computes its gradient."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        value = function(leaf)

    def pullback(grad: Tensor) -> Tensor:
        if value.requires_grad:
            torch.autograd.backward(value, grad)
        return torch.zeros_like(x) if leaf.grad is None else leaf.grad

    return value.detach(), pullback


@dataclass(frozen=True)
class FunctionGroups:
    """Functions for a stack `[trials, ...]`: one for each group of `sizes` consecutive trials."""

    sizes: tuple[int, ...]
    applies: tuple[Apply, ...]

    def parts(self, x: Tensor) -> Sequence[Tensor]:
        """The part of `x` that belongs to each group."""
        return [x] if len(self.sizes) == 1 else x.split_with_sizes(self.sizes)


def group_trials(keys: Sequence[Hashable], make: Callable[[slice], Apply], *, is_joint: bool) -> FunctionGroups:
    """One function for each group of consecutive trials with equal keys; for each trial unless `is_joint`."""
    sizes = tuple(len(list(group)) for _, group in groupby(keys)) if is_joint else (1,) * len(keys)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return FunctionGroups(
        sizes, tuple(make(slice(start, start + size)) for start, size in zip(starts, sizes, strict=True))
    )


def apply_groups(groups: FunctionGroups, x: Tensor, *others: Tensor) -> Applied:
    """Apply each group's function to its part of `x` and of the others."""
    if len(groups.sizes) == 1:
        return groups.applies[0](x, *others)
    applied = [apply(*parts) for apply, *parts in zip(groups.applies, *map(groups.parts, (x, *others)), strict=True)]

    def pullback(grad: Tensor) -> Tensor:
        return torch.cat([pull(part) for (_, pull), part in zip(applied, groups.parts(grad), strict=True)])

    return torch.cat([value for value, _ in applied]), pullback


def activate_groups(groups: FunctionGroups, x: Tensor, out: Tensor) -> Applied:
    """Apply each group's activation to its part of `x`, into the same part of `out`."""
    parts = zip(groups.applies, groups.parts(x), groups.parts(out), strict=True)
    pullbacks = [apply(part, memory)[1] for apply, part, memory in parts]

    def pullback(grad: Tensor) -> Tensor:
        for pull, part in zip(pullbacks, groups.parts(grad), strict=True):
            pull(part)
        return grad

    return out, pullback
