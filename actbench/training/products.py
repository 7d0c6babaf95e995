"""Matrix products of a stack in which each trial has the same bits as alone.

On one thread, a batched product (MKL, float32) gives each of its matrices the bits it has alone only if every matrix
starts on a 64-byte boundary and has no dimension of size 1; an elementwise function gives an element the same bits only
at the same position in the vector loop. Both were measured on x86. So a stack is computed at once if each trial's share
is a multiple of the vector loop, and trial by trial in fresh memory otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from actbench.catalogue.torch_private import multiplies_in_bf16
from actbench.experiment.settings import Precision

VECTOR_ELEMENTS = 32


def is_aligned(elements: int) -> bool:
    """Whether consecutive shares of so many float32 elements all start at the same position in the vector loop."""
    return elements % VECTOR_ELEMENTS == 0


def multiply(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """The products of `[trials, n, k]` and `[trials, k, m]`, as `[trials, n, m]`."""
    # On a processor without products in bf16 torch would silently keep all digits.
    if left.device.type == "cpu" and _setting().fp32_precision == "bf16" and not multiplies_in_bf16():
        left, right = (factor.to(torch.bfloat16).to(torch.float32) for factor in (left, right))
    n, k, m = left.shape[1], left.shape[2], right.shape[2]
    at_once = left.device.type != "cpu" or (
        min(n, k, m) > 1 and is_aligned(n * k) and is_aligned(k * m) and is_aligned(n * m)
    )
    if at_once:
        return torch.bmm(left, right, out=out)
    products = [torch.mm(a.clone(), b.clone()) for a, b in zip(left, right, strict=True)]
    return torch.stack(products, out=out)


def _setting() -> Any:
    return torch.backends.mkldnn.matmul  # type: ignore[attr-defined]


@contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Compute float32 products on the CPU in this precision: bf16 rounds the factors and sums in float32."""
    setting = _setting()
    before = setting.fp32_precision
    setting.fp32_precision = "bf16" if precision == "bf16" else "ieee"
    try:
        yield
    finally:
        setting.fp32_precision = before


@contextmanager
def on_threads(count: int) -> Iterator[None]:
    """Compute on so many threads; more than the idle cores make small products several times as slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
