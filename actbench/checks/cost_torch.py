"""Time and memory of activations, forward and backward, on a tensor as a stack of trials has it."""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from actbench.checks.cost import REFERENCE, ROUNDS, SHAPE, THREADS, Clock, Cost, Memory, cost_of, measured_seconds
from actbench.experiment.choices import Choice, parse_choice
from actbench.training.functions import Apply, bind_activation


@dataclass(frozen=True)
class Workload:
    """One activation on fixed values: `leaves` are the input and the learnt parameters, which all get gradients.

    `apply` is what training does, with the derivative in closed form where there is one; `forward` leaves it to
    autograd, whose memory is counted. `value` and `outer` are memory that the passes overwrite.
    """

    apply: Apply
    forward: Callable[[], Tensor]
    leaves: tuple[Tensor, ...]
    output_gradient: Tensor
    value: Tensor
    outer: Tensor

    def run(self) -> tuple[Tensor | None, ...]:
        """Forward, then backward to every leaf."""
        for leaf in self.leaves:
            leaf.grad = None
        with torch.no_grad():
            _, pull = self.apply(self.leaves[0].detach(), self.value)
            return pull(self.outer.copy_(self.output_gradient)), *(leaf.grad for leaf in self.leaves[1:])


def measure_costs(choices: Sequence[Choice], *, rounds: int = ROUNDS, clock: Clock = time.perf_counter) -> list[Cost]:
    """Costs relative to relu of relu itself, which shows the noise, and of each choice, on one thread of the CPU."""
    reference = parse_choice("activation", REFERENCE)
    arms = list(choices) if reference in choices else [reference, *choices]
    values = fixed_values()
    with _threads(THREADS):
        reference_workload, *workloads = [workload(choice, *values) for choice in (reference, *arms)]
        reference_memory = measure_memory(reference_workload)
        memories = [measure_memory(each) for each in workloads]
        reference_seconds, *seconds = measured_seconds(
            [each.run for each in (reference_workload, *workloads)], rounds, clock
        )
    return [
        cost_of(choice, own, reference_seconds, memory, reference_memory)
        for choice, own, memory in zip(arms, seconds, memories, strict=True)
    ]


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fixed_values() -> tuple[Tensor, Tensor]:
    """Float32 inputs `[trials, batch, units]` and gradients of the outputs, both ~ N(0, 1) and the same each time."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(SHAPE, generator=generator).requires_grad_()
    return inputs, torch.randn(SHAPE, generator=generator)


def workload(choice: Choice, inputs: Tensor, output_gradient: Tensor) -> Workload:
    """The activation on these inputs, with the parameters that it learns as in training, `[trials, 1, size]`."""
    settings = dict(choice.parameters)
    size = SHAPE[-1] if settings.pop("per_feature", False) else 1
    names = choice.entry.learnable if settings.pop("learn", False) else ()
    learnt = {name: torch.full((SHAPE[0], 1, size), float(settings[name])).requires_grad_() for name in names}

    def forward() -> Tensor:
        values: Tensor = choice.entry.function(inputs, **{**settings, **learnt})
        return values

    apply = bind_activation(choice, {name: partial(_itself, values) for name, values in learnt.items()})
    value, outer = torch.empty_like(output_gradient), torch.empty_like(output_gradient)
    return Workload(apply, forward, (inputs, *learnt.values()), output_gradient, value, outer)


def _itself(values: Tensor) -> Tensor:
    return values


def measure_memory(workload: Workload) -> Memory:
    """Bytes as `Memory` defines them: counted, not sampled, so that they are the same each time."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = workload.forward()
    for parameter in workload.leaves[1:]:
        saved.pop(parameter.untyped_storage().data_ptr(), None)
    saved_output = saved.get(output.untyped_storage().data_ptr(), 0)
    del output

    with _Allocations((*workload.leaves, workload.output_gradient)) as allocations:
        output = workload.forward()
        torch.autograd.grad(output, workload.leaves, workload.output_gradient)
    return Memory(allocations.peak_bytes, sum(saved.values()), sum(saved.values()) - saved_output)


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call, unused-ignore]
    """The bytes of all storages that operators return, each from its return until it is freed.

    torch's profiler sees the same allocations, and writes to standard error while it looks.
    """

    def __init__(self, given: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.peak_bytes = 0
        self._alive_bytes: dict[int, int] = {tensor.untyped_storage().data_ptr(): 0 for tensor in given}

    def __torch_dispatch__(
        self, function: Callable[..., Any], _types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        results = function(*arguments, **(options or {}))
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                self._add(result.untyped_storage())
        self.peak_bytes = max(self.peak_bytes, sum(self._alive_bytes.values()))
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        address = storage.data_ptr()
        if address not in self._alive_bytes:
            self._alive_bytes[address] = storage.nbytes()
            weakref.finalize(storage, self._alive_bytes.pop, address)
