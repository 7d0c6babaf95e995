"""Catalogue functions on a stack: each trial's own, forward, and backward by its closed form or by autograd."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch
from torch import Tensor

from actbench.choices import Choice

Pullback = Callable[[Tensor], Tensor]
Applied = tuple[Tensor, Pullback]
"""A function's value, and what takes the derivative by that value to the derivative by the function's argument."""
Apply = Callable[..., Applied]


def bind(choice: Choice, learnt: Mapping[str, Callable[[], Tensor]] | None = None) -> Apply:
    """The chosen function, ready to be applied; the derivatives by `learnt` parameters are added to their `grad`."""
    given = {name: value for name, value in choice.parameters if name not in ("learn", "per_feature")}
    function = partial(choice.entry.function, **given)
    if learnt or choice.entry.gradient is None:
        return partial(_apply_by_autograd_with, function, learnt or {})
    return partial(_apply_with_gradient, function, partial(choice.entry.gradient, **given))


def _apply_with_gradient(
    function: Callable[..., Tensor], gradient: Callable[..., Tensor], x: Tensor, *others: Tensor
) -> Applied:
    value = function(x, *others)
    return value, lambda outer: gradient(outer, value, x, *others)


def _apply_by_autograd_with(
    function: Callable[..., Tensor], learnt: Mapping[str, Callable[[], Tensor]], x: Tensor, *others: Tensor
) -> Applied:
    return apply_by_autograd(
        lambda leaf: function(leaf, *others, **{name: values() for name, values in learnt.items()}), x
    )


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
class Runs:
    """What is applied to a stack `[trials, ...]`: one function to each run of `sizes` consecutive trials."""

    sizes: tuple[int, ...]
    applies: tuple[Apply, ...]

    def pieces(self, x: Tensor) -> Sequence[Tensor]:
        """The part of `x` that belongs to each run."""
        return [x] if len(self.sizes) == 1 else x.split_with_sizes(self.sizes)


def find_runs(keys: Sequence[Hashable], make: Callable[[slice], Apply], *, is_joint: bool) -> Runs:
    """One function for each run of trials with equal keys, or, where runs would change bits, for each trial."""
    sizes = tuple(len(list(run)) for _, run in groupby(keys)) if is_joint else (1,) * len(keys)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return Runs(sizes, tuple(make(slice(start, start + size)) for start, size in zip(starts, sizes, strict=True)))


def apply_runs(
    runs: Runs, x: Tensor, *others: Tensor, out: Tensor | None = None, pulled: Tensor | None = None
) -> Applied:
    """Apply each run's function to its part of `x` and of the others; values and derivatives may be given memory."""
    if len(runs.sizes) == 1:
        return runs.applies[0](x, *others)
    applied = [apply(*parts) for apply, *parts in zip(runs.applies, *map(runs.pieces, (x, *others)), strict=True)]

    def pull(outer: Tensor) -> Tensor:
        found = [pull(piece) for (_, pull), piece in zip(applied, runs.pieces(outer), strict=True)]
        return torch.cat(found, out=pulled)

    return torch.cat([value for value, _ in applied], out=out), pull
