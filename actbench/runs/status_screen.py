"""A run seen from outside: how far it is, whether it goes on, and what went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan, count_trials
from actbench.render.sections import Section
from actbench.report.failures import failures_section
from actbench.report.numbers import ABSENT
from actbench.runs.dry_run import ArmToDo
from actbench.runs.shards import command_that_continues, next_step, root_of
from actbench.store.results import Results
from actbench.text import clock, listed


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
            "diverged": sum(record.outcome == "diverged" for record in records),
            "failed": sum(record.outcome == "failed" for record in records),
        }

    def is_unfinished(self) -> bool:
        """Whether trials are to do now."""
        counts = self.counts()
        return counts["done"] < counts["planned"]

    def waits(self) -> bool:
        """Whether final trials follow once the tuning of other shards is merged."""
        return self.plan.shard is not None and not self.plan.is_tuned() and not self.is_unfinished()


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
        if own := {one.name: None for one in results.experiment.own_pieces() if not one.is_loaded()}:
            yield f"It takes what adds {listed(list(own))} besides: --use FILE."
    elif shard:
        yield next_step(results.experiment, root_of(results.folder), shard, waits=status.waits())
    else:
        yield f"Next: actbench report {shlex.quote(str(results.folder))}"


def _arms_section(status: Status) -> Section:
    has_tuning = bool(status.results.experiment.tune)
    rows = [
        [one.arm.label(), *([str(one.tuning)] if has_tuning else []), str(one.planned), str(one.done)]
        for one in status.arms
    ]
    return Section("trials by arm", ["arm", *(["tuning"] if has_tuning else []), "planned", "done"], rows)


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
             "done": one.done}
            for one in status.arms
        ],
        "failures": [dict(zip(FAILURE_KEYS, row, strict=True)) for row in (wrong.rows if wrong else ())],
    }  # fmt: skip


FAILURE_KEYS = ("arm", "phase", "seed", "tuned", "what", "epoch", "cause")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
