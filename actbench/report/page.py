"""The report as one self-contained HTML page: no network, no scripts, no other files."""

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
FOLDED_DRAWINGS = {"seeds": "Every seed"}


@dataclass(frozen=True)
class Drawing:
    """A picture in the page; everything in the element `svg` is escaped already."""

    name: str
    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Table:
    """A section as a table of the page, folded if long."""

    id: str
    section: Section
    is_number: Sequence[bool]
    is_folded: bool


@dataclass(frozen=True)
class Chapter:
    """One part of the page, with an introductory sentence."""

    id: str
    title: str
    intro: str
    drawings: Sequence[Drawing]
    tables: Sequence[Table]


# In the order of the page.
CHAPTERS = {
    "comparison": ("The comparison", "One row for each arm (each combination that is compared), the best mean first."),
    "functions": ("The functions", "What was compared: each activation function, and its derivative."),
    "curves": ("Learning curves", "Accuracy of each arm after each epoch (pass over the training images)."),
    "tuning": (
        "Tuning",
        "The values tried for each arm on validation images before its final trials.",
    ),
    "factors": (
        "Pairs of factors",
        "The mean for every combination of two settings, over all others and all seeds.",
    ),
    "effects": ("What explains the differences", "How much of the variation each setting explains."),
    "claims": ("Claims", "The claims of the experiment file, and their verdicts."),
    "layers": ("Inside the networks", "Activations and gradients layer by layer, which show whether layers can learn."),
    "time": ("Time", "What a training costs, and the accuracy it gives."),
    "pictures": ("More pictures", "The same results in other forms."),
    "failures": ("What went wrong", "Trainings that failed are counted, never dropped; these are the reasons."),
    "method": ("How it was run", "The facts needed to judge and to repeat these results."),
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
    """The chapters with content."""
    sections = report_chapters(comparison, results)
    sections["layers"] = _present(layers_section(results.plan, results.records))
    sections["failures"] = _present(failures_section(results.plan, results.records))
    sections["method"] = method_sections(results)
    chapters = []
    for name, (title, intro) in CHAPTERS.items():
        tables = [_table(name, number, section) for number, section in enumerate(sections.get(name, ()), start=1)]
        placed = [drawing for drawing in drawings if _chapter_of(drawing) == name]
        if tables or placed:
            chapters.append(Chapter(name, title, intro, placed, tables))
    return chapters


def _chapter_of(drawing: Drawing) -> str:
    name = PLACES.get(drawing.name, drawing.name.split("-")[0])
    return name if name in CHAPTERS else "pictures"


def _present(section: Section | None) -> list[Section]:
    return [section] if section else []


def _table(chapter: str, number: int, section: Section) -> Table:
    is_long = len(section.rows) > MAX_OPEN_ROWS and chapter not in ALWAYS_OPEN
    shown = _shortened(without_sparks(_important_first(section) if chapter == "comparison" else section))
    is_number = [chapter != "method" and mostly for mostly in _mostly_numbers(shown)]
    return Table(f"{chapter}-table-{number}", shown, is_number, is_long or chapter in ALWAYS_FOLDED)


def _mostly_numbers(section: Section) -> list[bool]:
    """Whether each column's cells are mostly numbers, those that are empty left out."""
    columns = [[row[index] for row in section.rows] for index in range(len(section.header))]
    filled = [[cell for cell in column if cell not in ("", ABSENT)] for column in columns]
    return [2 * sum(NUMBER.match(cell) is not None for cell in cells) > len(cells) for cells in filled]


def _important_first(section: Section) -> Section:
    """The columns in order of importance, so that a narrow screen shows the verdict without scrolling."""
    order = section.importance or range(len(section.header))
    return replace(
        section,
        header=[section.header[index] for index in order],
        rows=[[row[index] for index in order] for row in section.rows],
        prose=[number for number, index in enumerate(order) if index in section.prose],
        importance=(),
    )


def _shortened(section: Section) -> Section:
    """At most `MAX_ROWS` rows; the CSV files of the result folder have all."""
    if len(section.rows) <= MAX_ROWS:
        return section
    note = f"The first {MAX_ROWS} of {len(section.rows):,} rows; the tables in the result folder have all."
    return replace(section, rows=section.rows[:MAX_ROWS], notes=[note, *section.notes])
