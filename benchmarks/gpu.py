"""`python -m benchmarks.gpu`: how fast many small networks train at once on a GPU, beside what else one can do.

One step of 784-256-128-10 with batches of 128 and Adam, for 1 to 1,024 networks, on random images of MNIST's shape (the
time of a step does not depend on what is in them), in memory of the device. `benchmarks/gpu.sh` runs it.
"""

from __future__ import annotations

import copy
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from actbench.cli.guard import verb
from actbench.experiment.records import Trial
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.render.terminal import print_sections
from actbench.store.files import write_atomically
from actbench.text import say
from actbench.training.data import Images, seed_split
from actbench.training.loop import create_sums
from actbench.training.network import create_network
from actbench.training.optimizer import create_stepper, make_step
from benchmarks.job import BATCH_IMAGES, FULL, LEARNING_RATE, Job
from benchmarks.machine import describe, head
from benchmarks.torch_model import create_model

TRIALS = (1, 8, 64, 256, 1024)
PRECISIONS = ("float32", "tf32", "bf16")
ACTIVATIONS = ("relu", "tanh", "gelu", "swish", "sigmoid", "elu", "leaky_relu", "mish")
SEEDS = 8
CELL_SECONDS = 2.0
MIN_STEPS, MAX_STEPS, WARM_UP = 3, 200, 5
COMPILED_TRIALS = (8, 64)
PROFILED_TRIALS = 64

Step = Callable[[], object]


@dataclass(frozen=True)
class Load:
    """Batches of images on the device, and how many networks train on them, in which precision."""

    inputs: Tensor
    labels: Tensor
    trials: int
    precision: str

    @property
    def device(self) -> torch.device:
        """Where everything is."""
        return self.inputs.device

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        """Inputs in [0, 1] and labels of a batch."""
        start = number * BATCH_IMAGES % (len(self.labels) - BATCH_IMAGES)
        part = slice(start, start + BATCH_IMAGES)
        return self.inputs[part].float() / 255, self.labels[part]

    def autocast(self) -> torch.autocast:
        """bf16 where it is wanted."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def floor(load: Load) -> Step:
    """The products of a step alone."""
    dtype = torch.bfloat16 if load.precision == "bf16" else torch.float32
    widths = FULL.widths()

    def memory(*shape: int) -> Tensor:
        return torch.rand(load.trials, *shape, device=load.device, dtype=dtype)

    values = [memory(BATCH_IMAGES, units) for units in widths]
    weights = [memory(*pair) for pair in pairwise(widths)]
    gradients = [torch.empty_like(weight) for weight in weights]

    def step() -> None:
        for layer, weight in enumerate(weights):
            torch.bmm(values[layer], weight, out=values[layer + 1])
        for layer in reversed(range(len(weights))):
            torch.bmm(values[layer].mT, values[layer + 1], out=gradients[layer])
            if layer:
                torch.bmm(values[layer + 1], weights[layer].mT, out=values[layer])

    return step


def careful_loop(load: Load) -> Step:
    """One model after another, each with a fused Adam; a step is one of every model."""
    models = [create_model(FULL).to(load.device) for _ in range(load.trials)]
    optimizers = [torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True) for model in models]
    number = 0

    def step() -> None:
        nonlocal number
        inputs, labels = load.batch(number)
        number += 1
        for model, optimizer in zip(models, optimizers, strict=True):
            with load.autocast():
                loss = cross_entropy(model(inputs), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return step


def torch_func(load: Load, *, is_compiled: bool = False) -> Step:
    """`vmap` over `grad` of `functional_call`, and one fused Adam over the stacked parameters."""
    models = [create_model(FULL).to(load.device) for _ in range(load.trials)]
    stacked, _ = stack_module_state(models)
    parameters = {name: values.detach() for name, values in stacked.items()}
    skeleton = copy.deepcopy(models[0]).to("meta")
    optimizer = torch.optim.Adam(parameters.values(), lr=LEARNING_RATE, fused=True)

    def loss(state: dict[str, Tensor], batch: Tensor, labels: Tensor) -> Tensor:
        with load.autocast():
            return cross_entropy(functional_call(skeleton, state, (batch,)), labels)

    gradients: Any = vmap(grad(loss), in_dims=(0, None, None))
    if is_compiled:
        gradients = torch.compile(gradients)
    number = 0

    def step() -> None:
        nonlocal number
        inputs, labels = load.batch(number)
        number += 1
        for name, gradient in gradients(parameters, inputs, labels).items():
            parameters[name].grad = gradient
        optimizer.step()

    return step


def torch_compile(load: Load) -> Step:
    """The same, compiled."""
    if load.trials not in COMPILED_TRIALS:
        raise NotImplementedError(f"measured with {' and '.join(map(str, COMPILED_TRIALS))} networks only")
    return torch_func(load, is_compiled=True)


def actbench(load: Load) -> Step:
    """A stack of actbench: eight activations, eight seeds, and as many learning rates as it takes."""
    if load.precision == "bf16":
        raise NotImplementedError("actbench trains in bf16 on the CPU only")
    images = Images(load.inputs, load.labels)
    trials = trials_of(load.trials, len(load.labels))
    network = create_network(trials, load.device)
    splits = [seed_split(images, trials[0].settings.data, "final", seed) for seed in network.seeds]
    sums = create_sums(network, load.device)
    training_step = make_step(network, create_stepper(network), images, splits, sums)
    rows = torch.stack([split.train_rows for split in splits])
    number, total = 0, 10**6

    def step() -> None:
        nonlocal number
        start = number * BATCH_IMAGES % (rows.shape[1] - BATCH_IMAGES)
        with torch.no_grad():
            training_step(rows[:, start : start + BATCH_IMAGES].contiguous(), number, total)
        number += 1

    return step


def trials_of(count: int, images: int) -> list[Trial]:
    """So many trials of one shape, neighbours with the same learning rate and activation."""
    rates = -(-count // (len(ACTIVATIONS) * SEEDS))
    made = [
        make_trial(
            TrialSettings.model_validate(
                {
                    "data": {"dataset": "mnist", "train": images, "validation": images // 6},
                    "model": {"hidden": tuple(FULL.widths()[1:-1]), "activation": activation},
                    "train": {"lr": LEARNING_RATE * (1 + rate / 100), "batch_size": BATCH_IMAGES, "optimizer": "adam"},
                }
            ),
            seed,
        )
        for rate, activation, seed in product(range(rates), ACTIVATIONS, range(SEEDS))
    ]
    return made[:count]


CONTESTANTS: dict[str, Callable[[Load], Step]] = {
    "floor": floor,
    "actbench": actbench,
    "careful loop": careful_loop,
    "torch.func": torch_func,
    "torch.compile": torch_compile,
}


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Let float32 products on CUDA be rounded to tf32, or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def seconds_of(step: Step, device: torch.device, limit_seconds: float) -> float:
    """The median seconds of a step, of several rounds of as many as fit the time."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def timed(steps: int) -> float:
        wait()
        started = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return (time.perf_counter() - started) / steps

    estimate = timed(1)
    if estimate < limit_seconds:
        estimate = timed(WARM_UP)
    steps = int(min(MAX_STEPS, max(1, limit_seconds / MIN_STEPS / estimate)))
    return statistics.median(timed(steps) for _ in range(MIN_STEPS))


def measure(load: Load, name: str, limit_seconds: float) -> float | str:
    """Seconds of a step of all networks, or why there are none."""
    try:
        with products_in(load.precision):
            step = CONTESTANTS[name](load)
            return seconds_of(step, load.device, limit_seconds)
    except NotImplementedError as reason:
        return str(reason)
    except Exception as error:  # out of memory, no compiler: the others are measured all the same
        return (str(error).strip().splitlines() or [""])[0][:60] or type(error).__name__
    finally:
        gc.collect()
        if load.device.type == "cuda":
            torch.cuda.empty_cache()


def profile(load: Load) -> Section:
    """The operations of actbench's steps that take most of the device's time."""
    step = actbench(load)
    for _ in range(WARM_UP):
        step()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if load.device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiler:
        for _ in range(WARM_UP):
            step()
    kind = "self_device_time_total" if load.device.type == "cuda" else "self_cpu_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -float(getattr(event, kind)))
    total = sum(float(getattr(event, kind)) for event in events) or 1.0
    rows = [
        [event.key[:60], f"{getattr(event, kind) / WARM_UP:.0f}", f"{getattr(event, kind) / total:.0%}"]
        for event in events[:12]
    ]
    return Section(f"profile of actbench, {load.trials} networks", ["operation", "us per step", "share"], rows)


def table(precision: str, counts: Sequence[int], cells: dict[tuple[str, int], float | str]) -> Section:
    """Microseconds per network and step; below, how many times as fast as the careful loop."""
    rows, notes = [], []
    for name in CONTESTANTS:
        found = [cells[name, count] for count in counts]
        rows.append(
            [name, *(f"{1e6 * x / n:.4g}" if isinstance(x, float) else "-" for x, n in zip(found, counts, strict=True))]
        )
        if reasons := dict.fromkeys(x for x in found if isinstance(x, str)):
            notes.append(f"{name}: {'; '.join(reasons)}.")
    ratios = [
        f"{count}: {loop / engine:.3g} x"
        for count in counts
        if isinstance(loop := cells["careful loop", count], float)
        and isinstance(engine := cells["actbench", count], float)
    ]
    if ratios:
        notes.insert(0, f"actbench against the careful loop, by networks: {', '.join(ratios)}.")
    title = f"microseconds per network and step, {precision}"
    return Section(title, ["", *(f"{count:,} networks" for count in counts)], rows, notes)


def random_images(job: Job, device: torch.device) -> tuple[Tensor, Tensor]:
    """Bytes of MNIST's shape, four fifths of them zero, and labels."""
    draws = torch.Generator().manual_seed(0)
    shape = job.train_count, job.facts().features
    inputs = torch.randint(1, 256, shape, generator=draws, dtype=torch.uint8)
    inputs *= torch.rand(shape, generator=draws) < 0.2
    return inputs.to(device), torch.randint(job.facts().classes, shape[:1], generator=draws).to(device)


@verb
def main(
    device: Annotated[str, typer.Option(help="Where to measure: cuda, or cpu to try the program.")] = "cuda",
    trials: Annotated[str, typer.Option(help="How many networks, separated by commas.")] = ",".join(map(str, TRIALS)),
    precisions: Annotated[str, typer.Option(help="Precisions, separated by commas.")] = ",".join(PRECISIONS),
    seconds: Annotated[float, typer.Option(help="Start no measurement after so many seconds.")] = 300.0,
    images: Annotated[int, typer.Option(help="How many images.")] = FULL.train_count,
    out: Annotated[Path | None, typer.Option(help="Also write the tables to a Markdown file.")] = None,
) -> None:
    """Time a step of 1 to 1,024 networks against its floor, a careful loop, torch.func and torch.compile."""
    end, where = time.monotonic() + seconds, torch.device(device)
    counts = tuple(map(int, trials.split(",")))
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name() if device == "cuda" else "none: nothing here was measured on a GPU"
    lines = [f"GPU: {name}", *head(describe(FULL))]
    print(*lines, sep="\n")
    inputs, labels = random_images(Job(train_count=images), where)
    sections = []
    for precision in precisions.split(","):
        cells: dict[tuple[str, int], float | str] = {}
        for contestant, count in product(CONTESTANTS, counts):
            is_late = time.monotonic() > end
            load = Load(inputs, labels, count, precision)
            cells[contestant, count] = "out of time" if is_late else measure(load, contestant, CELL_SECONDS)
            say(f"{precision}, {contestant}, {count}: {cells[contestant, count]}")
        sections.append(table(precision, counts, cells))
    sections.append(profile(Load(inputs, labels, min(PROFILED_TRIALS, max(counts)), "float32")))
    print_sections(sections)
    if out is not None:
        title = ["# Many networks on a GPU", "", *(f"- {line}" for line in lines), "", ""]
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, "\n".join(title) + "\n".join(section_to_markdown(one, "##") for one in sections))


if __name__ == "__main__":
    typer.run(main)
