"""The committed results: derived files are what the journals beside them give."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from markupsafe import Markup

from actbench.analysis.comparison import compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.report.figures.pictures import pictures
from actbench.report.page import Drawing, page
from actbench.report.tables import write_tables
from actbench.store import folder as store
from actbench.store.results import load_results
from places import ROOT

REFERENCES = [ROOT / "results" / name for name in ("mnist", "mnist-tuned", "documents")]
FOLDERS = sorted(path.parent for root in REFERENCES for path in root.rglob(store.JOURNAL))
PICTURE = re.compile(r"<svg.*?</svg>", re.DOTALL)  # drawn anew, other versions of matplotlib give other bytes
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


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_page_beside_the_results_says_what_they_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = load_results(folder.relative_to(ROOT), ROOT)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    comparison = compare(results.plan, results.records, question)
    drawings = [Drawing(one.name, one.title, one.caption, Markup("")) for one in pictures(results, comparison)]
    committed = (folder / "report.html").read_text(encoding="utf-8")
    told = [line for line in PICTURE.sub("", committed).splitlines() if line.strip()]
    assert told == [line for line in page(results, comparison, drawings).splitlines() if line.strip()]
    assert len(PICTURE.findall(committed)) == len(drawings) > 2


def test_the_readmes_picture_is_drawn_of_the_tuned_results() -> None:
    picture = (ROOT / "docs" / "mnist-tuned.svg").read_text(encoding="utf-8")
    assert "docs/mnist-tuned.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("gelu", "mish", "swish", "sigmoid", "relu", "tanh", "elu", "leaky_relu"):
        assert f">{name}<" in picture
