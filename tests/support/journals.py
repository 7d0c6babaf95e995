"""Journals made for tests: lines with a checksum of their own, and folders that hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from actbench.experiment.definition import Experiment, experiment_to_yaml
from actbench.experiment.records import TrialRecord
from actbench.plan.plan import make_plan
from actbench.store.folder import write_experiment
from actbench.store.lines import journal_line
from actbench.store.names import JOURNAL
from builders import record_of


def sealed(body: str | bytes) -> bytes:
    """A line with the checksum that belongs to this body, whatever the body says."""
    content = body.encode() if isinstance(body, str) else body
    digest = hashlib.sha256(content).hexdigest()[:16]
    return content[:-1] + f',"checksum":"{digest}"}}\n'.encode()


def body_of(record: TrialRecord, changes: Mapping[str, Any] | None = None) -> str:
    """A record as JSON, its schema first, with some of its fields changed."""
    return json.dumps(record.model_dump(mode="json") | dict(changes or {}), separators=(",", ":"))


def line_of(record: TrialRecord) -> bytes:
    """A record as a line of bytes."""
    return journal_line(record).encode()


def records_of(experiment: Experiment) -> list[TrialRecord]:
    """A record for every trial of an experiment that tunes nothing, each with numbers of its own."""
    return [record_of(trial, 200 + int(trial.id[:2], 16) % 100) for trial in make_plan(experiment).trials().values()]


def folder_with(folder: Path, experiment: Experiment, lines: Sequence[bytes]) -> Path:
    """A result folder that holds the experiment and a journal of these lines."""
    folder.mkdir(parents=True, exist_ok=True)
    write_experiment(folder, experiment_to_yaml(experiment))
    (folder / JOURNAL).write_bytes(b"".join(lines))
    return folder
