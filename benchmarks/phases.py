"""`python -m benchmarks.phases`: the time of each phase of a step, beside its floor.

One stack of five trials (784-256-128-10, batches of 128, adam) on one thread. A phase's floor is the products of all
pixels, one torch call each, or the same bytes moved once, measured in turn with the phase.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from actbench.catalogue.datasets import Arrays, data_folder, load
from actbench.cli.guard import verb
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import make_trial
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.render.terminal import print_sections
from actbench.store.files import write_atomically
from actbench.training.data import Images, SeedSplit, blocks, seed_split, training_and_test_images
from actbench.training.loop import evaluate
from actbench.training.measures import forms_of, measure_images, summarise
from actbench.training.network import Network, create_network, forward, gather_batch, objective
from actbench.training.optimizer import create_stepper, descend
from actbench.training.probes import probe
from benchmarks.job import FULL
from benchmarks.machine import describe, head

CPU = torch.device("cpu")
TRIALS, BATCH, STEPS, ROUNDS = 5, 128, 40, 12
DIMENSIONS = (784, 256, 128, 10)


@dataclass
class Clock:
    """Microseconds per trial and step of each phase, one value for each round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Any], per: int = 1) -> Any:
        """Do the work, and add its time to this round's of the phase."""
        started = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append((time.perf_counter() - started) / per)
        return result


def measure(activation: str, arrays: Arrays) -> dict[str, float]:
    """Median microseconds per trial and step of every phase and floor; evaluation and probes per trial."""
    torch.set_num_threads(1)
    settings = TrialSettings.model_validate({"data": {"dataset": "mnist"}, "model": {"activation": activation}})
    trials = [make_trial(settings, seed) for seed in range(TRIALS)]
    images, _ = training_and_test_images(arrays, "cpu", "float32")
    network = create_network(trials, CPU)
    splits = [seed_split(images, settings.data, "final", seed) for seed in network.seeds]
    stepper = create_stepper(network)
    rows = torch.stack([split.train_rows[torch.randperm(len(split.train_rows))] for split in splits])
    floors, measures = make_floors(rows, images.inputs), measures_alone(network, images, splits)
    clock = Clock()
    with torch.no_grad():
        for _ in range(ROUNDS):
            for number in range(STEPS):
                batch = rows[:, number * BATCH : (number + 1) * BATCH]
                inputs, labels = clock.time("gather", partial(gather_batch, network, images, splits, batch))
                layers = clock.time("forward", partial(forward, network, inputs, training=True))
                reached = clock.time("loss", partial(objective, network, layers[-1].after, labels))
                grad = clock.time("loss, backward", reached.mean_gradient)
                clock.time("backward, step", partial(descend, network, stepper, layers, grad, number, STEPS))
            for name, floor in floors.items():
                for _ in range(STEPS):
                    clock.time(f"{name} floor", floor)
            held_out = torch.stack([split.validation_rows for split in splits])
            clock.time("evaluation", partial(evaluate, network, images, splits, held_out))
            clock.time("measures", measures)
            clock.time("probes", partial(probe, network, images, splits, 0))
    return {name: statistics.median(values) / TRIALS * 1e6 for name, values in clock.seconds.items()}


def measures_alone(network: Network, images: Images, splits: Sequence[SeedSplit]) -> Callable[[], object]:
    """What an evaluation does beyond loss and predictions: NLL, Brier score, calibration error and top 2."""
    forms, kept = forms_of(network.trials), []
    with torch.no_grad():
        for block in blocks(torch.stack([split.validation_rows for split in splits])):
            inputs, labels = gather_batch(network, images, splits, block)
            reached = objective(network, forward(network, inputs, training=False)[-1].after, labels)
            kept.append((reached.outputs.clone(), labels.clone(), reached.predicted.clone()))
    is_correct = torch.cat([predicted == labels for _, labels, predicted in kept], dim=1)
    return lambda: summarise(forms, [measure_images(forms, *block) for block in kept], is_correct)


def make_floors(rows: Tensor, stored: Tensor) -> dict[str, Callable[[], None]]:
    """The least work of each phase: its products, or its bytes moved once."""
    pairs = list(pairwise(DIMENSIONS))
    inputs = [torch.randn(TRIALS, BATCH, size) for size in DIMENSIONS[:-1]]
    weights = [torch.randn(TRIALS, *pair) for pair in pairs]
    outputs = [torch.randn(TRIALS, BATCH, size) for size in DIMENSIONS[1:]]
    moved = [torch.empty_like(weight) for weight in weights]
    count = sum(weight[0].numel() for weight in weights)
    state = torch.randn(7, TRIALS, count)

    def gather() -> None:
        for seed in range(TRIALS):
            inputs[0][seed].copy_(stored.index_select(0, rows[seed, :BATCH]))

    def forward_products() -> None:
        for before, weight, after in zip(inputs, weights, outputs, strict=True):
            torch.bmm(before, weight, out=after)

    def backward_products() -> None:
        for index in (2, 1, 0):
            torch.bmm(inputs[index].mT, outputs[index], out=moved[index])
            if index:
                torch.bmm(outputs[index], weights[index].mT, out=inputs[index])

    def optimizer() -> None:
        """Four numbers read and three written for each parameter."""
        state[1].copy_(state[0])
        state[3].copy_(state[2])
        torch.add(state[4], state[5], out=state[6])

    def backward_and_step() -> None:
        backward_products()
        optimizer()

    return {"gather": gather, "forward": forward_products, "backward, step": backward_and_step}


def section(activation: str, times: dict[str, float]) -> Section:
    """The phases as a table, with a sum over a whole step."""
    phases = ["gather", "forward", "loss", "loss, backward", "backward, step"]
    step = sum(times[name] for name in phases)
    floor = times["gather floor"] + times["forward floor"] + times["backward, step floor"]
    steps = FULL.steps()
    epoch = steps * step + times["evaluation"] + times["probes"]
    body = [(name, f"{times[name]:.0f}", f"{times[name] / step:.0%}", _ratio(times, name)) for name in phases]
    return Section(
        title=f"microseconds per trial and step, {activation}",
        header=("phase", "us", "share", "times its floor"),
        rows=(*body, ("a step", f"{step:.0f}", "100%", f"{step / floor:.2f}")),
        notes=(
            f"The products of all pixels and the bytes moved take {floor:.0f} us. Validating 10,000 images takes "
            f"{times['evaluation'] / 1e3:.1f} ms per trial, a probe of the layers {times['probes'] / 1e3:.1f} ms.",
            f"Measures that do not depend on the loss are {times['measures'] / 1e3:.1f} ms of the validation; with the "
            f"probe they are {(times['measures'] + times['probes']) / epoch:.1%} of an epoch of {steps} steps.",
        ),
    )


def _ratio(times: dict[str, float], name: str) -> str:
    floor = times.get(f"{name} floor")
    return f"{times[name] / floor:.2f}" if floor else "-"


@verb
def main(
    activation: Annotated[list[str] | None, typer.Argument(help="Activations (default: relu, gelu, mish).")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the tables to a Markdown file.")] = None,
) -> None:
    """Profile the phases of a step against their floors. Keep the machine idle."""
    arrays = load(FULL.facts(), data_folder(None))
    lines = head(describe(FULL))
    print(*lines, sep="\n")
    sections = [section(name, measure(name, arrays)) for name in activation or ("relu", "gelu", "mish")]
    print_sections(sections)
    if out is not None:
        title = ["# Time of the phases of a step", "", *(f"- {line}" for line in lines), "", ""]
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, "\n".join(title) + "\n".join(section_to_markdown(table, "##") for table in sections))


if __name__ == "__main__":
    typer.run(main)
