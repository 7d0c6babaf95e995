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


_FILE = TypeAdapter(tuple[str, Standing])  # the key of what the counts were derived from, and the counts


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


def key_of(folder: Path) -> str:
    """A checksum of what a standing is derived from: of a journal its size, its time and its last bytes."""
    parts: list[object] = [__version__, records.TRAINING_CODE_VERSION, folder.resolve().name]
    for name in (EXPERIMENT, ENVIRONMENT):
        with contextlib.suppress(OSError):
            require_regular_file(folder / name)
            parts.append(hashlib.sha256((folder / name).read_bytes()).hexdigest())
    merged = folder.resolve().with_name(folder.resolve().name.partition(".shard-")[0])
    for journal in (folder / JOURNAL, merged / JOURNAL):
        with contextlib.suppress(OSError):
            require_regular_file(journal)
            with journal.open("rb") as file:
                status = os.fstat(file.fileno())
                file.seek(max(0, status.st_size - TAIL_BYTES))
                parts += [status.st_size, status.st_mtime_ns, hashlib.sha256(file.read(TAIL_BYTES)).hexdigest()]
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"


def is_worth_keeping(experiment: Experiment, journal_bytes: int) -> bool:
    """Whether the journal is long; which custom functions are loaded is not known from the folder's files."""
    return journal_bytes >= MIN_JOURNAL_BYTES and not experiment.custom_choices()


def keep_standing(folder: Folder, standing: Standing, key: str) -> None:
    """Write the standing of a folder that had this key; nothing depends on its being there."""
    content = _FILE.dump_json((key, standing)) + b"\n"
    with contextlib.suppress(OSError):
        replace_file(file_in(folder, STANDING), [content], waits_for_disk=False)


def kept_standing(folder: Path) -> Standing | None:
    """The standing that is kept in a folder; None if there is none, or the folder's files have changed since."""
    path = folder / STANDING
    try:
        if not path.is_file() or path.is_symlink():
            return None
        require_regular_file(path)
        with path.open("rb") as file:
            key, standing = _FILE.validate_json(file.read(MAX_FILE_BYTES))
        return standing if key == key_of(folder) and standing.timed else None
    except (OSError, ValidationError):
        return None
