"""The committed results: derived files are what the journals beside them give."""

from __future__ import annotations

from pathlib import Path

import pytest

from actbench.analysis.comparison import Comparison, compare, question_of
from actbench.experiment.metrics import parse_metric
from actbench.report.figures.layout import PAGE
from actbench.report.figures.paint import file_svg
from actbench.report.files import page, pictures, pictures_by_chapter
from actbench.report.lottery import lottery_section
from actbench.report.request import with_short_names
from actbench.runs.verify import verify_folder
from actbench.store.names import ENVIRONMENT
from actbench.store.results import Results, load_results
from places import ROOT
from slow import one_in
from update_reports import PICTURES, REFERENCES, WITHOUT_PAGE, folders

PAGES, FOLDERS = folders(REFERENCES), folders(REFERENCES + WITHOUT_PAGE)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_committed_folder_is_whole_and_its_derived_files_are_what_the_journal_gives(folder: Path) -> None:
    assert [one for one in verify_folder(folder) if one.is_bad() or ENVIRONMENT in one.what] == []


@pytest.mark.parametrize("folder", one_in(4, {path.name: path for path in PAGES}))
def test_the_page_beside_the_results_says_what_they_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    results = with_short_names(load_results(folder.relative_to(ROOT), ROOT))
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    comparison = compare(results.plan, results.records, question)
    committed = (folder / "report.html").read_text(encoding="utf-8")
    assert committed == page(results, comparison, pictures_by_chapter(results, comparison))


def question_and_answer(name: str) -> tuple[Results, Comparison]:
    results = load_results(ROOT / "results" / name, ROOT)
    question = question_of(results.experiment, parse_metric("test_accuracy"))
    return results, compare(results.plan, results.records, question)


README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", PICTURES)
def test_the_readmes_pictures_are_those_of_the_results(name: str) -> None:
    folder, file = PICTURES[name]
    results, comparison = question_and_answer(Path(folder).name)
    (picture,) = [picture for picture in pictures(results, comparison) if picture.name == name]
    assert f'src="docs/{file.name}"' in README
    assert file.read_text(encoding="utf-8") == file_svg(picture.draw(PAGE), picture.title, picture.description)


def test_the_readme_says_what_single_runs_would_have_said() -> None:
    said = lottery_section(question_and_answer("mnist-tuned")[1])
    assert said is not None
    assert said.notes[0].split(":")[0] in README
    assert said.notes[1] in README
