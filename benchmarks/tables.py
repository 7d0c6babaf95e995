"""The results as a table and as files: ratios within rounds, their medians and ranges."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actbench.render.markdown import section_to_markdown
from actbench.render.sections import Section
from actbench.store.files import write_atomically
from benchmarks.contest import CONTESTANTS, FLOOR, FLOOR_WITH_EVALUATION, OURS
from benchmarks.job import HIDDEN, LEARNING_RATE, Job
from benchmarks.machine import head
from benchmarks.rounds import Course, Entry

SCHEMA = 1
HEADER = (
    "contestant", "s per model and epoch", "x floor", "x floor with evaluation", "x actbench", "lowest accuracy",
    "models x epochs", "start-up s",
)  # fmt: skip
NOTES = (
    "Wall-clock seconds, median (lowest to highest) over the rounds. Ratios are taken within a round.",
    "x floor: against the training products alone; with evaluation: against the training and evaluation products; "
    "both in float32.",
    "Start-up (imports, reading the images, compilation) is not counted, but for actbench, which is charged for its "
    "whole command.",
    "lowest accuracy: on the validation images, of the worst model of all rounds, after its last epoch.",
)


Round = Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of one number per round."""

    median: float
    lowest: float
    highest: float


def spread(values: Iterable[float]) -> Spread | None:
    """The spread of the values; None without values."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1]) if ordered else None


def seconds_of(rounds: Sequence[Round], row: str) -> Spread | None:
    """Seconds of one row over the rounds that have it."""
    return spread(seconds[row] for seconds in rounds if row in seconds)


def ratio_of(rounds: Sequence[Round], row: str, reference: str) -> Spread | None:
    """How many times the reference's seconds a row took in the same round, over the rounds that have both."""
    return spread(seconds[row] / seconds[reference] for seconds in rounds if row in seconds and reference in seconds)


def rounds_of(entries: Sequence[Entry]) -> list[Round]:
    """Seconds by row, for every round."""
    numbers = sorted({entry.round for entry in entries})
    return [
        {row: value for entry in entries if entry.round == number for row, value in entry.measurement.seconds.items()}
        for number in numbers
    ]


def table(course: Course, job: Job) -> Section:
    """One row per figure of each contestant, fastest first."""
    rounds = rounds_of(course.entries)
    by_row = {row: entry for entry in course.entries for row in entry.measurement.seconds}
    medians = {row: seconds.median for row in by_row if (seconds := seconds_of(rounds, row))}
    return Section(
        title=f"Seconds per model and epoch of {job_sentence(job)}",
        header=HEADER,
        rows=[cells(row, by_row[row], course.entries, rounds) for row in sorted(medians, key=medians.__getitem__)],
        importance=(0, 1, 4, 2, 5, 3, 6, 7),
        notes=(
            *NOTES,
            *(f"{name}: {CONTESTANTS[name].sentence}." for name in dict.fromkeys(e.contestant for e in course.entries)),
            *(f"{name} is left out: {reason}." for name, reason in course.left_out.items()),
        ),
    )


def job_sentence(job: Job) -> str:
    """The job in words."""
    network = "-".join(map(str, job.widths()))
    return (
        f"{job.dataset}: {network}, relu, adam with lr {LEARNING_RATE:g}, {job.train_count:,} images in batches of "
        f"{job.batch_images}, float32, {job.validation_count:,} images validated after each epoch"
    )


def cells(row: str, entry: Entry, entries: Sequence[Entry], rounds: Sequence[Round]) -> list[str]:
    """One line of the table; `entry` is the contestant's last one."""
    same = [other for other in entries if other.contestant == entry.contestant]
    accuracies = [other.measurement.accuracy for other in same if other.measurement.accuracy is not None]
    is_charged = CONTESTANTS[entry.contestant].module == CONTESTANTS[OURS].module
    startup = [other.total_seconds - other.measurement.timed_seconds for other in same]
    return [
        row,
        spread_cell(seconds_of(rounds, row)),
        *(spread_cell(ratio_of(rounds, row, other)) for other in (FLOOR, FLOOR_WITH_EVALUATION, OURS)),
        f"{min(accuracies):.4f}" if accuracies else "-",
        ", ".join(filter(None, (f"{entry.measurement.models} x {entry.measurement.epochs}", entry.measurement.remark))),
        "counted" if is_charged else f"{min(startup):.1f}",
    ]


def spread_cell(seconds: Spread | None) -> str:
    """`0.310 (0.305 to 0.322)`, or `0.310` without a spread."""
    if seconds is None:
        return "-"
    median, lowest, highest = map(three_digits, (seconds.median, seconds.lowest, seconds.highest))
    return median if lowest == highest else f"{median} ({lowest} to {highest})"


def three_digits(value: float) -> str:
    """Three significant digits of a positive number, without an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def write_files(folder: Path, course: Course, job: Job, machine: Mapping[str, Any]) -> None:
    """Replace `results.json`, with the raw figures, and `results.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": SCHEMA,
        "machine": machine,
        "job": asdict(job) | {"hidden": HIDDEN, "lr": LEARNING_RATE},
        "left_out": course.left_out,
        "measurements": [asdict(entry) for entry in course.entries],
    }
    write_atomically(folder / "results.json", json.dumps(content, indent=2) + "\n")
    lines = ["# actbench beside its peers", "", *(f"- {line}" for line in head(dict(machine))), "", ""]
    write_atomically(folder / "results.md", "\n".join(lines) + section_to_markdown(table(course, job), "##"))
