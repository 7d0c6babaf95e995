"""The names of the files in a result folder, and where the latest folder is; cheap to import."""

from __future__ import annotations

from pathlib import Path

EXPERIMENT, ENVIRONMENT, JOURNAL = "experiment.yaml", "environment.json", "trials.jsonl"
DAMAGED = "trials.damaged.jsonl"
PLAN = "plan.json"


def latest_journal(root: Path) -> Path | None:
    """The journal under `root` that was written last; None without one."""
    return max(root.glob(f"*/{JOURNAL}"), key=lambda path: path.stat().st_mtime_ns, default=None)
