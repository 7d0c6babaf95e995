"""Costs of activations relative to relu, on a tensor as a stack of trials has it: time in rounds, and memory."""

from __future__ import annotations

import math
import random
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING, Any

from actbench.catalogue.registry import call_parameters
from actbench.catalogue.torch_private import dispatch_mode
from actbench.experiment.choices import Choice, parse_choice
from actbench.lazy import Tensor, stats, torch
from actbench.training.compiled import compiled_functions

if TYPE_CHECKING:
    from actbench.training.functions import Applied

REFERENCE = "relu"
SHAPE = (8, 128, 256)
ROUNDS = 100
THREADS = 1
CONFIDENCE = 0.95
MEASUREMENT_SECONDS = 0.003
MIN_CALLS, MAX_CALLS = 2, 1000
CALIBRATION_CALLS = 5

Pass = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Memory:
    """Bytes that one forward and backward pass allocates, the activation's value included, its input left out.

    `peak_bytes` is the most at once, `kept_bytes` what stays from the forward to the backward pass.
    """

    peak_bytes: int
    kept_bytes: int


@dataclass(frozen=True)
class Measurement:
    """Time and memory of both passes; `ratios` are the time over that of the reference in each round."""

    ratios: tuple[float, ...]
    microseconds_per_million: float
    memory: Memory | None


@dataclass(frozen=True)
class Cost:
    """One activation as training computes it, and the plain function with autograd as PyTorch code usually has it."""

    choice: Choice
    trained: Measurement
    plain: Measurement


def measured_seconds(passes: Sequence[Pass], rounds: int, clock: Clock) -> list[list[float]]:
    """Seconds per call of each pass in each round; a round measures every pass once, in its own order."""
    timers = [Timer(run, timer=clock) for run in passes]
    calls = [_calls_needed(timer) for timer in timers]
    seconds: list[list[float]] = [[] for _ in passes]
    for number in range(rounds):
        for index in random.Random(number).sample(range(len(passes)), len(passes)):
            passes[index]()  # so that none is timed while what its neighbour left in the caches is replaced
            seconds[index].append(timers[index].timeit(calls[index]) / calls[index])
    return seconds


def _calls_needed(timer: Timer) -> int:
    """Calls that take about 3 ms together, by the fastest of a few that also warm up."""
    fastest = min(timer.repeat(CALIBRATION_CALLS, number=1))
    return min(MAX_CALLS, max(MIN_CALLS, math.ceil(MEASUREMENT_SECONDS / max(fastest, 1e-9))))


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The narrowest [x_(k), x_(n + 1 - k)] that holds the median with at least 95 %, whatever the distribution.

    It misses with probability 2 P(B < k), B ~ Binomial(n, 1/2). None below 6 values, where even the extremes miss more
    often.
    """
    k = int(stats.binom.ppf((1 - CONFIDENCE) / 2, len(values), 0.5)) if values else 0
    ordered = sorted(values)
    return (ordered[k - 1], ordered[-k]) if k else None


def measurement(seconds: Sequence[float], reference: Sequence[float], memory: Memory | None) -> Measurement:
    """What the seconds of one function and of the reference in the same rounds say."""
    return Measurement(
        ratios=tuple(numerator / denominator for numerator, denominator in zip(seconds, reference, strict=True)),
        microseconds_per_million=median(seconds) / math.prod(SHAPE) * 1e12,
        memory=memory,
    )


@dataclass(frozen=True)
class Workload:
    """One activation on fixed values.

    `forward` gives the value and its pullback, and may write the value to memory of the layer; `layer` is that memory,
    `leaves` are learnt parameters, which get gradients. `grad` gives the output's gradient, which the backward pass may
    overwrite.
    """

    forward: Callable[[], Applied]
    grad: Callable[[], Tensor]
    given: tuple[Tensor, ...]
    layer: tuple[Tensor, ...] = ()
    leaves: tuple[Tensor, ...] = ()

    def run(self) -> tuple[Tensor | None, ...]:
        """Forward, then backward to the input and every leaf."""
        for leaf in self.leaves:
            leaf.grad = None
        _, pullback = self.forward()
        return pullback(self.grad()), *(leaf.grad for leaf in self.leaves)


def measure_costs(
    choices: Sequence[Choice], *, rounds: int = ROUNDS, clock: Clock = time.perf_counter, counts_memory: bool = True
) -> list[Cost]:
    """Costs relative to relu of relu itself, which shows the noise, and of each choice, on one thread of the CPU."""
    from actbench.training.products import on_threads

    reference = parse_choice("activation", REFERENCE)
    arms = list(choices) if reference in choices else [reference, *choices]
    values = fixed_values()
    workloads = [make(choice, *values) for choice in arms for make in (trained_workload, plain_workload)]
    with on_threads(THREADS):
        memories = [measure_memory(each) if counts_memory else None for each in workloads]
        reference_seconds, *seconds = measured_seconds(
            [each.run for each in (trained_workload(reference, *values), *workloads)], rounds, clock
        )
    results = [measurement(each, reference_seconds, memory) for each, memory in zip(seconds, memories, strict=True)]
    return [Cost(*each) for each in zip(arms, results[::2], results[1::2], strict=True)]


def fixed_values() -> tuple[Tensor, Tensor]:
    """Float32 inputs `[trials, batch, units]` and gradients of the outputs, both ~ N(0, 1) and the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator)


def trained_workload(choice: Choice, inputs: Tensor, output_gradient: Tensor) -> Workload:
    """The activation as training computes it."""
    from actbench.training.functions import bind_activation

    learnt = _learnt(choice)
    leaves = {name: partial(learnt.__getitem__, name) for name in learnt}
    apply = bind_activation(choice, leaves, compiled_functions().library)
    value, memory = torch.empty_like(output_gradient), torch.empty_like(output_gradient)
    return Workload(
        forward=lambda: apply(inputs, value),
        grad=lambda: memory.copy_(output_gradient),
        given=(inputs, output_gradient, memory, *learnt.values()),
        layer=(value,),
        leaves=tuple(learnt.values()),
    )


def plain_workload(choice: Choice, inputs: Tensor, output_gradient: Tensor) -> Workload:
    """The plain function, torch's if torch has it, with its derivative by autograd."""
    from actbench.training.functions import apply_by_autograd

    learnt = _learnt(choice)
    settings = call_parameters(dict(choice.parameters)) | learnt
    function = torch.nn.functional.mish if choice.name == "mish" else choice.entry.function  # whose function is ours
    return Workload(
        forward=lambda: apply_by_autograd(partial(function, **settings), inputs),
        grad=lambda: output_gradient,
        given=(inputs, output_gradient, *learnt.values()),
        leaves=tuple(learnt.values()),
    )


def _learnt(choice: Choice) -> dict[str, Tensor]:
    """The parameters that the activation learns, `[trials, 1, size]`."""
    settings = dict(choice.parameters)
    size = SHAPE[-1] if settings.get("per_feature", False) else 1
    names = choice.entry.learnable if settings.get("learn", False) else ()
    return {name: torch.full((SHAPE[0], 1, size), float(settings[name])).requires_grad_() for name in names}


def measure_memory(workload: Workload) -> Memory | None:
    """Bytes as `Memory` defines them, counted and not sampled; None if this torch has nothing to count them with."""
    mode = dispatch_mode()
    if mode is None:
        return None
    for leaf in workload.leaves:
        leaf.grad = torch.zeros_like(leaf)
    count = _Allocations(workload)

    def dispatch(
        _mode: Any, function: Callable[..., Any], _types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        return count.noting(function(*arguments, **(options or {})))

    with type("Counting", (mode,), {"__torch_dispatch__": dispatch})():
        _, pullback = workload.forward()
        kept_bytes = count.alive_bytes()
        pullback(workload.grad())
    return Memory(count.peak_bytes, kept_bytes)


class _Allocations:
    """The bytes of all storages that operators return, each from its return until it is freed.

    torch's profiler sees the same allocations, and writes to standard error while it looks.
    """

    def __init__(self, workload: Workload) -> None:
        given = [*workload.given, *(leaf.grad for leaf in workload.leaves if leaf.grad is not None)]
        self._alive = {tensor.untyped_storage().data_ptr(): 0 for tensor in given}
        self._alive |= {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in workload.layer}
        self.peak_bytes = self.alive_bytes()

    def alive_bytes(self) -> int:
        """All bytes that are allocated now."""
        return sum(self._alive.values())

    def noting(self, results: Any) -> Any:
        """The results of an operator, whose storages are counted from now on."""
        for result in results if isinstance(results, tuple | list) else (results,):
            if isinstance(result, torch.Tensor):
                self._add(result.untyped_storage())
        self.peak_bytes = max(self.peak_bytes, self.alive_bytes())
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        address = storage.data_ptr()
        if address not in self._alive:
            self._alive[address] = storage.nbytes()
            weakref.finalize(storage, self._alive.pop, address)
