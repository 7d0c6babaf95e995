"""What happens in a run, in words: for its log, and for whoever asks for more than progress."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from actbench.experiment.records import Trial, TrialRecord
from actbench.plan.plan import Plan
from actbench.report.failures import DIVERGED
from actbench.report.tables import all_trials
from actbench.text import listed

MOST_ARMS_NAMED = 4

ArmNames = Mapping[str, str]


def arm_names(plan: Plan) -> dict[str, str]:
    """The arm of each trial by the trial's id; one that several arms share is named for the first."""
    names: dict[str, str] = {}
    for arm, _, trial in all_trials(plan):
        names.setdefault(trial.id, arm.label())
    return names


def stack_text(stack: Sequence[Trial], names: ArmNames) -> str:
    """`6 trials (relu and tanh; seeds 0 to 2)`."""
    arms = list(dict.fromkeys(names.get(trial.id, trial.id) for trial in stack))
    more = len(arms) - MOST_ARMS_NAMED
    shown = listed([*arms[:MOST_ARMS_NAMED], *([f"{more} more"] if more > 0 else [])])
    seeds = sorted({trial.seed for trial in stack})
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{len(stack)} trial{'s' * (len(stack) > 1)} ({shown}; {stack[0].phase}, {span})"


def finished_texts(
    stack: Sequence[Trial], records: Sequence[TrialRecord], names: ArmNames
) -> Iterator[tuple[str, int]]:
    """What became of a stack, and of those of its trials that went wrong, with how much of a detail each line is."""
    trained = [record for record in records if record.outcome != "failed"]
    if trained:
        seconds = sum(record.wall_seconds for record in trained)
        yield f"trained {stack_text(stack, names)} in {seconds:.2f} s", 1
    for record in records:
        who = f"{names.get(record.trial, record.trial)}, {record.phase}, seed {record.seed}"
        if record.outcome == "diverged":
            yield f"diverged in epoch {record.diverged_epoch}: {who}: {record.cause or DIVERGED}", 1
        elif record.outcome == "failed":
            yield f"failed: {who}: {record.cause}", 0
