"""Trials that went wrong: which, when, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from actbench.experiment.definition import Arm
from actbench.experiment.naming import Values
from actbench.experiment.records import NOT_FINITE, Trial, TrialRecord
from actbench.plan.plan import Plan
from actbench.render.sections import Section
from actbench.report.numbers import ABSENT
from actbench.report.tuning import tuned_text

COLLAPSED = "predicts one class for every test image"


def failures_table(rows: Sequence[Sequence[str]]) -> Section | None:
    """One row for each trial that diverged, raised an error or collapsed; None without any."""
    if not rows:
        return None
    header = ["arm", "phase", "seed", "tuned", "what happened", "epoch", "cause"]
    notes = [
        "Diverged: the loss stopped being a finite number in that epoch, and the trial stopped there. Failed: an error "
        "ended it. Collapsed: it was trained to the end and gives every test image the same class.",
        "Trials of the tuning count against the setting that was tried, those of the final phase against the arm.",
    ]
    return Section("trials that went wrong", header, [list(row) for row in rows], notes, prose=(6,))


def failure_rows(plan: Plan, records: Mapping[str, TrialRecord]) -> Iterator[list[str]]:
    """One row for each trial that went wrong, in the order of the plan."""
    for arm, tuned, trial in plan.trials_by_arm():
        if trial.id in records and (row := failure_row(arm, tuned, trial, records[trial.id])):
            yield row


def failure_row(arm: Arm, tuned: Values, trial: Trial, record: TrialRecord) -> list[str] | None:
    """The trial, what happened, in which epoch, and why; None if it did not go wrong."""
    ending = record.ending()
    if ending == "done":
        return None
    causes = {
        "diverged": (str(record.diverged_epoch or ABSENT), record.cause or NOT_FINITE),
        "collapsed": (ABSENT, COLLAPSED),
        "failed": (ABSENT, record.cause or "not recorded"),
    }
    return [arm.label(), trial.phase, str(trial.seed), tuned_text(tuned) if tuned else ABSENT, ending, *causes[ending]]
