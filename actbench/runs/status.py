"""The status of a result folder during a run or after it: only read, and of a long journal kept beside it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from actbench.experiment import records
from actbench.experiment.definition import Experiment
from actbench.experiment.records import UNUSABLE, Ending, TrialRecord, unusable_document
from actbench.plan.plan import Plan, count_trials, settings_to_do
from actbench.plan.trials import Shard, by_identity, shard_of
from actbench.render.sections import Section
from actbench.report.method import failure_rows, failures_table
from actbench.report.numbers import ABSENT
from actbench.runs.dry_run import ArmCounts, arms_section, count_by_arm
from actbench.runs.estimates import Speed, is_timed, operations, speed_here, speed_of
from actbench.runs.log import LOG, last_run, read_log
from actbench.runs.shards import command_that_continues, next_step, root_of
from actbench.store.files import Folder, HeldFolder, file_in, replace_file, require_regular_file
from actbench.store.folder import latest_folder, read_environment, require_result_folder
from actbench.store.lock import is_locked
from actbench.store.names import ENVIRONMENT, EXPERIMENT, JOURNAL
from actbench.store.results import load_results, plan_and_finished_trials
from actbench.text import clock, listed
from actbench.version import __version__

STANDING = ".status.json"
MIN_JOURNAL_BYTES = 4 * 1024 * 1024  # a shorter journal is read in less than half a second
TAIL_BYTES = 4096
MAX_FILE_BYTES = 64 * 1024 * 1024
FAILURE_KEYS = ("arm", "phase", "seed", "tuned", "what", "epoch", "cause")


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
    arms: tuple[ArmCounts, ...]
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
    planned, done = count_trials(experiment, plan, known)
    endings = Counter(journal[key].ending() for key in plan.trials() if key in journal)
    timed, left = list(filter(is_timed, journal.values())), settings_to_do(experiment, plan, known)
    work = by_identity(lambda settings: round(operations(settings)))
    return Standing(
        name=experiment.name,
        has_tuning=bool(experiment.tune),
        planned=planned,
        done=done,
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
    before = [(path, old) for path, old in zip(_journals(folder), kept.journals, strict=True) if old]
    return all((found := _journal_key(path, old[0])) and found[2] == old[2] for path, old in before)


def keep_standing(folder: HeldFolder, experiment: Experiment, count: Callable[[], Standing]) -> None:
    """Keep the standing of a locked folder beside its journal, if that is long."""
    if _is_worth_keeping(folder.path, experiment):
        _write_standing(folder, count(), key_of(folder.path))


def _is_worth_keeping(folder: Path, experiment: Experiment) -> bool:
    """Whether the journal is long; which custom functions are loaded is not known from the folder's files."""
    with contextlib.suppress(OSError):
        return (folder / JOURNAL).stat().st_size >= MIN_JOURNAL_BYTES and not experiment.custom_choices()
    return False


def _write_standing(folder: Folder, standing: Standing, key: Key) -> None:
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


def read_status(folder: Path | None, root: Path, now: datetime) -> Status:
    """The status of a result folder (a shard's: of its share), by default of the running one or the latest.

    Raises `ConfigurationError` if there is no result folder, and `UnusableEnvironmentError` if it cannot be read.
    """
    if folder:
        found = require_result_folder(folder)
    else:
        begun = [file.parent for file in root.glob(f"*/{EXPERIMENT}")]
        running = [one for one in begun if is_locked(one)]
        found = max(running or begun, key=_last_written, default=None) or latest_folder(root)
    is_running = is_locked(found)  # before it is read: a run that ends in between has left all that is read then
    kept = kept_standing(found)
    lagging = None if kept or not is_running else kept_standing(found, may_lag=True)
    counted = datetime.fromtimestamp((found / STANDING).stat().st_mtime, UTC) if lagging else None
    known = kept or lagging
    standing, speed, not_loaded = (known, None, ()) if known else _read(found, root, keeps=not is_running)
    log = read_log(found)
    latest = last_run(log)
    files = (JOURNAL, LOG) if log else ()  # without the log, a folder is a copy, with the times of the copy
    changed = [path.stat().st_mtime for name in files if (path := found / name).is_file()]
    seconds, basis = _time_left(found, standing, speed, counted, now) if is_running else (None, "")
    return Status(
        folder=found,
        standing=standing,
        is_running=is_running,
        counted=counted,
        now=now,
        started=latest[0].time if latest else None,
        active=datetime.fromtimestamp(max(changed), UTC) if changed else None,
        last_word=log[-1].text if log else "",
        seconds_left=seconds,
        basis=basis,
        not_loaded=not_loaded,
    )


def _last_written(folder: Path) -> float:
    """When a run began in the folder or stored a trial there, whichever was later."""
    return max(path.stat().st_mtime for name in (EXPERIMENT, JOURNAL) if (path := folder / name).is_file())


def _read(folder: Path, root: Path, *, keeps: bool) -> tuple[Standing, Speed | None, tuple[str, ...]]:
    """The standing by the journal, the speed to expect before any trial, and custom functions that are not loaded."""
    key = key_of(folder)
    results = load_results(folder, root, metrics=())
    plan, known = plan_and_finished_trials(results)
    standing = standing_of(results.experiment, plan, known, results.records)
    if keeps and _is_worth_keeping(folder, results.experiment):
        _write_standing(folder, standing, key)
    speed = None
    if not standing.timed and (wanted := settings_to_do(results.experiment, plan, known)):
        device = str(read_environment(folder).get("device", "cpu"))
        speed = speed_here(folder, wanted[0][0], device)
    custom = {choice.name: None for choice in results.experiment.custom_choices() if not choice.is_loaded()}
    return standing, speed, tuple(custom)


def _time_left(
    folder: Path, standing: Standing, speed: Speed | None, counted: datetime | None, now: datetime
) -> tuple[float | None, str]:
    """Seconds until all trials are trained, less those since they were counted, and what that is from."""
    if standing.timed:
        seconds = standing.timed_nanoseconds / 1e9
        speed = speed_of(standing.timed, seconds, standing.timed_operations, f"in {folder}")
    if speed is None:
        return None, ""
    workers = read_environment(folder).get("workers")
    busy = max(1, min(workers if isinstance(workers, int) else 1, standing.trials_left))
    seconds = standing.operations_left * speed.seconds_per_operation / busy
    journal = folder / JOURNAL
    last = counted or (datetime.fromtimestamp(journal.stat().st_mtime, UTC) if journal.is_file() else now)
    return max(0.0, seconds - max(0.0, (now - last).total_seconds())), speed.basis


@dataclass(frozen=True)
class Status:
    """The status of a result folder.

    `started` is when the latest run began, if its log says so; `active` is when anything was last written. `counted` is
    when trials were counted if it was not now: during a run with a long journal.
    `seconds_left` is estimated by `basis`; None if nothing tells, or no run is at work. `last_word` is the last line of
    the log, `not_loaded` are custom functions that a run would need.
    """

    folder: Path
    standing: Standing
    is_running: bool
    counted: datetime | None
    now: datetime
    started: datetime | None
    active: datetime | None
    last_word: str
    seconds_left: float | None
    basis: str
    not_loaded: tuple[str, ...]

    @property
    def shard(self) -> Shard | None:
        """The shard whose folder this is."""
        return shard_of(self.folder.resolve().name, self.standing.name)

    def counts(self) -> dict[str, int]:
        """Trials by what has become of them."""
        return {
            "planned": self.standing.planned,
            "done": self.standing.done,
            **unusable_document(cast("dict[Ending, int]", self.standing.endings)),
        }

    def is_unfinished(self) -> bool:
        """Whether trials are to do now."""
        return self.standing.done < self.standing.planned

    def waits(self) -> bool:
        """Whether final trials need what other shards have trained."""
        return self.standing.waits and not self.is_unfinished()


def status_sections(status: Status) -> list[Section]:
    """The state of the run, its trials arm by arm, and those that went wrong."""
    counts = status.counts()
    rows = [
        ["state", _state(status)],
        ["trials", f"{counts['done']} of {counts['planned']} done, {counts['diverged']} diverged, "
         f"{counts['collapsed']} collapsed, {counts['crashed']} failed"],
        *([["counted", _when(status.counted, status.now)]] if status.counted else []),
        ["started", _when(status.started, status.now)],
        ["last activity", _when(status.active, status.now)],
        ["time left", f"about {clock(status.seconds_left)}" if status.seconds_left is not None else ABSENT],
        ["last in the log", status.last_word or ABSENT],
    ]  # fmt: skip
    sections = [
        Section(str(status.folder), ["", ""], rows, list(_notes(status)), prose=(1,), is_complete=True),
        arms_section("trials by arm", list(map(asdict, status.standing.arms)), has_tuning=status.standing.has_tuning),
    ]
    wrong = failures_table(status.standing.failures)
    return [*sections, wrong] if wrong else sections


def _state(status: Status) -> str:
    if status.is_running:
        return "running"
    return "stopped" if status.is_unfinished() or status.waits() else "finished"


def _when(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ABSENT
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}, {clock(max(0.0, (now - moment).total_seconds()))} ago"


def _notes(status: Status) -> Iterator[str]:
    if status.seconds_left is not None:
        yield status.basis
    if status.is_running:
        return
    folder, shard = status.folder, status.shard
    if status.is_unfinished():
        yield f"Continue with: {command_that_continues(folder, shard)}"
        if status.not_loaded:
            yield f"Add --use FILE for the custom {listed(list(status.not_loaded))}."
    elif shard:
        yield next_step(root_of(folder) / status.standing.name, shard, waits=status.waits())
    else:
        yield f"Next: actbench report {shlex.quote(str(folder))}"


def status_document(status: Status) -> dict[str, Any]:
    """The same as plain data; times in UTC."""
    return {
        "folder": str(status.folder),
        "name": status.standing.name,
        "state": _state(status),
        "running": status.is_running,
        "shard": str(status.shard) if status.shard else None,
        "waits_for_other_shards": status.waits(),
        "trials": status.counts(),
        "counted": _iso(status.counted),
        "started": _iso(status.started),
        "last_activity": _iso(status.active),
        "seconds_left": status.seconds_left,
        "seconds_basis": status.basis if status.seconds_left is not None else None,
        "last_in_the_log": status.last_word or None,
        "arms": [asdict(one) for one in status.standing.arms],
        "failures": [dict(zip(FAILURE_KEYS, row, strict=True)) for row in status.standing.failures],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
