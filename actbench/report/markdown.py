"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actbench.report.sections import Section


def table_to_markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table, its first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join("| " + " | ".join(_escaped(cell) for cell in line) + " |\n" for line in lines)


def section_to_markdown(section: Section, heading: str | None) -> str:
    """A section's table and notes, under its title where a heading mark such as `##` is given."""
    title = f"{heading} {section.title}\n\n" if heading else ""
    notes = "".join(f"- {note}\n" for note in section.notes)
    return title + table_to_markdown(section.header, section.rows) + ("\n" + notes if notes else "")


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
