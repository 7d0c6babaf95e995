"""The report as one page of HTML that needs nothing beside itself: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from actbench.analysis.comparison import Comparison
from actbench.render.html import render
from actbench.render.sections import NUMBER, Section, without_sparks
from actbench.report.claims import judge_results
from actbench.report.contents import report_chapters
from actbench.report.failures import failures_section
from actbench.report.layers import layers_section
from actbench.report.method import method_sections, repeat_commands, settings_text
from actbench.report.numbers import ABSENT, metric_in_words
from actbench.report.statements import paragraph, statements
from actbench.store.results import Results
from actbench.version import __version__

MAX_OPEN_ROWS, MAX_ROWS = 15, 500
ALWAYS_OPEN, ALWAYS_FOLDED = ("comparison", "claims", "method"), ("curves",)
FOLDED_DRAWINGS = {"seeds": "Every seed by itself"}


@dataclass(frozen=True)
class Drawing:
    """A picture as it stands in the page: `svg` is an element in which everything is escaped already."""

    name: str
    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Table:
    """A section as a table of the page; one that is folded shows when it is asked for."""

    id: str
    section: Section
    is_number: Sequence[bool]
    is_folded: bool


@dataclass(frozen=True)
class Chapter:
    """One part of the page, with a sentence that says what it is for."""

    id: str
    title: str
    intro: str
    drawings: Sequence[Drawing]
    tables: Sequence[Table]


# In the order of the page.
CHAPTERS = {
    "comparison": ("The comparison", "One row for each arm, that is for each thing compared; the best mean is first."),
    "functions": ("The functions", "What was compared: each activation function, and its derivative."),
    "curves": ("Learning curves", "How far each arm has come after each pass over the training images."),
    "tuning": ("Tuning", "What was tried for each arm on validation images before its final trainings, and chosen."),
    "factors": ("Pairs of factors", "The mean for every combination of two settings, over all others and all seeds."),
    "effects": ("What explains the differences", "How much of the variation comes from which setting."),
    "claims": ("Claims", "What the experiment file says should come out, and what did."),
    "layers": ("Inside the networks", "What goes on layer by layer, and whether the layers can learn."),
    "time": ("Time", "What a training takes, and what it is worth."),
    "pictures": ("More pictures", "The same results to look at."),
    "failures": ("What went wrong", "Trainings that failed are counted, never dropped; these are the reasons."),
    "method": ("How it was run", "What it takes to judge these numbers, and to get them again."),
}
# A picture belongs to the chapter that its name begins with; these do not say it, and all others are in `pictures`.
PLACES = {"arms": "comparison", "seeds": "curves", "sensitivity": "tuning", "inside": "layers"}


def page(results: Results, comparison: Comparison, drawings: Sequence[Drawing]) -> str:
    """The whole page; the same text for the same results."""
    claims = judge_results(results)
    return render(
        "page.html",
        name=results.experiment.name,
        metric=metric_in_words(comparison.metric),
        lead=paragraph(statements(comparison, [results], claims)),
        chapters=_chapters(results, comparison, drawings),
        folded_drawings=FOLDED_DRAWINGS,
        settings=settings_text(results).splitlines(),
        commands=repeat_commands(results),
        version=__version__,
    )


def _chapters(results: Results, comparison: Comparison, drawings: Sequence[Drawing]) -> list[Chapter]:
    """Those that there is anything to show in."""
    sections = report_chapters(comparison, results)
    sections["layers"] = _present(layers_section(results.plan, results.records))
    sections["failures"] = _present(failures_section(results.plan, results.records))
    sections["method"] = method_sections(results)
    found = []
    for name, (title, intro) in CHAPTERS.items():
        tables = [_table(name, number, section) for number, section in enumerate(sections.get(name, ()), start=1)]
        placed = [one for one in drawings if _chapter_of(one) == name]
        if tables or placed:
            found.append(Chapter(name, title, intro, placed, tables))
    return found


def _chapter_of(drawing: Drawing) -> str:
    name = PLACES.get(drawing.name, drawing.name.split("-")[0])
    return name if name in CHAPTERS else "pictures"


def _present(section: Section | None) -> list[Section]:
    return [section] if section else []


def _table(chapter: str, number: int, section: Section) -> Table:
    is_long = len(section.rows) > MAX_OPEN_ROWS and chapter not in ALWAYS_OPEN
    shown = _shortened(without_sparks(_important_first(section) if chapter == "comparison" else section))
    is_number = [chapter != "method" and one for one in _mostly_numbers(shown)]
    return Table(f"{chapter}-table-{number}", shown, is_number, is_long or chapter in ALWAYS_FOLDED)


def _mostly_numbers(section: Section) -> list[bool]:
    """Whether each column's cells are mostly numbers, those that are empty left out."""
    columns = [[row[index] for row in section.rows] for index in range(len(section.header))]
    filled = [[cell for cell in column if cell not in ("", ABSENT)] for column in columns]
    return [2 * sum(NUMBER.match(cell) is not None for cell in cells) > len(cells) for cells in filled]


def _important_first(section: Section) -> Section:
    """The verdict near the name, where a narrow screen shows it without scrolling."""
    order = section.importance or range(len(section.header))
    return replace(
        section,
        header=[section.header[index] for index in order],
        rows=[[row[index] for index in order] for row in section.rows],
        prose=[number for number, index in enumerate(order) if index in section.prose],
        importance=(),
    )


def _shortened(section: Section) -> Section:
    """A table that a page can bear; the CSV files of the result folder have the rest."""
    if len(section.rows) <= MAX_ROWS:
        return section
    note = f"The first {MAX_ROWS} of {len(section.rows):,} rows; the tables in the result folder have all."
    return replace(section, rows=section.rows[:MAX_ROWS], notes=[note, *section.notes])
