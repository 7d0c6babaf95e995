"""The names of the files in a result folder, and where the latest folder is; cheap to import."""

from __future__ import annotations

from pathlib import Path

from actbench.experiment.suffix import SMOKE_SUFFIX

EXPERIMENT, ENVIRONMENT, JOURNAL = "experiment.yaml", "environment.json", "trials.jsonl"
DAMAGED = "trials.damaged.jsonl"
PLAN = "plan.json"


def latest_journal(root: Path) -> Path | None:
    """The journal under `root` that was written last, one of `--smoke` if there is no other; None without one."""

    def rank(journal: Path) -> tuple[bool, int]:
        name, *_ = journal.parent.name.partition(".shard-")
        return not name.endswith(SMOKE_SUFFIX), journal.stat().st_mtime_ns

    return max(root.glob(f"*/{JOURNAL}"), key=rank, default=None)
