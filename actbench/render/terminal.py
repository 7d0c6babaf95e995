"""Sections in a terminal, or as plain text of any width elsewhere."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actbench.render.sections import BAR, PLAIN_BAR, SPARKS, Section, numeric_columns
from actbench.text import visible

UNLIMITED_WIDTH = 10_000
PROSE_WIDTH = 22
COLUMN_GAP = 2
TONES = {"good": "green", "bad": "red", "doubtful": "yellow", "": ""}
PLAIN = str.maketrans(SPARKS + BAR, "_.-~=+*#" + PLAIN_BAR)


def console_for(stream: TextIO, *, is_styled: bool = True) -> Console:
    """A console for the stream; outside a terminal lines are whole, unless `COLUMNS` says how wide they may be."""
    is_terminal, columns = stream.isatty(), os.environ.get("COLUMNS", "")
    asked = int(columns) if columns.isdecimal() and int(columns) else None
    return Console(
        file=stream,
        width=None if is_terminal else asked or UNLIMITED_WIDTH,
        highlight=False,
        soft_wrap=not is_terminal and asked is None,
        emoji=False,
        markup=False,
        color_system="auto" if is_styled else None,
    )


def print_sections(sections: Iterable[Section]) -> None:
    """Print sections to standard output, with the columns that fit; names from files cannot steer the terminal."""
    sys.stdout.writelines(f"{line}\n" for line in section_lines(sections, sys.stdout))


def section_lines(sections: Iterable[Section], stream: TextIO, *, is_styled: bool = True) -> list[str]:
    """The lines that `print_sections` prints, in the width and encoding of the stream."""
    console = console_for(stream, is_styled=is_styled)
    with console.capture() as captured:  # rich would end the program where a reader has left
        for number, section in enumerate(sections):
            if number:
                console.print()
            _print_section(console, _visible(section))
    encoding = stream.encoding or "utf-8"
    text = captured.get().encode(encoding, errors="replace").decode(encoding)
    return [line.rstrip(" ") for line in text.splitlines()]


def _visible(section: Section) -> Section:
    return replace(
        section,
        title=visible(section.title),
        header=[*map(visible, section.header)],
        rows=[[*map(visible, row)] for row in section.rows],
        notes=[*map(visible, section.notes)],
    )


def _print_section(console: Console, section: Section) -> None:
    if not section.header:
        _print_words(console, section.title, "bold")
        _print_notes(console, section.notes)
        return
    simple = console.encoding.lower().replace("-", "") not in ("utf8", "utf16")
    rows = [[cell.translate(PLAIN) if simple else cell for cell in row] for row in section.rows]
    columns = fitting_columns(section, console.width)
    would_be_cut = _side_by_side(_widths(section), columns) > console.width
    if would_be_cut or (section.is_complete and len(columns) < len(section.header)):
        _print_lists(console, section, rows)
        return
    _print_words(console, section.title, "bold")
    is_number = numeric_columns(section)
    if (lines := _unstyled_lines([section.header, *rows], columns, is_number, console)) is not None:
        console.out("\n".join(lines), highlight=False)
    else:
        console.print(_table(section, rows, columns, is_number))
    left_out = [section.header[i] for i in range(len(section.header)) if i not in columns]
    hint = [f"Not shown at this width: {', '.join(left_out)}."] if left_out else []
    legends = [legend for name, legend in section.legends.items() if name not in left_out]
    _print_notes(console, (*legends, *section.notes, *hint))


def _unstyled_lines(
    rows: Sequence[Sequence[str]], columns: Sequence[int], is_number: Sequence[bool], console: Console
) -> list[str] | None:
    """The lines of a table without styles in which nothing is wrapped; None of another.

    They are those of rich, which takes a hundred times as long for thousands of rows.
    """
    widths = {index: max(1, *(cell_len(row[index]) for row in rows)) for index in columns}
    if console.color_system is not None or sum(widths.values()) + COLUMN_GAP * (len(columns) - 1) > console.width:
        return None
    gap = " " * COLUMN_GAP
    return [
        gap.join(_padded(row[index], widths[index], is_right=is_number[index]) for index in columns) for row in rows
    ]


def _padded(cell: str, width: int, *, is_right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if is_right else cell + space


def _table(section: Section, rows: Sequence[Sequence[str]], columns: Sequence[int], is_number: Sequence[bool]) -> Table:
    table = Table(title=None, box=None, pad_edge=False, header_style="bold")
    for index in columns:
        table.add_column(
            section.header[index],
            justify="right" if is_number[index] else "left",
            overflow="fold",
            no_wrap=bool(section.prose) and index not in section.prose,
            min_width=_longest_word(section, index) if index in section.prose else None,
        )
    for number, row in enumerate(rows):
        tone = TONES[section.tones[number]] if section.tones else ""
        last = len(section.header) - 1
        table.add_row(*(Text(row[index], style=tone if index == last else "") for index in columns))
    return table


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    for note in notes:
        _print_words(console, note, "dim")


def _print_words(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Print a text in as many lines as it takes; no word is broken, even where it is longer than a line."""
    width = max(1, console.width - indent)
    for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]:
        console.print(Text(" " * indent + line, style=style), crop=False, no_wrap=True, overflow="ignore")


def _print_lists(console: Console, section: Section, rows: list[list[str]]) -> None:
    """Every row as its name, with one line for each other cell."""
    _print_words(console, section.title, "bold")
    for name, *cells in rows:
        _print_words(console, name, "bold")
        for heading, cell in zip(section.header[1:], cells, strict=True):
            if cell != "-":
                _print_words(console, f"{heading}: {cell}", indent=4)
    _print_notes(console, (*section.legends.values(), *section.notes))


def fitting_columns(section: Section, width: int) -> list[int]:
    """The most important columns that fit side by side, in their order; always at least two."""
    widths = _widths(section)
    kept: list[int] = []
    for index in section.importance or range(len(section.header)):
        if len(kept) < 2 or _side_by_side(widths, [*kept, index]) <= width:
            kept.append(index)
    return sorted(kept)


def _widths(section: Section) -> list[int]:
    """Every column's width; prose is wrapped and takes at most `PROSE_WIDTH`, or as much as its longest word."""
    widest = [max(len(name), *(len(row[i]) for row in section.rows), 1) for i, name in enumerate(section.header)]
    return [
        min(width, max(PROSE_WIDTH, _longest_word(section, index))) if index in section.prose else width
        for index, width in enumerate(widest)
    ]


def _longest_word(section: Section, index: int) -> int:
    cells = (section.header[index], *(row[index] for row in section.rows))
    return max((len(word) for cell in cells for word in cell.split()), default=1)


def _side_by_side(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[index] for index in columns) + COLUMN_GAP * (len(columns) - 1)
