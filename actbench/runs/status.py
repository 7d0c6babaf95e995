"""The status of a result folder during a run or after it; only read, never locked."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actbench.experiment.records import TrialRecord, count_endings, unusable_document
from actbench.plan.plan import Plan, count_trials
from actbench.render.sections import Section
from actbench.report.failures import failures_section
from actbench.report.looks import settled_texts
from actbench.report.numbers import ABSENT
from actbench.runs.dry_run import ArmToDo, arms_section, count_by_arm, settings_to_do
from actbench.runs.estimates import measured_speed, speed_here, training_seconds
from actbench.runs.log import LOG, last_run, read_log
from actbench.runs.shards import command_that_continues, next_step, root_of
from actbench.store import folder as store
from actbench.store.lock import is_locked
from actbench.store.results import Results, load_results, share_of
from actbench.text import clock, listed


def read_status(folder: Path | None, root: Path, now: datetime) -> Status:
    """The status of a result folder, by default of the running one or the latest under `root`.

    For a shard's folder, that of the shard's share. Raises `ConfigurationError` if there is none, and
    `UnusableEnvironmentError` if it cannot be read.
    """
    found = store.require_result_folder(folder) if folder else _running_folder(root) or store.latest_folder(root)
    is_running = is_locked(found)  # before reading: a run that ends in between has written everything by then
    results = load_results(found, root, metrics=())
    plan, known = share_of(results)
    log = read_log(results.folder)
    latest = last_run(log)
    active = _latest_change(results.folder)
    seconds, basis = _time_left(results, plan, known, now) if is_running else (None, "")
    return Status(
        results=results,
        plan=plan,
        known=known,
        arms=count_by_arm(results.experiment, plan, known),
        is_running=is_running,
        now=now,
        started=latest[0].time if latest else None,
        active=active,
        last_word=log[-1].text if log else "",
        seconds_left=seconds,
        basis=basis,
    )


def _running_folder(root: Path) -> Path | None:
    """The folder under `root` of a run in progress, also before its first trial; None if there is none."""
    folders = [file.parent for file in root.glob(f"*/{store.EXPERIMENT}")]
    running = [folder for folder in folders if is_locked(folder)]
    return max(running, key=lambda folder: folder.stat().st_mtime, default=None)


def _latest_change(folder: Path) -> datetime | None:
    """When the journal or the log was last changed."""
    times = [path.stat().st_mtime for name in (store.JOURNAL, LOG) if (path := folder / name).is_file()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _time_left(
    results: Results, plan: Plan, known: Mapping[str, TrialRecord], now: datetime
) -> tuple[float | None, str]:
    """Seconds until all trials are trained, less those since the last was stored, and the basis of the estimate."""
    wanted = [settings for settings, _ in settings_to_do(results.experiment, plan, known)]
    environment = store.read_environment(results.folder)
    device, workers = str(environment.get("device", "cpu")), environment.get("workers")
    speed = measured_speed(results.records.values(), f"in {results.folder}")
    speed = speed or (speed_here(results.folder, wanted[0], device) if wanted else None)
    if speed is None:
        return None, ""
    seconds = training_seconds(wanted, speed, workers if isinstance(workers, int) else 1)
    journal = results.folder / store.JOURNAL
    since = now.timestamp() - journal.stat().st_mtime if journal.is_file() else 0.0
    return max(0.0, seconds - max(0.0, since)), speed.basis


@dataclass(frozen=True)
class Status:
    """The status of a result folder.

    `plan` is the plan of its runs (a shard's share), `known` are the trials done. `started` is when the latest run
    began, if its log says so; `active` when anything was last written. `seconds_left` is None if unknown or not
    running, `basis` says how it is estimated. `last_word` is the last line of the log.
    """

    results: Results
    plan: Plan
    known: Mapping[str, TrialRecord]
    arms: tuple[ArmToDo, ...]
    is_running: bool
    now: datetime
    started: datetime | None
    active: datetime | None
    last_word: str
    seconds_left: float | None
    basis: str

    def counts(self) -> dict[str, int]:
        """Trials by outcome."""
        trials = self.plan.trials()
        records = [self.results.records[key] for key in trials if key in self.results.records]
        return {
            "planned": count_trials(self.results.experiment, self.plan),
            "done": sum(key in self.known for key in trials),
            **unusable_document(count_endings(records)),
        }

    def is_unfinished(self) -> bool:
        """Whether trials are to do."""
        counts = self.counts()
        return counts["done"] < counts["planned"]

    def waits(self) -> bool:
        """Whether final trials need what other shards have trained."""
        return self.plan.shard is not None and self.plan.waits() and not self.is_unfinished()


def status_sections(status: Status) -> list[Section]:
    """The state of the run, its trials arm by arm, and those that went wrong."""
    counts = status.counts()
    rows = [
        ["state", _state(status)],
        ["trials", f"{counts['done']} of {counts['planned']} done, {counts['diverged']} diverged, "
         f"{counts['collapsed']} collapsed, {counts['crashed']} failed"],
        ["started", _when(status.started, status.now)],
        ["last activity", _when(status.active, status.now)],
        ["time left", f"about {clock(status.seconds_left)}" if status.seconds_left is not None else ABSENT],
        ["last in the log", status.last_word or ABSENT],
    ]  # fmt: skip
    sections = [
        Section(str(status.results.folder), ["", ""], rows, list(_notes(status)), prose=(1,), is_complete=True),
        _arms_section(status),
    ]
    wrong = failures_section(status.plan, status.results.records)
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
    results, shard = status.results, status.plan.shard
    if status.is_unfinished():
        yield f"Continue with: {command_that_continues(results.folder, shard)}"
        if own := {one.name: None for one in results.experiment.custom_choices() if not one.is_loaded()}:
            yield f"Add --use FILE for the custom {listed(list(own))}."
    elif shard:
        yield next_step(results.experiment, root_of(results.folder), shard, waits=status.waits())
    else:
        yield f"Next: actbench report {shlex.quote(str(results.folder))}"


def _arms_section(status: Status) -> Section:
    """Trials by arm; with looks also what is settled."""
    table = arms_section("trials by arm", status.results.experiment, status.arms)
    settled = settled_texts(status.plan)
    if not any(settled):
        return table
    rows = [[*row, text or ABSENT] for row, text in zip(table.rows, settled, strict=True)]
    return replace(table, header=[*table.header, "settled"], rows=rows)


def status_document(status: Status) -> dict[str, Any]:
    """The same as plain data; times in UTC."""
    wrong = failures_section(status.plan, status.results.records)
    return {
        "folder": str(status.results.folder),
        "name": status.results.experiment.name,
        "state": _state(status),
        "running": status.is_running,
        "trials": status.counts(),
        "started": _iso(status.started),
        "last_activity": _iso(status.active),
        "seconds_left": status.seconds_left,
        "seconds_basis": status.basis if status.seconds_left is not None else None,
        "last_in_the_log": status.last_word or None,
        "arms": [
            one.document() | {"settled": settled or None}
            for one, settled in zip(status.arms, settled_texts(status.plan), strict=True)
        ],
        "failures": [dict(zip(FAILURE_KEYS, row, strict=True)) for row in (wrong.rows if wrong else ())],
    }


FAILURE_KEYS = ("arm", "phase", "seed", "tuned", "what", "epoch", "cause")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
