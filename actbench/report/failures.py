"""Trials that went wrong: which, when, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from actbench.experiment.definition import Arm
from actbench.experiment.records import NOT_FINITE, Trial, TrialRecord
from actbench.plan.plan import Plan
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT
from actbench.report.tuning import tuned_text

COLLAPSED = "predicts one class for every test image"


def failures_section(plan: Plan, records: Mapping[str, TrialRecord]) -> Section | None:
    """One row for each trial that diverged, raised an error or collapsed; None without any."""
    rows = list(_rows(plan, records))
    if not rows:
        return None
    header = ["arm", "phase", "seed", "tuned", "what happened", "epoch", "cause"]
    notes = [
        "Diverged: the loss stopped being a finite number in that epoch, and the trial stopped there. Failed: an error "
        "ended it. Collapsed: it was trained to the end and gives every test image the same class.",
        "Trials of the tuning count against the setting that was tried, those of the final phase against the arm.",
    ]
    return Section("trials that went wrong", header, rows, notes, prose=(6,))


def _rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[list[str]]:
    for arm, tuned, trial in plan.trials_by_arm():
        record = records.get(trial.id)
        if record is not None and (found := _trouble(record)) is not None:
            yield [*_named(arm, trial), tuned_text(tuned) if tuned else ABSENT, *found]


def _named(arm: Arm, trial: Trial) -> list[str]:
    return [arm.label(), trial.phase, str(trial.seed)]


def _trouble(record: TrialRecord) -> tuple[str, str, str] | None:
    """What happened, in which epoch, and why."""
    ending = record.ending()
    causes = {
        "diverged": (str(record.diverged_epoch or ABSENT), record.cause or NOT_FINITE),
        "collapsed": (ABSENT, COLLAPSED),
        "failed": (ABSENT, record.cause or "not recorded"),
    }
    return None if ending == "done" else (ending, *causes[ending])
