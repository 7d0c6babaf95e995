"""The committed results: derived files are what the journals beside them give."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from actbench import store
from actbench.report.tables import write_tables
from actbench.results import load_results

ROOT = Path(__file__).parent.parent
REFERENCES = [ROOT / "results" / name for name in ("mnist", "mnist-tuned", "documents")]
FOLDERS = sorted(path.parent for root in REFERENCES for path in root.rglob(store.JOURNAL))
SOURCES = (store.JOURNAL, store.EXPERIMENT, store.ENVIRONMENT, store.PLAN)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_derived_files_are_what_the_journal_gives(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / folder.name
    copy.mkdir()
    for name in SOURCES:
        shutil.copy(folder / name, copy / name)
    write_tables(load_results(copy, tmp_path))
    derived = [path for path in sorted(folder.iterdir()) if path.name not in SOURCES and path.suffix in (".csv", ".md")]
    assert derived
    for path in derived:
        assert (copy / path.name).read_bytes() == path.read_bytes(), path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_record_names_an_environment_that_is_committed(folder: Path) -> None:
    results = load_results(folder, ROOT)
    assert {record.environment for record in results.records.values()} <= set(results.environments)
    assert results.damaged_lines == 0
