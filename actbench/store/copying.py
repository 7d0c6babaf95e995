"""Copying records from one result folder into another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from actbench.experiment.records import TrialRecord
from actbench.store import folder as store
from actbench.store.files import HeldFolder, append_lines
from actbench.store.journal import Damage, checksum_of


def take_over(folder: HeldFolder, source: Path, wanted: Callable[[TrialRecord], bool]) -> None:
    """Copy what is wanted of a source's journal into a locked folder's, with the environments that it names."""
    here = store.environments_by_id(folder.path)
    others = [record for key, record in store.environments_by_id(source).items() if key not in here]
    for environment in (*others, *list(here.values())[:1]):  # the folder's latest stays the latest
        store.write_environment(folder, environment)
    append_lines(folder.file(store.JOURNAL), new_lines(folder.path, source, wanted))


def new_lines(folder: Path, source: Path, wanted: Callable[[TrialRecord], bool] | None = None) -> list[bytes]:
    """The whole lines of a source's journal that are wanted and that the folder's does not hold, each once."""
    present = {_identity(line, record) for line, record in _whole_lines(folder)}
    found = {_identity(line, record): line for line, record in _whole_lines(source) if not wanted or wanted(record)}
    return [line + b"\n" for identity, line in found.items() if identity not in present]


def _whole_lines(folder: Path) -> Iterator[tuple[bytes, TrialRecord]]:
    for _, line, content in store.read_lines(folder):
        if not isinstance(content, Damage):
            yield line, content


def _identity(line: bytes, record: TrialRecord) -> tuple[str, bytes]:
    return record.trial, checksum_of(line)
