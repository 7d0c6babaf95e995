"""The report as files: the page, and one file for each picture."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from actbench.analysis.comparison import Comparison
from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.report.figures.layout import Picture
from actbench.report.figures.pictures import pictures
from actbench.report.figures.style import figure_to_svg, save_figure
from actbench.report.page import Drawing, page
from actbench.store.files import refuse_device, write_atomically
from actbench.store.results import Results


@dataclass(frozen=True)
class Files:
    """The files to write: the page, and the folder of pictures with their format."""

    html: Path | None = None
    is_opened: bool = False
    figures: Path | None = None
    figure_format: str = "svg"

    def are_wanted(self) -> bool:
        """Whether any file is requested."""
        return self.html is not None or self.figures is not None

    def require_sense(self, printed: str) -> None:
        """Raise `ConfigurationError` on options that contradict each other."""
        if self.is_opened and self.html is None:
            raise ConfigurationError("--open: there is no page to open; add --html FILE")
        if self.are_wanted() and printed != "table":
            raise ConfigurationError(
                f"--format {printed} is for the report on standard output; leave it out beside --html and --figures"
            )


def write_files(comparison: Comparison, results: Results, files: Files, say: Callable[[str], None]) -> list[Path]:
    """Write the requested files; their paths.

    Raises `UnusableEnvironmentError` where one cannot be written.
    """
    if files.figures is not None:
        _make_folder(files.figures)
    drawn = pictures(results, comparison)
    written = []
    if files.html is not None:
        write_page(files.html, page(results, comparison, [drawing(picture) for picture in drawn]))
        written.append(files.html)
    if files.figures is not None:
        written += save_pictures(drawn, files.figures, files.figure_format)
    if files.html is not None and files.is_opened and not webbrowser.open(files.html.resolve().as_uri()):
        say(f"--open: no browser is found here; open {files.html} in one")
    return written


def drawing(picture: Picture) -> Drawing:
    """The picture as an element of a page."""
    svg = figure_to_svg(picture.draw(), f"picture-{picture.name}", picture.title, picture.description)
    return Drawing(picture.name, picture.title, picture.caption, Markup(svg))


def write_page(path: Path, text: str) -> None:
    """Write a page, all or nothing."""
    try:
        refuse_device(path)
        write_atomically(path, text)
    except OSError as problem:
        raise UnusableEnvironmentError(f"--html {path}: cannot be written ({problem.strerror})") from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UnusableEnvironmentError(f"--figures {folder}: cannot be made ({problem.strerror})") from None


def save_pictures(drawn: Sequence[Picture], folder: Path, ending: str) -> list[Path]:
    """Every picture in a file named after it."""
    paths = [folder / f"{picture.name}.{ending}" for picture in drawn]
    for picture, path in zip(drawn, paths, strict=True):
        save_figure(picture.draw(), path)
    return paths
