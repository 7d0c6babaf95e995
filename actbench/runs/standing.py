"""How far a result folder is: counts of its trials, kept beside a long journal so that `status` need not read it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from actbench.experiment import records
from actbench.experiment.definition import Experiment
from actbench.experiment.records import UNUSABLE, TrialRecord
from actbench.plan.plan import Plan, count_trials
from actbench.report.method import failure_rows
from actbench.runs.dry_run import ArmToDo, count_by_arm, settings_to_do
from actbench.runs.estimates import by_identity, is_timed, operations
from actbench.store.files import Folder, file_in, replace_file, require_regular_file
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL
from actbench.version import __version__

STANDING = ".status.json"
MIN_JOURNAL_BYTES = 4 * 1024 * 1024  # a shorter journal is read in less than half a second
TAIL_BYTES = 4096
MAX_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Standing:
    """The counts of a result folder's trials, which depend on its files alone.

    `endings` counts the unusable trials, `failures` are rows for these, `timed` trials tell how long the rest takes.
    Times are whole nanoseconds, so that their sums do not depend on the order. `waits` says that a shard's final trials
    need other shards first.
    """

    name: str
    has_tuning: bool
    planned: int
    done: int
    waits: bool
    endings: dict[str, int]
    arms: tuple[ArmToDo, ...]
    failures: tuple[tuple[str, ...], ...]
    timed: int
    timed_nanoseconds: int
    timed_operations: int
    trials_left: int
    operations_left: int


@dataclass(frozen=True)
class Key:
    """What counts are derived from: a checksum of small files; of journals the size, the time and the last bytes'."""

    files: str
    journals: tuple[tuple[int, int, str] | None, ...]


_FILE = TypeAdapter(tuple[Key, Standing])


def standing_of(
    experiment: Experiment, plan: Plan, known: Mapping[str, TrialRecord], journal: Mapping[str, TrialRecord]
) -> Standing:
    """The standing of an experiment, given its plan, the trials that need no training, and all records."""
    endings = Counter(journal[key].ending() for key in plan.trials() if key in journal)
    timed, left = list(filter(is_timed, journal.values())), settings_to_do(experiment, plan, known)
    work = by_identity(lambda settings: round(operations(settings)))
    return Standing(
        name=experiment.name,
        has_tuning=bool(experiment.tune),
        planned=count_trials(experiment, plan),
        done=sum(key in known for key in plan.trials()),
        waits=plan.shard is not None and plan.waits(),
        endings={word: endings[word] for word in UNUSABLE},
        arms=count_by_arm(experiment, plan, known),
        failures=tuple(map(tuple, failure_rows(plan, journal))),
        timed=len(timed),
        timed_nanoseconds=sum(round(record.wall_seconds * 1e9) for record in timed),
        timed_operations=sum(work(record.settings) for record in timed),
        trials_left=len(left),
        operations_left=sum(work(settings) for settings, _ in left),
    )


def key_of(folder: Path) -> Key:
    """The key of the counts that a folder's files give now."""
    parts = [__version__, str(records.TRAINING_CODE_VERSION), folder.resolve().name]
    for name in (EXPERIMENT, ENVIRONMENT):
        with contextlib.suppress(OSError):
            require_regular_file(folder / name)
            parts.append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
    return Key(hashlib.sha256(json.dumps(parts).encode()).hexdigest(), tuple(map(_journal_key, _journals(folder))))


def _journals(folder: Path) -> tuple[Path, Path]:
    """The folder's journal, and that of merged shards, which is the same unless it is a shard's folder."""
    merged = folder.resolve().with_name(folder.resolve().name.partition(".shard-")[0])
    return folder / JOURNAL, merged / JOURNAL


def _journal_key(path: Path, size: int | None = None) -> tuple[int, int, str] | None:
    """Of a journal, or of its first bytes, which must be there; None if it is not there or cannot be read."""
    with contextlib.suppress(OSError):
        require_regular_file(path)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            end = status.st_size if size is None else size
            file.seek(max(0, end - TAIL_BYTES))
            return end, status.st_mtime_ns, hashlib.sha256(file.read(min(end, TAIL_BYTES))).hexdigest()
    return None


def _has_grown(folder: Path, kept: Key, now: Key) -> bool:
    """Whether the files are those of a kept key but for lines that have been added to journals."""
    if kept.files != now.files:
        return False
    pairs = zip(_journals(folder), kept.journals, strict=True)
    return all(old is None or _without_time(_journal_key(path, old[0])) == _without_time(old) for path, old in pairs)


def _without_time(key: tuple[int, int, str] | None) -> tuple[int, str] | None:
    return key and (key[0], key[2])


def is_worth_keeping(experiment: Experiment, journal_bytes: int) -> bool:
    """Whether the journal is long; which custom functions are loaded is not known from the folder's files."""
    return journal_bytes >= MIN_JOURNAL_BYTES and not experiment.custom_choices()


def keep_standing(folder: Folder, standing: Standing, key: Key) -> None:
    """Write the standing of a folder that had this key; nothing depends on its being there."""
    content = _FILE.dump_json((key, standing)) + b"\n"
    with contextlib.suppress(OSError):
        replace_file(file_in(folder, STANDING), [content], waits_for_disk=False)


def kept_standing(folder: Path, *, may_lag: bool = False) -> Standing | None:
    """The standing that is kept in a folder; None if there is none, or the folder's files have changed since.

    It may lag behind a run at work, which appends to the journal.
    """
    path = folder / STANDING
    try:
        if not path.is_file() or path.is_symlink():
            return None
        require_regular_file(path)
        with path.open("rb") as file:
            key, standing = _FILE.validate_json(file.read(MAX_FILE_BYTES))
        now = key_of(folder)
        is_of_these_files = key == now or (may_lag and _has_grown(folder, key, now))
        return standing if is_of_these_files and standing.timed else None
    except (OSError, ValidationError):
        return None
