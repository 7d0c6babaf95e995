"""What trials take before they are trained: time, memory and disk, each with what it is estimated from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from actbench.errors import ExpectedError
from actbench.experiment.layers import network_size, resolve_layers
from actbench.experiment.records import Curves, LayerProbe, Phase, Trial, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.stacks import Stack, stack_bytes
from actbench.plan.trials import make_trial
from actbench.runs.environment import processor_name
from actbench.store import folder as store
from actbench.store.journal import journal_line

ASSUMED_OPERATIONS_PER_SECOND = 30e9
OPERATIONS_PER_WEIGHT = 6
OPERATIONS_PER_STEP = 6e6
TORCH_BYTES = 620_000_000  # resident in a worker that has imported torch and trained something small
COPIES_OF_A_STACK = 2
LABEL_BYTES, FLOAT_BYTES = 8, 4
MEASURE = 0.1234567
TEST_IMAGES_PER_MISTAKE = 30
TYPICAL_NUMBER, SHORT_NUMBER = 0.12345678901234568, 0.123456
MAX_RECORDS, MAX_FOLDERS = 40, 8
COMPARABLE = 4.0
MAX_LINES_MADE = 500
START_SECONDS, COMPILING_SECONDS = 4.0, 4.0


@dataclass(frozen=True)
class Speed:
    """Seconds that one worker takes for an operation, and a sentence on where that is known from."""

    seconds_per_operation: float
    basis: str


ASSUMED_SPEED = Speed(
    1 / ASSUMED_OPERATIONS_PER_SECOND,
    f"Time: a guess from {ASSUMED_OPERATIONS_PER_SECOND / 1e9:.0f} billion operations a second for each worker, "
    "and 0.2 ms for each step; no comparable trial has been timed here.",
)


def operations(settings: TrialSettings) -> float:
    """Multiplications and additions of one training, and as many more as its steps take time beside them.

    There are 6 for each weight, image and epoch (forward and backward); a step takes about 0.2 ms whatever its size.
    """
    images = settings.data.train_count()
    steps = -(-images // settings.train.batch_images(images))
    return settings.train.epochs * (images * operations_of_an_image(settings) + steps * OPERATIONS_PER_STEP)


def operations_of_an_image(settings: TrialSettings) -> float:
    """Multiplications and additions of one image's step, by which networks are told to be comparable in size."""
    return float(OPERATIONS_PER_WEIGHT * network_size(settings).parameters)


def measured_speed(records: Iterable[TrialRecord], where: str) -> Speed | None:
    """The mean over trials that were trained to the end; None where there are none."""
    done = [record for record in records if _is_timed(record)]
    if not done:
        return None
    seconds = sum(record.wall_seconds for record in done)
    return Speed(
        seconds / sum(operations(record.settings) for record in done),
        f"Time: from {len(done)} trials {where}, {seconds / len(done):.2g} s each on one worker; another machine, or a "
        "busy one, takes another time.",
    )


def _is_timed(record: TrialRecord) -> bool:
    return record.outcome == "done" and record.wall_seconds > 0


def speed_here(folder: Path, wanted: TrialSettings, device: str) -> Speed | None:
    """The speed of this machine for such a trial.

    It is that of the folder's own trials or else of another one's beside it, as far as they were trained on this kind
    of processor and device and, elsewhere, on the same dataset with a network of about the size. Without any it is
    assumed on the CPU, and not known on another device.
    """
    for one in (folder, *_others(folder)):
        found = list(islice(_trained_here(one, device, None if one == folder else wanted), MAX_RECORDS))
        if speed := measured_speed(found, f"in {one}"):
            return speed
    return ASSUMED_SPEED if device == "cpu" else None


def _others(folder: Path) -> list[Path]:
    """Result folders beside this one, the latest first."""
    journals = [path for path in folder.parent.glob(f"*/{store.JOURNAL}") if path.parent != folder]
    return [path.parent for path in sorted(journals, key=_modified, reverse=True)[:MAX_FOLDERS]]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _trained_here(folder: Path, device: str, like: TrialSettings | None) -> Iterator[TrialRecord]:
    """Records of a folder that says it was trained on this kind of processor; none of one that cannot be read."""
    try:
        environments = store.environments_by_id(folder)
        for _, _, record in store.read_lines(folder, has_probes=False):
            if not isinstance(record, TrialRecord) or not _is_timed(record) or record.device != device:
                continue
            is_here = environments.get(record.environment, {}).get("processor") == processor_name()
            if is_here and (like is None or _is_comparable(record.settings, like)):
                yield record
    except (ExpectedError, OSError):
        return


def _is_comparable(settings: TrialSettings, other: TrialSettings) -> bool:
    size, wanted = operations_of_an_image(settings), operations_of_an_image(other)
    return settings.data.dataset == other.data.dataset and max(size, wanted) <= COMPARABLE * min(size, wanted)


def training_seconds(settings: Sequence[TrialSettings], speed: Speed, workers: int) -> float:
    """Seconds that so many workers take to train trials with these settings."""
    by_identity = {id(one): operations(one) for one in {id(one): one for one in settings}.values()}
    busy = max(1, min(workers, len(settings)))
    return sum(by_identity[id(one)] for one in settings) * speed.seconds_per_operation / busy


def start_seconds() -> float:
    """Seconds before the first step: imports, reading the images, and compiling where this has not been done yet."""
    from actbench.training.compiled import library_file, why_not_used

    return START_SECONDS + (0.0 if why_not_used() or library_file().exists() else COMPILING_SECONDS)


def worker_bytes(stacks: Sequence[Stack]) -> int:
    """Resident bytes of one worker: torch, the images, and the largest of the stacks with its batches."""
    if not stacks:
        return 0
    dataset = stacks[0][0].settings.data.facts()
    value_bytes = 1 if dataset.source == "torchvision" else FLOAT_BYTES
    images = (dataset.train_count + dataset.test_count) * (dataset.features * value_bytes + LABEL_BYTES)
    largest = max(len(stack) * stack_bytes(stack[0].settings) for stack in stacks)
    return TORCH_BYTES + images + COPIES_OF_A_STACK * largest


def journal_bytes(settings: Iterable[tuple[TrialSettings, Phase]]) -> int:
    """Bytes of the journal's lines for trials with these settings, from an even sample of the distinct ones."""
    counts: Counter[tuple[int, Phase]] = Counter()
    distinct: dict[tuple[int, Phase], TrialSettings] = {}
    for one, phase in settings:
        key = id(one), phase
        counts[key] += 1
        distinct[key] = one
    keys = list(distinct)[:: -(-len(distinct) // MAX_LINES_MADE) or 1]
    sizes = {key: len(journal_line(_typical_record(make_trial(distinct[key], 0, key[1]))).encode()) for key in keys}
    sampled = sum(counts[key] for key in keys)
    return round(sum(counts[key] * sizes[key] for key in keys) * counts.total() / sampled) if sampled else 0


def _typical_record(trial: Trial) -> TrialRecord:
    """A record as long as a real one, since journals are not compressed: numbers of the usual number of digits."""
    settings, number = trial.settings, TYPICAL_NUMBER
    data, epochs = settings.data, settings.train.epochs
    held_out = data.validation_count() > 0
    layers = len(resolve_layers(settings))
    return TrialRecord(
        trial=trial.id,
        phase=trial.phase,
        seed=trial.seed,
        settings=settings,
        outcome="done",
        train_count=data.train_count(),
        validation_count=data.validation_count(),
        test_count=data.test_count(),
        curves=Curves(
            train_loss=(number,) * epochs,
            train_correct_count=(data.train_count(),) * epochs,
            validation_loss=(number,) * epochs * held_out,
            validation_correct_count=(data.validation_count(),) * epochs * held_out,
            validation_nll=(MEASURE,) * epochs * held_out,
            validation_brier=(MEASURE,) * epochs * held_out,
            validation_ece=(MEASURE,) * epochs * held_out,
            validation_top2_correct_count=(data.validation_count(),) * epochs * held_out,
        ),
        probes=tuple(
            LayerProbe(
                epoch=epoch, layer=layer, mean=SHORT_NUMBER, sd=SHORT_NUMBER, zero_share=0.0, dead_share=0.0,
                saturated_share=SHORT_NUMBER, weight_gradient_norm=SHORT_NUMBER, bias_gradient_norm=SHORT_NUMBER,
                weight_norm=SHORT_NUMBER, histogram="A" * 24,
            )
            for epoch in settings.train.probed_epochs()
            for layer in range(1, layers + 1)
        ),
        test_correct_count=None if trial.phase == "tune" else data.test_count(),
        test_loss=None if trial.phase == "tune" else number,
        test_is_correct="" if trial.phase == "tune" else "A" * (4 * -(-data.test_count() // 24)),
        test_prediction_counts=() if trial.phase == "tune" else (data.test_count(),) * data.facts().classes,
        test_nll=None if trial.phase == "tune" else MEASURE,
        test_brier=None if trial.phase == "tune" else MEASURE,
        test_ece=None if trial.phase == "tune" else MEASURE,
        test_top2_correct_count=None if trial.phase == "tune" else data.test_count(),
        test_mistakes="" if trial.phase == "tune" else "A" * (data.test_count() // TEST_IMAGES_PER_MISTAKE),
        wall_seconds=number,
        epoch_seconds=(0.123456789,) * epochs,
        stack_trials=10,
        device="cpu",
        environment="0123456789ab",
    )  # fmt: skip
