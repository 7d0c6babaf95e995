"""`python -m benchmarks.overhead`: the overhead of a stack in each executor.

The training does nothing and returns records of the usual length (five trials of MNIST, ten epochs). The rest is the
overhead: sending the stack, returning its records and writing them to the journal.
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
from actbench.runs.executors.local import Emit, Event, StackDone, Workers, run_in_process
from actbench.runs.executors.ray import connect_to_ray
from actbench.store.files import write_atomically
from actbench.store.journal import append_records
from benchmarks.job import FULL
from benchmarks.machine import describe, head
from benchmarks.nothing import EPOCHS, TRIALS, train_nothing

STACKS, ROUNDS = 100, 5


@dataclass(frozen=True)
class Round:
    """Seconds until the first stack is done (processes started, images sent), and seconds per further stack."""

    first: float
    each: float


def in_this_process(stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks one after another, as with `--jobs 1`."""
    run_in_process(stacks, arrays, emit, train_nothing, "cpu")


def in_workers(workers: int, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks in local worker processes, as with `--jobs N`."""
    with Workers(train_nothing, "cpu", workers) as pool:
        pool.run(stacks, arrays, emit)


def in_ray(workers: int, stacks: Sequence[Stack], arrays: Arrays, emit: Emit) -> None:
    """Stacks as tasks of a private Ray, as with `--executor ray`."""
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
    return [tuple(make_trial(settings, TRIALS * number + trial) for trial in range(TRIALS)) for number in range(count)]


def measure(place: str, stacks: Sequence[Stack], arrays: Arrays) -> Round:
    """One round in one executor; each stack is written to a journal as in a run."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:

        def handle(event: Event) -> None:
            if isinstance(event, StackDone):
                append_records(Path(folder), event.records)
                times.append(time.perf_counter())

        started = time.perf_counter()
        PLACES[place](stacks, arrays, handle)
    return Round(times[0] - started, (times[-1] - times[0]) / (len(times) - 1))


def measure_journal(stacks: Sequence[Stack], arrays: Arrays) -> float:
    """Seconds per stack for writing the journal alone."""
    records = [train_nothing(stack, arrays, "cpu", lambda _epoch: None) for stack in stacks]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        for stack_records in records:
            append_records(Path(folder), stack_records)
        return (time.perf_counter() - started) / len(records)


def section(measured: dict[str, list[Round]], journal: Sequence[float], stacks: int) -> Section:
    """Medians with the lowest and highest round."""
    rows = [
        (place, _spread([r.first for r in rounds], 1, 2), _spread([r.each for r in rounds], 1e3, 2))
        for place, rounds in measured.items()
    ]
    return Section(
        title="overhead per stack",
        header=("where", "first stack back, s", "each further stack, ms"),
        rows=rows,
        notes=(
            f"Median (lowest to highest) of {len(journal)} rounds of {stacks} stacks of {TRIALS} trials with {EPOCHS} "
            "epochs, whose training does nothing.",
            "First stack back: processes (and Ray) started and MNIST's images sent; a real run also imports torch.",
            f"Of each stack, {_spread(journal, 1e3, 2)} ms are for writing and syncing its lines in the journal.",
        ),
    )


def _spread(values: Sequence[float], scale: float, digits: int) -> str:
    low, middle, high = (scale * value for value in (min(values), statistics.median(values), max(values)))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


@verb
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = ROUNDS,
    stacks: Annotated[int, typer.Option(min=2, help="Number of stacks per round.")] = STACKS,
    out: Annotated[Path | None, typer.Option(help="Also write the table to a Markdown file.")] = None,
) -> None:
    """Measure all executors in turn. Keep the machine idle."""
    arrays, of_nothing = load(FULL.facts(), data_folder(None)), make_stacks_of_nothing(stacks)
    lines = head(describe(FULL))
    print(*lines, sep="\n")
    rounds_by_place: dict[str, list[Round]] = {place: [] for place in PLACES}
    journal: list[float] = []
    for _ in range(rounds):
        for place, measured in rounds_by_place.items():
            measured.append(measure(place, of_nothing, arrays))
        journal.append(measure_journal(of_nothing, arrays))
    table = section(rounds_by_place, journal, stacks)
    print_sections([table])
    if out is not None:
        title = ["# Overhead per stack", "", *(f"- {line}" for line in lines), "", ""]
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, "\n".join(title) + section_to_markdown(table, "##"))


if __name__ == "__main__":
    typer.run(main)
