"""Every function of torch that is not part of its public interface, and what replaces one that is missing.

`None` says that this torch has no such function: activations then train by autograd, optimizers by torch.optim's
classes, the cost of memory is not measured, and bf16 is multiplied in float32. Slower, but the same results.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from actbench.lazy import torch

Function = Callable[..., Any]


def operator(name: str) -> Function | None:
    """One of torch's native operators in the variant that writes to given memory, such as `gelu.out`."""
    packet, _, variant = name.partition(".")
    found: Function | None = getattr(getattr(torch.ops.aten, packet, None), variant or "default", None)
    return found


@cache
def optimizer_function(name: str, settings: tuple[str, ...]) -> Function | None:
    """The function that a torch.optim class steps with, such as `torch.optim.adam.adam`, if it takes these settings."""
    module = importlib.import_module(f"torch.optim.{name}")
    function: Function | None = getattr(module, name, None)
    return function if function and set(settings) <= inspect.signature(function).parameters.keys() else None


def dispatch_mode() -> type[Any] | None:
    """The base class of a context that sees every operator with its results, those of autograd included."""
    try:
        mode: type[Any] = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode
    except (ImportError, AttributeError):
        return None
    return mode


def multiplies_in_bf16() -> bool:
    """Whether torch says that the processor multiplies bf16 numbers without emulation."""
    is_supported: Function | None = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return is_supported is not None and bool(is_supported())
