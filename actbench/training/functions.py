"""Catalogue functions on a stack: each trial's own, forward, and backward by its closed form or by autograd."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from actbench.experiment.choices import Choice

Pullback = Callable[[Tensor], Tensor]
Applied = tuple[Tensor, Pullback]
"""A function's value, and what takes the derivative by that value to the derivative by the function's argument.

An activation's pullback overwrites what it is given.
"""
Apply = Callable[..., Applied]


def bind(choice: Choice) -> Apply:
    """The chosen output function or loss, ready to be applied."""
    given = dict(choice.parameters)
    function = partial(choice.entry.function, **given)
    if choice.entry.gradient is None:
        return lambda x, *others: apply_by_autograd(lambda leaf: function(leaf, *others), x)
    gradient = partial(choice.entry.gradient, **given)

    def apply(x: Tensor, *others: Tensor) -> Applied:
        value = function(x, *others)
        return value, lambda outer: gradient(outer, value, x, *others)

    return apply


def bind_activation(choice: Choice, learnt: Mapping[str, Callable[[], Tensor]]) -> Apply:
    """The chosen activation, ready to be applied to `x` with memory for its value.

    The derivatives by `learnt` parameters are added to their leaves' `grad`.
    """
    given = {name: value for name, value in choice.parameters if name not in ("learn", "per_feature")}
    if learnt or choice.entry.kernel is None:
        return partial(_activate_by_autograd, partial(choice.entry.function, **given), learnt)
    forward, backward = partial(choice.entry.kernel.forward, **given), partial(choice.entry.kernel.backward, **given)

    def apply(x: Tensor, out: Tensor) -> Applied:
        forward(x, out)

        def pull(outer: Tensor) -> Tensor:
            backward(outer, out, x)
            return outer

        return out, pull

    return apply


def _activate_by_autograd(
    function: Callable[..., Tensor], learnt: Mapping[str, Callable[[], Tensor]], x: Tensor, out: Tensor
) -> Applied:
    value, pull = apply_by_autograd(lambda leaf: function(leaf, **{name: get() for name, get in learnt.items()}), x)
    return out.copy_(value), lambda outer: outer.copy_(pull(outer))


def apply_by_autograd(function: Callable[[Tensor], Tensor], x: Tensor) -> Applied:
    """Any differentiable function at `x`, whose derivative autograd finds."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        value = function(leaf)

    def pull(outer: Tensor) -> Tensor:
        if value.requires_grad:
            torch.autograd.backward(value, outer)
        return torch.zeros_like(x) if leaf.grad is None else leaf.grad

    return value.detach(), pull


@dataclass(frozen=True)
class FunctionGroups:
    """What is applied to a stack `[trials, ...]`: one function to each run of `sizes` consecutive trials."""

    sizes: tuple[int, ...]
    applies: tuple[Apply, ...]

    def pieces(self, x: Tensor) -> Sequence[Tensor]:
        """The part of `x` that belongs to each run."""
        return [x] if len(self.sizes) == 1 else x.split_with_sizes(self.sizes)


def group_trials(keys: Sequence[Hashable], make: Callable[[slice], Apply], *, is_joint: bool) -> FunctionGroups:
    """One function for each run of trials with equal keys, or, where runs would change bits, for each trial."""
    sizes = tuple(len(list(run)) for _, run in groupby(keys)) if is_joint else (1,) * len(keys)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return FunctionGroups(
        sizes, tuple(make(slice(start, start + size)) for start, size in zip(starts, sizes, strict=True))
    )


def apply_groups(runs: FunctionGroups, x: Tensor, *others: Tensor) -> Applied:
    """Apply each run's function to its part of `x` and of the others."""
    if len(runs.sizes) == 1:
        return runs.applies[0](x, *others)
    applied = [apply(*parts) for apply, *parts in zip(runs.applies, *map(runs.pieces, (x, *others)), strict=True)]

    def pull(outer: Tensor) -> Tensor:
        return torch.cat([pull(piece) for (_, pull), piece in zip(applied, runs.pieces(outer), strict=True)])

    return torch.cat([value for value, _ in applied]), pull


def activate_groups(runs: FunctionGroups, x: Tensor, out: Tensor) -> Applied:
    """Apply each run's activation to its part of `x`, into the same part of `out`."""
    pulls = [apply(*parts)[1] for apply, *parts in zip(runs.applies, runs.pieces(x), runs.pieces(out), strict=True)]

    def pull(outer: Tensor) -> Tensor:
        for pull, piece in zip(pulls, runs.pieces(outer), strict=True):
            pull(piece)
        return outer

    return out, pull
