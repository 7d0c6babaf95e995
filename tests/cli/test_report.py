"""`actbench report` as users call it: the page, the pictures, LaTeX, and what cannot be done."""

from __future__ import annotations

import re
from pathlib import Path

from pages import problems, read
from program import actbench, assert_one_message


def report(folder: Path, *arguments: str | Path) -> list[str]:
    finished = actbench("report", "results/tiny", *arguments, folder=folder)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()


def test_one_page_that_stands_alone_and_shows_every_picture(tiny: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert report(tiny, "--html", page) == [str(page)]
    text = page.read_text(encoding="utf-8")
    assert problems(text) == []
    assert len(text) < 5_000_000
    root = read(text)
    figures = root.all("figure")
    assert len(figures) >= 4
    assert [len(one.all("svg")) for one in figures] == [2] * len(figures)
    headings = [one.text() for one in root.all("h1", "h2")]
    assert headings[:3] == ["tiny", "Contents", "The question and the answer"]
    assert {"The comparison", "Learning curves", "Factors together", "Inside the networks"} <= set(headings)


def test_pictures_become_files_whose_names_are_printed_and_the_page_keeps_its_bytes(tiny: Path, tmp_path: Path) -> None:
    report(tiny, "--html", tmp_path / "first.html")
    folder, page = tmp_path / "figures", tmp_path / "again.html"
    first, *names = report(tiny, "--html", page, "--figures", folder, "--figure-format", "pdf")
    assert first == str(page)
    assert page.read_bytes() == (tmp_path / "first.html").read_bytes()
    assert sorted(names) == sorted(str(path) for path in folder.iterdir())
    assert {"differences.pdf", "curves.pdf"} <= {Path(name).name for name in names}
    assert all(Path(name).read_bytes().startswith(b"%PDF") for name in names)


def test_the_page_speaks_of_the_metric_that_was_asked_for(tiny: Path, tmp_path: Path) -> None:
    report(tiny, "--html", tmp_path / "loss.html", "--metric", "validation_loss", "--shared-lr")
    said = read((tmp_path / "loss.html").read_text(encoding="utf-8")).all("p")
    assert said[1].text() == "Which activation and init give the lowest validation loss on digits?"


def test_a_place_that_cannot_be_written_is_exit_4(tiny: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "report.html"
    finished = actbench("report", "results/tiny", "--html", missing, folder=tiny)
    assert_one_message(finished, 4, "report.html: cannot be written (No such file or directory)")
    assert list(tmp_path.iterdir()) == []


def test_options_that_ask_for_nothing_are_exit_2(tiny: Path) -> None:
    finished = actbench("report", "results/tiny", "--open", folder=tiny)
    assert_one_message(finished, 2, "--open: there is no page to open; add --html FILE")
    assert actbench("report", "results/tiny", "--figures", "x", "--figure-format", "gif", folder=tiny).returncode == 2


def test_latex_is_printed_by_report_and_compare(tiny: Path) -> None:
    tables = "\n".join(report(tiny, "--format", "latex"))
    assert tables.count(r"\begin{table}") == tables.count(r"\end{table}") >= 5
    finished = actbench("compare", "results/tiny", "--format", "latex", folder=tiny)
    assert finished.stdout.count(r"\toprule") == 1
    assert r"\textbf" not in finished.stdout


def test_the_report_in_a_terminal_begins_with_what_compare_says(tiny: Path) -> None:
    printed = "\n".join(report(tiny))
    assert "learning curve: mean validation accuracy" in printed
    compared = actbench("compare", "results/tiny", folder=tiny).stdout
    assert printed.startswith(compared)
    assert re.search(r"picture: \+-\d+\.\d\d", compared)
