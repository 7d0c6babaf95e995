"""Writing the page and the pictures, and opening the page."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report import files as room
from actbench.report.figures.layout import PHONE, Canvas, Picture
from actbench.report.files import Files, picture_svg, save_pictures, write_files
from actbench.store.results import Results
from pages import problems
from planted import MUCH, RELU, above, asked, planted


def draw_line(canvas: Canvas) -> float:
    canvas.line([(0, 0), (100, 50)])
    return 100.0


PICTURE = Picture("differences", "A title", draw_line, "A caption.", "A description.")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Results of which only one small picture is drawn."""
    monkeypatch.setattr(room, "pictures_by_chapter", lambda results, comparison: {"comparison": [PICTURE]})
    return planted(tmp_path / "run", {"relu": RELU, "tanh": above(RELU, MUCH)})


def written(results: Results, files: Files) -> tuple[list[Path], list[str]]:
    said: list[str] = []
    return write_files(asked(results), results, files, said.append), said


def test_the_page_holds_its_pictures(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert written(results, Files(page)) == ([page], [])
    text = page.read_text(encoding="utf-8")
    assert problems(text) == []
    assert picture_svg(PICTURE, {}) in text
    assert picture_svg(PICTURE, {}, PHONE) in text


@pytest.mark.parametrize(("ending", "signature"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_picture_is_saved_in_the_format_that_was_asked_for(ending: str, signature: bytes, tmp_path: Path) -> None:
    (path,) = save_pictures([PICTURE], tmp_path, ending)
    assert path == tmp_path / f"differences.{ending}"
    assert path.read_bytes().startswith(signature)


def test_page_and_pictures_can_be_written_at_once_into_a_new_folder(results: Results, tmp_path: Path) -> None:
    page, folder = tmp_path / "report.html", tmp_path / "new" / "figures"
    assert written(results, Files(page, figures=folder)) == ([page, folder / "differences.svg"], [])


@pytest.mark.parametrize(("is_there", "said"), [(True, []), (False, ["--open: no browser is found here"])])
def test_the_page_is_opened_where_there_is_a_browser(
    is_there: bool, said: list[str], results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[str] = []

    def opened(address: str) -> bool:
        asked_for.append(address)
        return is_there

    monkeypatch.setattr(webbrowser, "open", opened)
    page = tmp_path / "a b.html"
    paths, lines = written(results, Files(page, is_opened=True))
    assert paths == [page]
    assert asked_for == [page.as_uri()]
    assert [line.split(";")[0] for line in lines] == said


def test_a_place_that_cannot_be_written_is_said_and_leaves_nothing(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("taken")
    (tmp_path / "folder").mkdir()
    for files, said in (
        (Files(tmp_path / "missing" / "report.html"), r"report.html: cannot be written \(No such file or directory\)"),
        (Files(tmp_path / "folder"), r"folder: cannot be written \(Is a directory\)"),
        (Files(figures=tmp_path / "file"), r"file: cannot be written \(File exists\)"),
        (Files(figures=tmp_path / "file" / "below"), r"below: cannot be written \(Not a directory\)"),
    ):
        with pytest.raises(UnusableEnvironmentError, match=said):
            written(results, files)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["file", "folder", "run"]
    assert list((tmp_path / "folder").iterdir()) == []


def test_options_that_ask_for_nothing_are_refused(tmp_path: Path) -> None:
    for files, printed, said in (
        (Files(is_opened=True), "table", "--open: there is no page to open; add --html FILE"),
        (Files(tmp_path), "markdown", "--format markdown is for the report on standard output"),
        (Files(figures=tmp_path), "latex", "--format latex is for the report on standard output"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            files.require_sense(printed)
    with pytest.raises(ConfigurationError, match="--explain is for the report on standard output"):
        Files(tmp_path).require_sense("table", explains=True)
    Files(tmp_path, is_opened=True, figures=tmp_path).require_sense("table")
    Files().require_sense("latex")
