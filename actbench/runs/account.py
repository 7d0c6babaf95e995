"""The counters of a run, and how each finished stack is stored and logged."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from actbench.experiment.definition import Experiment
from actbench.experiment.records import TrialRecord, Weights, count_endings
from actbench.plan.plan import Plan, count_trials, epochs_to_do, finished
from actbench.plan.stacks import Stack
from actbench.runs.executors.local import EpochsDone, Event, StackDone, StackRetried, StackStarted, TrialFailed
from actbench.runs.log import RunLog, arm_names, finished_texts, stack_text
from actbench.runs.progress import LOG_INTERVAL_SECONDS, WORK_SHARE, RunState, describe
from actbench.runs.standing import is_worth_keeping, keep_standing, key_of, standing_of
from actbench.store.files import FileEnd, HeldFolder
from actbench.store.journal import append_records
from actbench.store.weights import write_weights
from actbench.text import clock

Uninterrupted = Callable[[], contextlib.AbstractContextManager[None]]


@dataclass(kw_only=True)
class RunProgress:
    """The counters of a run, and where each finished stack is stored.

    `journal_end` is the end of the journal and `stored` the records in it, as this process wrote them.
    `keep_environment` records another machine, or this one for None, and returns the id of its record. `frozen` is the
    checksum of the plan, `names` the arm of each trial, `logged` when progress was last logged,
    `next_standing` when the counts for `status` are kept next; `discard` removes the checkpoint of a stored stack.
    """

    experiment: Experiment
    folder: HeldFolder
    journal_end: FileEnd
    stored: dict[str, TrialRecord]
    device: str
    state: RunState
    started: float
    show: Callable[[RunState], None]
    known: dict[str, TrialRecord]
    log: RunLog
    keep_environment: Callable[[Mapping[str, Any] | None], str]
    uninterrupted: Uninterrupted = contextlib.nullcontext
    environment: str = ""
    frozen: str = ""
    names: dict[str, str] = field(default_factory=dict)
    logged: float = 0.0
    epochs: float = 0
    epochs_by_trial: dict[str, float] = field(default_factory=dict)
    next_standing: float = 0.0
    discard: Callable[[Stack], None] = lambda _stack: None

    def handle(self, event: Event) -> None:
        """Count, store and log an event, and show the progress."""
        if isinstance(event, StackStarted):
            self.log.write(f"started {stack_text(event.stack, self.names)}", detail=2)
        elif isinstance(event, StackRetried):
            self.log.write(f"trying again {stack_text(event.stack, self.names)}: {event.cause}")
        elif isinstance(event, EpochsDone):
            self._count_epochs(event.stack, event.epochs)
        elif isinstance(event, Weights):
            with self.uninterrupted():
                write_weights(self.folder, event)
        else:
            records = event.records if isinstance(event, StackDone) else (self._failure(event),)
            environment = self.environment
            if isinstance(event, StackDone) and event.machine:
                environment = self.keep_environment(event.machine)
            plan = {"final": {"plan": self.frozen}, "tune": {}}
            kept = [one.model_copy(update={"environment": environment} | plan[one.phase]) for one in records]
            with self.uninterrupted():
                self.journal_end = append_records(self.folder, kept, self.journal_end)
            self._keep_standing(kept)
            self.known |= {record.trial: record for record in kept}
            self._count_epochs(event.stack, event.stack[0].settings.train.epochs)
            done, endings = self.state.done + len(records), self.state.endings + count_endings(records)
            self.state = replace(self.state, done=done, endings=endings)
            for text, detail in finished_texts(event.stack, records, self.names):
                self.log.write(text, detail)
        self._refresh()
        if isinstance(event, StackDone | TrialFailed):
            self.discard(event.stack)

    def _keep_standing(self, records: Sequence[TrialRecord]) -> None:
        """Keep the counts for `status` beside a long journal if it is time; trials that fail again need the journal."""
        plan, started = self.state.plan, time.monotonic()
        if any(record.outcome == "failed" and record.trial in self.stored for record in records):
            self.next_standing = inf
        self.stored |= {record.trial: record for record in records}
        if started < self.next_standing or plan.looks or plan.shard or not plan.is_tuned():
            return
        if is_worth_keeping(self.experiment, self.journal_end[0]):
            standing = standing_of(self.experiment, plan, finished(self.stored), self.stored)
            keep_standing(self.folder, standing, key_of(self.folder.path))
            self.next_standing = time.monotonic() + (time.monotonic() - started) / WORK_SHARE

    def expect(self, experiment: Experiment, plan: Plan) -> None:
        """Count the trials that the plan asks for now, and those of them that earlier runs have finished."""
        self.names = arm_names(plan)
        now = initial_state(experiment, plan, self.known)
        expected = replace(
            self.state,
            total=now.total,
            before=self.state.before + now.done - self.state.done,
            done=now.done,
            endings=Counter({**now.endings, "failed": self.state.endings["failed"]}),
            epochs_to_do=self.epochs + now.epochs_to_do,
            plan=plan,
        )
        if expected != self.state:
            self.state = expected
            self._refresh()

    def _count_epochs(self, stack: Stack, epochs: float) -> None:
        for trial in stack:
            self.epochs += epochs - self.epochs_by_trial.get(trial.id, 0)
            self.epochs_by_trial[trial.id] = epochs
        if self.state.measured_from is None and self.epochs:
            self.state = replace(self.state, measured_from=(self.epochs, time.monotonic() - self.started))

    def _failure(self, event: TrialFailed) -> TrialRecord:
        trial = event.stack[0]
        data = trial.settings.data
        return TrialRecord(
            trial=trial.id,
            phase=trial.phase,
            seed=trial.seed,
            settings=trial.settings,
            outcome="failed",
            cause=event.cause,
            train_count=data.train_count(),
            validation_count=data.validation_count(),
            test_count=data.test_count(),
            wall_seconds=0.0,
            stack_trials=1,
            device=self.device,
        )

    def _refresh(self) -> None:
        self.state = replace(self.state, epochs=self.epochs, seconds=time.monotonic() - self.started)
        self.show(self.state)
        if self.logged + LOG_INTERVAL_SECONDS <= self.state.seconds:
            self.logged = self.state.seconds
            self.log.write(describe(self.state), detail=3)

    def outcome(self) -> str:
        """How the run has ended."""
        what = "finished" if self.state.done == self.state.total else "stopped, out of time,"
        return f"run {what} after {clock(time.monotonic() - self.started)}: {describe(self.state)}"


def initial_state(experiment: Experiment, plan: Plan, known: Mapping[str, TrialRecord]) -> RunState:
    """The state at the start of a run with these records and this plan."""
    done = [known[key] for key in plan.trials() if key in known]
    return RunState(
        total=count_trials(experiment, plan),
        before=len(done),
        done=len(done),
        endings=count_endings(done),
        epochs=0,
        epochs_to_do=epochs_to_do(experiment, plan, known),
        seconds=0.0,
        plan=plan,
        records=known,
    )
