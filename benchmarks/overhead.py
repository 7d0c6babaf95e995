"""`python -m benchmarks.overhead`: what a stack costs beside its training, wherever stacks can train.

The training does nothing and gives back records as long as those of a real one (five trials of MNIST, ten epochs), so
that what is left is sending the stack, sending its records back and writing them to the journal.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from actbench.catalogue.datasets import Arrays, data_folder, load
from actbench.cli.guard import verb
from actbench.experiment.settings import TrialSettings
from actbench.plan.stacks import Stack
from actbench.plan.trials import make_trial
from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.render.terminal import print_sections
from actbench.runs.executors.local import Emit, Event, StackDone, run_in_process, start_workers
from actbench.runs.executors.ray import connect_to_ray
from actbench.store import folder as store
from actbench.store.files import write_atomically
from benchmarks.job import FULL
from benchmarks.machine import describe, head
from benchmarks.nothing import EPOCHS, TRIALS, train_nothing

STACKS, ROUNDS = 100, 5


@dataclass(frozen=True)
class Round:
    """Seconds until the first stack is back (processes started, images sent), and per stack of those after it."""

    first: float
    each: float


def in_this_process(stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks one after another, as with `--jobs 1`."""
    run_in_process(stacks, train_nothing, arrays, "cpu", emit)


def in_workers(workers: int, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks in local worker processes, as with `--jobs N`."""
    with start_workers(train_nothing, "cpu", workers) as pool:
        pool.run(stacks, arrays, emit)


def in_ray(workers: int, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks as tasks of a Ray that starts here, as with `--executor ray`."""
    with connect_to_ray(train_nothing, "cpu", workers, None) as ray:
        ray.run(stacks, arrays, emit)


PLACES: dict[str, Callable[[Sequence[Stack], Arrays, Emit], None]] = {
    "this process": in_this_process,
    "1 local worker": partial(in_workers, 1),
    "2 local workers": partial(in_workers, 2),
    "Ray on this machine, 2 workers": partial(in_ray, 2),
}


def make_stacks_of_nothing(count: int) -> list[Stack]:
    """Stacks of five trials of the usual network."""
    train = {"epochs": EPOCHS}
    settings = TrialSettings.model_validate({"data": {"dataset": "mnist"}, "train": train})
    return [tuple(make_trial(settings, TRIALS * number + one) for one in range(TRIALS)) for number in range(count)]


def measure(place: str, stacks: Sequence[Stack], arrays: Arrays) -> Round:
    """One round in one place, each stack written to a journal as a run does."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def handle(event: Event) -> None:
            if isinstance(event, StackDone):
                store.append(Path(folder), event.records)
                times.append(time.perf_counter())

        started = time.perf_counter()
        PLACES[place](stacks, arrays, handle)
    return Round(times[0] - started, (times[-1] - times[0]) / (len(times) - 1))


def measure_journal(stacks: Sequence[Stack], arrays: Arrays) -> float:
    """Seconds per stack of writing alone."""
    records = [train_nothing(stack, arrays, "cpu", lambda _epoch: None) for stack in stacks]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        for one in records:
            store.append(Path(folder), one)
        return (time.perf_counter() - started) / len(records)


def section(found: dict[str, list[Round]], journal: Sequence[float], stacks: int) -> Section:
    """Medians with the lowest and highest round."""
    rows = [
        (place, _spread([one.first for one in rounds], 1, 2), _spread([one.each for one in rounds], 1e3, 2))
        for place, rounds in found.items()
    ]
    return Section(
        title="what a stack costs beside its training",
        header=("where", "first stack back, s", "each further stack, ms"),
        rows=rows,
        notes=(
            f"Median (lowest to highest) of {len(journal)} rounds of {stacks} stacks of {TRIALS} trials with {EPOCHS} "
            "epochs, whose training does nothing.",
            "First stack back: processes (and Ray) started and MNIST's images sent; a real run imports torch besides.",
            f"Of each stack, {_spread(journal, 1e3, 2)} ms are its lines in the journal, written and synced.",
        ),
    )


def _spread(values: Sequence[float], scale: float, digits: int) -> str:
    low, middle, high = (scale * one for one in (min(values), statistics.median(values), max(values)))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


@verb
def main(
    rounds: Annotated[int, typer.Option(min=1, help="How often every place is measured.")] = ROUNDS,
    stacks: Annotated[int, typer.Option(min=2, help="How many stacks it is sent each time.")] = STACKS,
    out: Annotated[Path | None, typer.Option(help="Also write it to a Markdown file.")] = None,
) -> None:
    """Measure every place in turns. Keep the machine idle meanwhile."""
    arrays, of_nothing = load(FULL.facts(), data_folder(None)), make_stacks_of_nothing(stacks)
    lines = head(describe(FULL))
    print(*lines, sep="\n")
    found: dict[str, list[Round]] = {place: [] for place in PLACES}
    journal: list[float] = []
    for _ in range(rounds):
        for place, measured in found.items():
            measured.append(measure(place, of_nothing, arrays))
        journal.append(measure_journal(of_nothing, arrays))
    one = section(found, journal, stacks)
    print_sections([one])
    if out is not None:
        title = ["# What a stack costs beside its training", "", *(f"- {line}" for line in lines), "", ""]
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, "\n".join(title) + section_to_markdown(one, "##"))


if __name__ == "__main__":
    typer.run(main)
