"""How far a result folder is: counts of its trials, kept beside a long journal so that `status` need not read it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from actbench.experiment import records
from actbench.experiment.definition import Experiment
from actbench.experiment.records import UNUSABLE, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import Plan, count_trials, finished
from actbench.report.failures import failure_row, failure_rows
from actbench.report.looks import settled_texts
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
class ArmStanding(ArmToDo):
    """An arm and its trials, and with looks what is settled."""

    settled: str | None


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
    arms: tuple[ArmStanding, ...]
    failures: tuple[tuple[str, ...], ...]
    timed: int
    timed_nanoseconds: int
    timed_operations: int
    trials_left: int
    operations_left: int


@dataclass(frozen=True)
class _Kept:
    """The contents of the file: what it was derived from, and the counts."""

    key: str
    standing: Standing


_FILE = TypeAdapter(_Kept)


def standing_of(
    experiment: Experiment, plan: Plan, known: Mapping[str, TrialRecord], journal: Mapping[str, TrialRecord]
) -> Standing:
    """The standing of an experiment, given its plan, the trials that need no training, and all records."""
    endings = Counter(journal[key].ending() for key in plan.trials() if key in journal)
    timed, left, work = (
        list(filter(is_timed, journal.values())),
        settings_to_do(experiment, plan, known),
        by_identity(_whole_operations),
    )
    return Standing(
        name=experiment.name,
        has_tuning=bool(experiment.tune),
        planned=count_trials(experiment, plan),
        done=sum(key in known for key in plan.trials()),
        waits=plan.shard is not None and plan.waits(),
        endings={word: endings[word] for word in UNUSABLE},
        arms=tuple(
            ArmStanding(**vars(one), settled=settled or None)
            for one, settled in zip(count_by_arm(experiment, plan, known), settled_texts(plan), strict=True)
        ),
        failures=tuple(map(tuple, failure_rows(plan, journal))),
        timed=len(timed),
        timed_nanoseconds=sum(map(_nanoseconds, timed)),
        timed_operations=sum(work(record.settings) for record in timed),
        trials_left=len(left),
        operations_left=sum(work(settings) for settings, _ in left),
    )


def _nanoseconds(record: TrialRecord) -> int:
    return round(record.wall_seconds * 1e9)


def _whole_operations(settings: TrialSettings) -> int:
    return round(operations(settings))


class RunStanding:
    """The standing of a run in its final phase, kept up to date trial by trial."""

    def __init__(self, experiment: Experiment, plan: Plan, journal: Mapping[str, TrialRecord]) -> None:
        """Begin with the trials of the plan and the records of the journal."""
        self._standing = standing_of(experiment, plan, finished(journal), journal)
        self._work = by_identity(_whole_operations)
        self._done = [one.done for one in self._standing.arms]
        self._trials = list(plan.trials_by_arm())
        self._places: dict[str, list[int]] = {}
        for place, (_, _, trial) in enumerate(self._trials):
            self._places.setdefault(trial.id, []).append(place)
        self._arms = {arm.values: index for index, (arm, _) in enumerate(plan.arms)}
        self._endings = {key: journal[key].ending() for key in self._places if key in journal}
        self._failures = {
            place: row
            for place, (arm, tuned, trial) in enumerate(self._trials)
            if trial.id in journal and (row := failure_row(arm, tuned, trial, journal[trial.id]))
        }

    def add(self, record: TrialRecord) -> None:
        """Count a trial that has just been stored."""
        places, now = self._places[record.trial], self._standing
        self._endings[record.trial] = record.ending()
        for place in places:
            arm, tuned, trial = self._trials[place]
            self._failures.pop(place, None)
            if row := failure_row(arm, tuned, trial, record):
                self._failures[place] = row
            self._done[self._arms[arm.values]] += record.outcome != "failed"
        if record.outcome != "failed":
            work = self._work(self._trials[places[-1]][2].settings)
            now = replace(
                now, done=now.done + 1, trials_left=now.trials_left - 1, operations_left=now.operations_left - work
            )
            if is_timed(record):
                now = replace(
                    now,
                    timed=now.timed + 1,
                    timed_nanoseconds=now.timed_nanoseconds + _nanoseconds(record),
                    timed_operations=now.timed_operations + work,
                )
        self._standing = now

    def standing(self) -> Standing:
        """How far the run is now."""
        endings = Counter(self._endings.values())
        arms = zip(self._standing.arms, self._done, strict=True)
        return replace(
            self._standing,
            endings={word: endings[word] for word in UNUSABLE},
            arms=tuple(
                one if one.done == done else replace(one, done=done, to_do=one.planned - done) for one, done in arms
            ),
            failures=tuple(tuple(self._failures[place]) for place in sorted(self._failures)),
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
    content = _FILE.dump_json(_Kept(key, standing)) + b"\n"
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
            kept = _FILE.validate_json(file.read(MAX_FILE_BYTES))
        return kept.standing if kept.key == key_of(folder) and kept.standing.timed else None
    except (OSError, ValidationError):
        return None
