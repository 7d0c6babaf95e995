"""Tables in Markdown."""

from __future__ import annotations

from actbench.report.sections import Section, numeric_columns


def section_to_markdown(section: Section, heading: str | None) -> str:
    """A section's table and notes, under its title where a heading mark such as `##` is given."""
    title = f"{heading} {section.title}\n\n" if heading else ""
    notes = "".join(f"- {note}\n" for note in section.notes)
    rule = ["---:" if number else "---" for number in numeric_columns(section)]
    lines = [section.header, rule, *section.rows]
    table = "".join("| " + " | ".join(_escaped(cell) for cell in line) + " |\n" for line in lines)
    return title + table + ("\n" + notes if notes else "")


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
