"""Looking at a result folder while a run is at work in it, or after: nothing is locked, created or changed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actbench.experiment.records import TrialRecord, count_endings, unusable_document
from actbench.plan.plan import Plan, count_trials
from actbench.render.sections import Section
from actbench.report.failures import failures_section
from actbench.report.looks import settled_texts
from actbench.report.numbers import ABSENT
from actbench.runs.dry_run import ArmToDo, count_by_arm, settings_to_do
from actbench.runs.estimates import measured_speed, speed_here, training_seconds
from actbench.runs.log import LOG, last_run, read_log
from actbench.runs.shards import command_that_continues, next_step, root_of
from actbench.store import folder as store
from actbench.store.lock import is_locked
from actbench.store.results import Results, load_results, share_of
from actbench.text import clock, listed


def read_status(folder: Path | None, root: Path, now: datetime) -> Status:
    """The status of a result folder; without one of that in which a run is at work, or else of the latest under `root`.

    That of a shard's folder is of the shard's own share. Raises `ConfigurationError` where there is none, and
    `UnusableEnvironmentError` where it cannot be read.
    """
    found = store.require_result_folder(folder) if folder else _running_folder(root) or store.latest_folder(root)
    is_running = is_locked(found)  # before it is read: a run that ends in between has left all that is read then
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
    """The folder under `root` in which a run is at work, also before its first trial; None where none is."""
    folders = [file.parent for file in root.glob(f"*/{store.EXPERIMENT}")]
    running = [folder for folder in folders if is_locked(folder)]
    return max(running, key=lambda folder: folder.stat().st_mtime, default=None)


def _latest_change(folder: Path) -> datetime | None:
    """When the journal or the log was last written."""
    times = [path.stat().st_mtime for name in (store.JOURNAL, LOG) if (path := folder / name).is_file()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _time_left(
    results: Results, plan: Plan, known: Mapping[str, TrialRecord], now: datetime
) -> tuple[float | None, str]:
    """Seconds until all trials are trained, less those since the last was stored, and what that is from."""
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
    """What can be told of a result folder without touching it.

    `plan` is what its runs follow (that of a shard is its share), and `known` are the trials that they need not train
    any more. `started` is when the latest run began, as far as its log says so; `active` is when anything was last
    written. `seconds_left` is estimated by `basis`; None where nothing tells, or nobody is at work. `last_word` is the
    last line of the log.
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
        """Trials by what has become of them."""
        trials = self.plan.trials()
        records = [self.results.records[key] for key in trials if key in self.results.records]
        return {
            "planned": count_trials(self.results.experiment, self.plan),
            "done": sum(key in self.known for key in trials),
            **unusable_document(count_endings(records)),
        }

    def is_unfinished(self) -> bool:
        """Whether trials are to do now."""
        counts = self.counts()
        return counts["done"] < counts["planned"]

    def waits(self) -> bool:
        """Whether final trials follow once what other shards have trained is merged."""
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
        yield f"This goes on: {command_that_continues(results.folder, shard)}"
        if own := {one.name: None for one in results.experiment.custom_choices() if not one.is_loaded()}:
            yield f"It takes what adds {listed(list(own))} besides: --use FILE."
    elif shard:
        yield next_step(results.experiment, root_of(results.folder), shard, waits=status.waits())
    else:
        yield f"Next: actbench report {shlex.quote(str(results.folder))}"


def _arms_section(status: Status) -> Section:
    settled = settled_texts(status.plan)
    columns = {
        "arm": [one.arm.label() for one in status.arms],
        **({"tuning": [str(one.tuning) for one in status.arms]} if status.results.experiment.tune else {}),
        "planned": [str(one.planned) for one in status.arms],
        "done": [str(one.done) for one in status.arms],
        **({"settled": [text or ABSENT for text in settled]} if any(settled) else {}),
    }
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
    return Section("trials by arm", list(columns), rows)


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
            {"arm": one.arm.to_yaml(), "label": one.arm.label(), "tuning": one.tuning, "planned": one.planned,
             "done": one.done, "settled": settled or None}
            for one, settled in zip(status.arms, settled_texts(status.plan), strict=True)
        ],
        "failures": [dict(zip(FAILURE_KEYS, row, strict=True)) for row in (wrong.rows if wrong else ())],
    }  # fmt: skip


FAILURE_KEYS = ("arm", "phase", "seed", "tuned", "what", "epoch", "cause")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
