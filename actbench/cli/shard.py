"""How `run --shard` ends: with what the shard has done, and what comes next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from actbench import errors
from actbench.plan.shards import Shard
from actbench.text import say

if TYPE_CHECKING:
    from actbench.experiment.definition import Experiment
    from actbench.runs.runner import RunResult


def refuse_beside_shard(*, fresh: bool, gate: bool) -> None:
    """Raise `ConfigurationError` where an option asks of a shard what only the whole can do."""
    if gate:
        raise errors.ConfigurationError(
            "--gate beside --shard: claims are about all trials; merge the shards, then `actbench run CONFIG --gate`"
        )
    if fresh:
        raise errors.ConfigurationError(
            "--fresh beside --shard: a shard goes on from what was merged; begin anew under another --results"
        )


def end_shard(
    experiment: Experiment, shard: Shard, outcome: RunResult, root: Path, output_format: Literal["table", "json"]
) -> None:
    """Print what the shard has done and say what to type next; raises `typer.Exit` where trials failed."""
    from actbench.render.printing import print_answer
    from actbench.runs.shards import next_step, shard_document, shard_section

    print_answer(
        output_format,
        lambda: [shard_section(experiment, root, shard, waits=outcome.waits)],
        lambda: shard_document(experiment, root, shard, waits=outcome.waits),
    )
    say(
        f"{outcome.folder}: {outcome.trained} trained now, {outcome.diverged} diverged, {outcome.failed} failed. "
        f"{next_step(experiment, root, shard, waits=outcome.waits)}"
    )
    if outcome.failed:
        say("The causes are in the column `cause` of trials.csv; the same command tries the failed trials again.")
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)
