"""Tables in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from actbench.render.sections import Section, numeric_columns
from actbench.text import visible

# An underscore between letters or digits never marks anything, and names such as leaky_relu are easier to read without
# a backslash. Behind `]` a bracket would make a link or an image, and `{{` is what page generators look for.
MARKS = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(|(?<=\{)[{%#]")
ENTITIES = re.compile(r"<|&(?=#?\w+;)")
LINE_MARK = re.compile(r"(?P<number>\d{1,9})(?=[.)](\s|$))|(?=[#>+\-=\[])")


def sections_to_markdown(sections: Iterable[Section], title: str = "") -> str:
    """Tables one after another; under a title each has a heading."""
    heading = "##" if title else None
    return (f"# {title}\n\n" if title else "") + "\n".join(section_to_markdown(one, heading) for one in sections)


def section_to_markdown(section: Section, heading: str | None) -> str:
    """A section's table and notes, under its title where a heading mark such as `##` is given."""
    title = f"{heading} {_escaped(section.title)}\n\n" if heading else ""
    notes = "".join(f"- {_escaped_line(note)}\n" for note in section.notes)
    rule = ["---:" if number else "---" for number in numeric_columns(section)]
    lines = [[_escaped(cell) for cell in section.header], rule, *([*map(_escaped, row)] for row in section.rows)]
    table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return title + table + ("\n" + notes if notes else "")


def _escaped(text: str) -> str:
    """Text escaped for Markdown."""
    escaped = MARKS.sub(r"\\\g<0>", visible(text))
    return ENTITIES.sub(lambda match: "&lt;" if match[0] == "<" else "&amp;", escaped)


def _escaped_line(text: str) -> str:
    """Text escaped for the start of a line: no list, heading, quotation or link definition begins there."""
    escaped = _escaped(text).lstrip()
    mark = LINE_MARK.match(escaped)
    return escaped if mark is None else f"{mark[0]}\\{escaped[mark.end() :]}"
