"""The commands that continue a run, and that follow a shard."""

from __future__ import annotations

import shlex
from pathlib import Path

from actbench.plan.trials import Shard
from actbench.store.names import EXPERIMENT


def command_that_continues(folder: Path, shard: Shard | None) -> str:
    """The command that continues the run of a result folder under its present name."""
    which = ["--shard", str(shard)] if shard else ["--set", f"name={folder.resolve().name}"]
    return shlex.join(["actbench", "run", str(folder / EXPERIMENT), "--results", str(root_of(folder)), *which])


def root_of(folder: Path) -> Path:
    """The parent of a result folder, as typed unless that is `.` or a link."""
    there = folder.resolve().parent
    return folder.parent if folder.parent.resolve() == there else there


def next_step(merged: Path, shard: Shard, *, waits: bool) -> str:
    """What to type when all shards have come as far as this one; `merged` is the folder of the merged ones."""
    merge = f"actbench merge {shlex.quote(str(merged))}.shard-*-of-{shard.of}"
    if waits:
        return f"When all shards have come so far: {merge}, then the same command again."
    return f"When all shards are done: {merge}"
