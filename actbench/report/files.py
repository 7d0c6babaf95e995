"""The report as files: the page, and one file for each picture."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from actbench.analysis.comparison import Comparison
from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.claims import claims_picture, judge_results
from actbench.report.figures.curves import curves_picture, learnt_picture, seeds_picture
from actbench.report.figures.decisions import decisions_picture
from actbench.report.figures.differences import differences_picture, first_seeds, settling_picture
from actbench.report.figures.factors import factors_pictures
from actbench.report.figures.inside import inside_picture
from actbench.report.figures.layout import FULL, PAGE, PHONE, Paper, Picture
from actbench.report.figures.marks import Dot, marker_points
from actbench.report.figures.paint import page_svg, path_of, save_scene
from actbench.report.figures.styles import styles_of
from actbench.report.functions import functions_picture
from actbench.report.lottery import lottery_picture
from actbench.report.page import Drawing, page
from actbench.report.paper import PaperKit, write_paper
from actbench.report.tuning import sensitivity_picture
from actbench.store.files import refuse_device, write_atomically
from actbench.store.results import Results
from actbench.text import counted

MAX_STAGED_ARMS = 20


@dataclass(frozen=True)
class Files:
    """The files to write: the page, and the folder of pictures with their format."""

    html: Path | None = None
    is_opened: bool = False
    figures: Path | None = None
    figure_format: str = "svg"
    paper: PaperKit | None = None

    def are_wanted(self) -> bool:
        """Whether any file is requested."""
        return self.html is not None or self.figures is not None or self.paper is not None

    def require_sense(self, printed: str) -> None:
        """Raise `ConfigurationError` on options that contradict each other."""
        if self.is_opened and self.html is None:
            raise ConfigurationError("--open: there is no page to open; add --html FILE")
        if self.are_wanted() and printed != "table":
            raise ConfigurationError(
                f"--format {printed} is for the report on standard output; leave it out beside --html, --figures and "
                "--paper"
            )


def write_files(comparison: Comparison, results: Results, files: Files, say: Callable[[str], None]) -> list[Path]:
    """Write the requested files; their paths.

    Raises `UnusableEnvironmentError` where one cannot be written.
    """
    drawn = pictures(results, comparison)
    written = []
    if files.html is not None:
        write_page(files.html, whole_page(results, comparison, drawn))
        written.append(files.html)
    if files.figures is not None:
        written += save_pictures(drawn, files.figures, files.figure_format)
    if files.paper is not None:
        written += write_paper(comparison, results, drawn, files.paper)
    if files.html is not None and files.is_opened and not webbrowser.open(files.html.resolve().as_uri()):
        say(f"--open: no browser is found here; open {files.html} in one")
    return written


def whole_page(results: Results, comparison: Comparison, drawn: Sequence[Picture]) -> str:
    """The page with its pictures, those of fewer seeds, and the markers of its arms."""
    arms = {row.sample.label: number for number, row in enumerate(comparison.rows)}
    swatches = {label: _swatch(style.marker, style.colour) for label, style in styles_of(comparison).items()}
    drawings = [drawing(picture, arms) for picture in drawn]
    return page(results, comparison, drawings, _stages(comparison, arms), swatches)


def _stages(comparison: Comparison, arms: Mapping[str, int]) -> list[Drawing]:
    """The comparison as it was after one seed, two, and more."""
    seeds = len(comparison.seeds)
    counts = sorted({1, 2, 3, (seeds + 3) // 2, seeds} & set(range(1, seeds + 1)))
    found = [(count, first_seeds(comparison, count)) for count in counts] if len(arms) <= MAX_STAGED_ARMS else []
    return [
        replace(drawing(replace(picture, name=f"stage-{count}"), arms), title=counted(count, "seed"))
        for count, picture in found
        if picture is not None
    ]


def _swatch(marker: str, colour: str) -> dict[str, Any]:
    dot = Dot(6, 6, 4.5, colour, marker)
    circle = "M1.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0"
    return {"colour": colour, "path": circle if marker == "o" else f"{path_of(marker_points(dot))}Z"}


def drawing(picture: Picture, arms: Mapping[str, int]) -> Drawing:
    """The picture as elements of a wide and of a narrow page."""

    def drawn(paper: Paper, identifier: str) -> Markup:
        svg = page_svg(picture.draw(paper), identifier, picture.title, picture.description, arms)
        return Markup(svg)  # its texts are escaped

    name = f"picture-{picture.name}"
    return Drawing(picture.name, picture.title, picture.caption, drawn(PAGE, name), drawn(PHONE, f"{name}-narrow"))


def write_page(path: Path, text: str) -> None:
    """Write a page, all or nothing."""
    try:
        refuse_device(path)
        write_atomically(path, text)
    except OSError as problem:
        raise UnusableEnvironmentError(f"--html {path}: cannot be written ({problem.strerror})") from None


def save_pictures(drawn: Sequence[Picture], folder: Path, ending: str) -> list[Path]:
    """Every picture in a file named after it; raises `UnusableEnvironmentError` where one cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UnusableEnvironmentError(f"--figures {folder}: cannot be made ({problem.strerror})") from None
    paths = [folder / f"{picture.name}.{ending}" for picture in drawn]
    paper = PAGE if ending == "svg" else FULL
    for picture, path in zip(drawn, paths, strict=True):
        save_scene(picture.draw(paper), path, picture.title, picture.description)
    return paths


def pictures(results: Results, comparison: Comparison) -> list[Picture]:
    """The pictures for which there are data."""
    drawn: Sequence[Picture | None] = (
        differences_picture(results, comparison),
        settling_picture(comparison),
        lottery_picture(comparison),
        *factors_pictures(results, comparison),
        claims_picture(judge_results(results)),
        decisions_picture(results),
        curves_picture(results, comparison),
        seeds_picture(results, comparison),
        sensitivity_picture(results, comparison),
        inside_picture(results, comparison),
        learnt_picture(results),
        functions_picture(results),
    )
    return [picture for picture in drawn if picture is not None]
