"""Sections as a notebook shows them: a piece of HTML in which everything foreign is escaped."""

from __future__ import annotations

from collections.abc import Iterable

from actbench.render.html import render
from actbench.render.sections import Section, numeric_columns


def sections_to_html(sections: Iterable[Section]) -> str:
    """Tables with titles and notes, complete in themselves: no script, no style sheet, nothing loaded."""
    return render("notebook.html", parts=[(section, numeric_columns(section)) for section in sections])
