"""`python -m benchmarks`: measure actbench, its peers and the floor side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from actbench.catalogue.datasets import data_folder, is_present
from actbench.cli.guard import verb
from actbench.errors import EXIT_INTERRUPTED, ConfigurationError, UnusableEnvironmentError
from actbench.render.terminal import print_sections
from actbench.text import did_you_mean, say
from benchmarks.contest import CONTESTANTS
from benchmarks.job import FULL, QUICK, Job
from benchmarks.machine import describe, head
from benchmarks.rounds import Course, measure_in_process, run_rounds
from benchmarks.tables import table, write_files

HELP = """Train the same networks with actbench, with its alternatives, and as matrix products alone.

Every contestant does the same job in a separate process: MNIST, 50,000 training images, 784-256-128-10, relu, adam,
batches of 128, and 10,000 validation images after each epoch. All of them are measured once per round, in rotating
order. MNIST is read from ACTBENCH_DATA. Contestants that are not installed are left out:
pip install -e '.[benchmarks]' installs all of them. Keep the machine idle.
"""
EPILOG = (
    "Contestants: "
    + "; ".join(f"{contestant.name} ({contestant.sentence})" for contestant in CONTESTANTS.values())
    + ". Exit codes: 0 done, 1 a contestant did not learn, 2 usage, 3 a contestant failed, 4 no data."
)


def parse_names(text: str | None) -> list[str]:
    """The contestants named by `--only`, in their usual order; all of them without it."""
    if text is None:
        return list(CONTESTANTS)
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in CONTESTANTS]
    if unknown or not chosen:
        known = tuple(CONTESTANTS)
        near = [f"{name!r} is no contestant{did_you_mean(name, known)}" for name in unknown]
        raise ConfigurationError(f"--only: {'; '.join(near) or 'no name'}. Known: {', '.join(known)}")
    return [name for name in CONTESTANTS if name in chosen]


def require_data(job: Job) -> None:
    """Raise `UnusableEnvironmentError` if the images are missing."""
    folder = data_folder(None)
    if not is_present(job.facts(), folder):
        raise UnusableEnvironmentError(
            f"{job.dataset} is not in {folder}: `actbench data fetch {job.dataset}`, or point ACTBENCH_DATA at it"
        )


@verb
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of rounds.")] = 3,
    only: Annotated[str | None, typer.Option(metavar="NAME,...", help="Measure only these contestants.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of results.json and results.md.")] = Path("results/benchmarks"),
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Tiny data and one epoch, as a check that everything runs."),
    ] = False,
) -> None:
    """Measure round by round, rewrite the files after each measurement, and print the table."""
    job = QUICK if quick else FULL
    names = parse_names(only)
    require_data(job)
    machine = describe(job)
    say(*head(machine))
    course = Course()
    try:
        for course in run_rounds(names, rounds, job, partial(measure_in_process, job=job), say):
            write_files(out, course, job, machine)
    except KeyboardInterrupt:
        say(f"Interrupted; {len(course.entries)} measurements are kept{f' in {out}' if course.entries else ''}.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    print_sections([table(course, job)])


if __name__ == "__main__":
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command(help=HELP, epilog=EPILOG)(main)
    app(prog_name="python -m benchmarks")
