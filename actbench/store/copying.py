"""Copying records from one result folder into another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from actbench.experiment.records import TrialRecord
from actbench.store.files import HeldFolder, append_lines
from actbench.store.folder import environments_by_id, write_environment
from actbench.store.lines import Damage, checksum_of
from actbench.store.names import JOURNAL
from actbench.store.reading import read_lines


def copy_records(folder: HeldFolder, source: Path, is_wanted: Callable[[TrialRecord], bool]) -> None:
    """Copy records of a source's journal into that of a locked folder, with the source's environments."""
    here = environments_by_id(folder.path)
    others = [record for key, record in environments_by_id(source).items() if key not in here]
    for environment in (*others, *list(here.values())[:1]):  # the folder's latest stays the latest
        write_environment(folder, environment)
    append_lines(folder.file(JOURNAL), new_lines(folder.path, source, is_wanted))


def new_lines(folder: Path, source: Path, is_wanted: Callable[[TrialRecord], bool] | None = None) -> list[bytes]:
    """The records of a source's journal that the folder's does not hold, as lines, each once."""
    present = {_identity(line, record) for line, record in _whole_lines(folder)}
    lines = {
        _identity(line, record): line for line, record in _whole_lines(source) if is_wanted is None or is_wanted(record)
    }
    return [line + b"\n" for identity, line in lines.items() if identity not in present]


def _whole_lines(folder: Path) -> Iterator[tuple[bytes, TrialRecord]]:
    for _, line, content in read_lines(folder):
        if not isinstance(content, Damage):
            yield line, content


def _identity(line: bytes, record: TrialRecord) -> tuple[str, bytes]:
    return record.trial, checksum_of(line)
