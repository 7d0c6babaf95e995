"""Tables with titles and notes, as plain data for every renderer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

SPARKS = "▁▂▃▄▅▆▇█"
Tone = Literal["good", "bad", "doubtful", ""]
NUMBER = re.compile(r"[-+<]?[\d.,]+(\s|%|$)")


@dataclass(frozen=True)
class Section:
    """A table with a title and notes.

    `importance` orders the columns for a narrow terminal, the most important first; if empty, in their order. `prose`
    are columns of words, which may be wrapped. With `is_complete` no column is dropped: if they do not fit, every row
    becomes a list. `legends` explain columns by their names, where these are shown. `tones` are how good the news in
    the last cell of each row is, for those who see colours.
    Without a header there is only the title.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    importance: Sequence[int] = ()
    prose: Sequence[int] = ()
    is_complete: bool = False
    tones: Sequence[Tone] = ()
    legends: Mapping[str, str] = field(default_factory=dict)

    def with_columns(self, kept: Sequence[int]) -> Section:
        """The section with these columns, in this order."""
        return replace(
            self,
            header=[self.header[index] for index in kept],
            rows=[[row[index] for index in kept] for row in self.rows],
            importance=[kept.index(index) for index in self.importance if index in kept],
            prose=[kept.index(index) for index in self.prose if index in kept],
        )


def numeric_columns(section: Section) -> list[bool]:
    """Whether each column is mostly numbers, which are aligned on the right; absent ones do not count."""
    columns = range(len(section.header))
    cells = [[row[index] for row in section.rows if row[index] not in ("", "-")] for index in columns]
    return [2 * sum(NUMBER.match(cell) is not None for cell in column) > len(column) for column in cells]


def without_constants(section: Section, kept: Sequence[str]) -> Section:
    """A table without the columns that say the same in each of several rows, which a note says instead."""
    if len(section.rows) < 2:
        return section
    cells = list(zip(*section.rows, strict=True))
    constant = {
        index: cells[index][0]
        for index, name in enumerate(section.header)
        if index and len(set(cells[index])) == 1 and not name.startswith(tuple(kept))
    }
    said = ", ".join(f"{section.header[index]} {cell}" for index, cell in constant.items() if cell != "-")
    note = [f"The same in every row: {said}."] if said else []
    varying = section.with_columns([index for index in range(len(cells)) if index not in constant])
    return replace(varying, notes=[*note, *section.notes])


BAR, PLAIN_BAR = "─━●│┼·◀▶", "-=o|+.<>"


def without_sparks(section: Section) -> Section:
    """A table without its columns of curves in characters."""
    if not section.rows:
        return section
    columns = enumerate(zip(*section.rows, strict=True))
    kept = [index for index, cells in columns if not all(cell and set(cell) <= set(SPARKS) for cell in cells)]
    return section.with_columns(kept)
