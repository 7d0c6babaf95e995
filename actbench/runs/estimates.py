"""Estimates of what trials take: time, memory and disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import get_args

from actbench.errors import ExpectedError
from actbench.experiment.layers import network_size, resolve_layers
from actbench.experiment.records import Phase, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.stacks import Stack, stack_bytes
from actbench.plan.trials import by_identity
from actbench.runs.environment import processor_name
from actbench.store.folder import environments_by_id
from actbench.store.names import JOURNAL
from actbench.store.reading import read_lines
from actbench.text import clock, counted

ASSUMED_OPERATIONS_PER_SECOND = 60e9
OPERATIONS_PER_WEIGHT = 6
OPERATIONS_PER_STEP = 6e6
TORCH_BYTES = 620_000_000  # resident in a worker that has imported torch and trained something small
COPIES_OF_A_STACK = 2
LABEL_BYTES, FLOAT_BYTES = 8, 4
# Of a line of the journal; numbers of the usual length, a bit for each test image and one mistake in 30 of them.
LINE_BYTES, EPOCH_BYTES, VALIDATED_EPOCH_BYTES, PROBE_BYTES, TEST_BYTES, TEST_IMAGE_BYTES = 728, 38, 62, 250, 80, 0.2
MAX_RECORDS, MAX_FOLDERS = 40, 8
COMPARABLE = 4.0
START_SECONDS, COMPILING_SECONDS = 4.0, 4.0


@dataclass(frozen=True)
class Speed:
    """Seconds that one worker takes for an operation, and a sentence on how that is known."""

    seconds_per_operation: float
    basis: str


ASSUMED_SPEED = Speed(
    1 / ASSUMED_OPERATIONS_PER_SECOND,
    f"Time: a guess from {ASSUMED_OPERATIONS_PER_SECOND / 1e9:.0f} billion operations a second for each worker, "
    "and 0.2 ms for each step; no comparable trial has been timed here.",
)


def operations(settings: TrialSettings) -> float:
    """Multiplications and additions of one training (6 for each weight, image and epoch), with its steps' overhead."""
    images = settings.data.train_count()
    steps = -(-images // settings.train.batch_images(images))
    return settings.train.epochs * (images * operations_of_an_image(settings) + steps * OPERATIONS_PER_STEP)


def operations_of_an_image(settings: TrialSettings) -> float:
    """Multiplications and additions of one image's step: the size of a network."""
    return float(OPERATIONS_PER_WEIGHT * network_size(settings).parameters)


def measured_speed(records: Iterable[TrialRecord], where: str) -> Speed | None:
    """The mean over trials that were trained to the end; None where there are none."""
    done = [record for record in records if is_timed(record)]
    if not done:
        return None
    seconds = sum(record.wall_seconds for record in done)
    return speed_of(len(done), seconds, sum(operations(record.settings) for record in done), where)


def speed_of(trials: int, seconds: float, operation_count: float, where: str) -> Speed:
    """The speed of trials that took so many seconds for so many operations."""
    return Speed(
        seconds / operation_count,
        f"Time: from {counted(trials, 'trial')} {where}, {seconds / trials:.2g} s each on one worker; another machine, "
        "or a busy one, takes another time.",
    )


def is_timed(record: TrialRecord) -> bool:
    """Whether a trial was trained to the end, so that it tells how long others take."""
    return record.outcome == "done" and record.wall_seconds > 0


def speed_here(folder: Path, wanted: TrialSettings, device: str) -> Speed | None:
    """The speed of this machine for such a trial: from this folder, else a comparable one beside it, else assumed."""
    beside = [path for path in folder.parent.glob(f"*/{JOURNAL}") if path.parent != folder]
    latest = sorted(beside, key=_modified, reverse=True)[:MAX_FOLDERS]
    for one in (folder, *(path.parent for path in latest)):
        found = list(islice(_trained_here(one, device, None if one == folder else wanted), MAX_RECORDS))
        if speed := measured_speed(found, f"in {one}"):
            return speed
    return ASSUMED_SPEED if device == "cpu" else None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _trained_here(folder: Path, device: str, like: TrialSettings | None) -> Iterator[TrialRecord]:
    """Timed records of a folder from this kind of processor; none if it cannot be read."""
    try:
        environments = environments_by_id(folder)
        for _, _, record in read_lines(folder, has_probes=False):
            if not isinstance(record, TrialRecord) or not is_timed(record) or record.device != device:
                continue
            is_here = environments.get(record.environment, {}).get("processor") == processor_name()
            if is_here and (like is None or _is_comparable(record.settings, like)):
                yield record
    except (ExpectedError, OSError):
        return


def _is_comparable(settings: TrialSettings, other: TrialSettings) -> bool:
    """Whether the network has about the size, and trains long enough: short trainings mostly start and score."""
    if COMPARABLE * operations(settings) < operations(other):
        return False
    size, wanted = operations_of_an_image(settings), operations_of_an_image(other)
    return settings.data.dataset == other.data.dataset and max(size, wanted) <= COMPARABLE * min(size, wanted)


def training_seconds(settings: Sequence[TrialSettings], speed: Speed, workers: int) -> float:
    """Seconds that so many workers take to train trials with these settings."""
    busy = max(1, min(workers, len(settings)))
    return sum(map(by_identity(operations), settings)) * speed.seconds_per_operation / busy


def expected_text(settings: Sequence[TrialSettings], speed: Speed | None, workers: int) -> str:
    """`112 trials to train on 2 workers, about 0:12 with the start`; `perhaps` where the speed is a guess."""
    what = f"{counted(len(settings), 'trial')} to train on {counted(workers, 'worker')}"
    if speed is None:
        return what
    seconds = start_seconds() + training_seconds(settings, speed, workers)
    return f"{what}, {'perhaps' if speed is ASSUMED_SPEED else 'about'} {clock(seconds)} with the start"


def start_seconds() -> float:
    """Seconds before the first step: imports, reading the images, and compiling where this has not been done yet."""
    from actbench.training.compiled import library_file, why_not_used

    is_there = os.path.exists(library_file())  # noqa: PTH110  Path.exists raises where the folder may not be read
    return START_SECONDS + (0.0 if why_not_used() or is_there else COMPILING_SECONDS)


def worker_bytes(stacks: Sequence[Stack]) -> int:
    """Resident bytes of one worker: torch, the images, and the largest of the stacks with its batches."""
    if not stacks:
        return 0
    dataset = stacks[0][0].settings.data.dataset
    value_bytes = 1 if dataset.source == "torchvision" else FLOAT_BYTES
    images = (dataset.train_count + dataset.test_count) * (dataset.features * value_bytes + LABEL_BYTES)
    largest = max(len(stack) * stack_bytes(stack[0].settings) for stack in stacks)
    return TORCH_BYTES + images + COPIES_OF_A_STACK * largest


def journal_bytes(settings: Iterable[tuple[TrialSettings, Phase]]) -> int:
    """Bytes of the journal's lines for trials with these settings."""
    sizes = {phase: by_identity(partial(_line_bytes, phase=phase)) for phase in get_args(Phase)}
    return round(sum(sizes[phase](given) for given, phase in settings))


def weights_bytes(settings: Iterable[tuple[TrialSettings, Phase]]) -> int:
    """Bytes of the final weights of the final trials among these."""
    return FLOAT_BYTES * sum(network_size(one).parameters for one, phase in settings if phase == "final")


def _line_bytes(settings: TrialSettings, phase: Phase) -> float:
    """Bytes of one line: the settings, and numbers of the usual length for each epoch, probe and test image."""
    data, epochs = settings.data, settings.train.epochs
    by_epoch = EPOCH_BYTES + (VALIDATED_EPOCH_BYTES if data.validation_count() else 0)
    probes = len(settings.train.probed_epochs()) * len(resolve_layers(settings))
    tested = TEST_BYTES + data.test_count() * TEST_IMAGE_BYTES if phase == "final" else 0
    return LINE_BYTES + len(settings.model_dump_json()) + epochs * by_epoch + probes * PROBE_BYTES + tested
