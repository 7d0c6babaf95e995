"""A run seen from outside: how far it is, whether it goes on, and what went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actbench.plan import finished
from actbench.report.dry_run import ArmToDo
from actbench.report.failures import failures_section
from actbench.report.numbers import ABSENT
from actbench.report.progress import clock
from actbench.report.sections import Section
from actbench.results import Results


@dataclass(frozen=True)
class Status:
    """What can be told of a result folder without touching it.

    `started` is when the latest run began, as far as its log says so; `active` is when anything was last written.
    `seconds_left` is estimated by `basis`; None where nothing tells, or nobody is at work. `last_word` is the last line
    of the log.
    """

    results: Results
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
        records = [self.results.records[key] for key in self.results.plan.trials() if key in self.results.records]
        done = finished(self.results.records)
        return {
            "planned": self.results.planned(),
            "done": sum(key in done for key in self.results.plan.trials()),
            "diverged": sum(record.outcome == "diverged" for record in records),
            "failed": sum(record.outcome == "failed" for record in records),
        }


def status_sections(status: Status) -> list[Section]:
    """The state of the run, its trials arm by arm, and those that went wrong."""
    counts = status.counts()
    rows = [
        ["state", _state(status)],
        ["trials", f"{counts['done']} of {counts['planned']} done, {counts['diverged']} diverged, "
         f"{counts['failed']} failed"],
        ["started", _when(status.started, status.now)],
        ["last activity", _when(status.active, status.now)],
        ["time left", f"about {clock(status.seconds_left)}" if status.seconds_left is not None else ABSENT],
        ["last in the log", status.last_word or ABSENT],
    ]  # fmt: skip
    sections = [
        Section(str(status.results.folder), ["", ""], rows, list(_notes(status)), prose=(1,), is_complete=True),
        _arms_section(status),
    ]
    wrong = failures_section(status.results.plan, status.results.records)
    return [*sections, wrong] if wrong else sections


def _state(status: Status) -> str:
    if status.is_running:
        return "running"
    return "stopped" if _is_unfinished(status) else "finished"


def _is_unfinished(status: Status) -> bool:
    counts = status.counts()
    return counts["done"] < counts["planned"]


def _when(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ABSENT
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}, {clock(max(0.0, (now - moment).total_seconds()))} ago"


def _notes(status: Status) -> Iterator[str]:
    if status.seconds_left is not None:
        yield status.basis
    folder = status.results.folder
    if not status.is_running and _is_unfinished(status):
        where = folder.resolve()
        again = ["actbench", "run", str(folder / "experiment.yaml"), "--results", str(folder.parent)]
        yield "This goes on: " + shlex.join([*again, "--set", f"name={where.name}"])
    elif not status.is_running:
        yield f"Next: actbench report {shlex.quote(str(folder))}"


def _arms_section(status: Status) -> Section:
    has_tuning = bool(status.results.experiment.tune)
    rows = [
        [one.arm.label(), *([str(one.tuning)] if has_tuning else []), str(one.planned), str(one.done)]
        for one in status.arms
    ]
    return Section("trials by arm", ["arm", *(["tuning"] if has_tuning else []), "planned", "done"], rows)


def status_document(status: Status) -> dict[str, Any]:
    """The same as plain data; times in UTC."""
    wrong = failures_section(status.results.plan, status.results.records)
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
             "done": one.done}
            for one in status.arms
        ],
        "failures": [dict(zip(FAILURE_KEYS, row, strict=True)) for row in (wrong.rows if wrong else ())],
    }  # fmt: skip


FAILURE_KEYS = ("arm", "phase", "seed", "tuned", "what", "epoch", "cause")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
