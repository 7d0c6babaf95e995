"""Tables in LaTeX, ruled by booktabs, for papers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from actbench.render.html import source
from actbench.render.sections import Section, numeric_columns, without_sparks
from actbench.render.terminal import fitting_columns
from actbench.text import capitalised, visible

PREAMBLE = "% In the preamble: \\usepackage{array,booktabs,graphicx}; letters beyond Latin take XeLaTeX or LuaLaTeX.\n"
LINE_CHARACTERS, PROSE_CHARACTERS, PROSE_WIDTH = 108, 24, "4.2cm"
# A bracket behind a line's end would begin its optional argument.
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': "''", "[": "{[}", "]": "{]}",
}  # fmt: skip
LITERALLY = str.maketrans(SPECIAL)
WITHIN_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)")
PLUS_OR_MINUS = re.compile(r"\+-(?=[\d.])")
BEFORE_PARAMETERS = re.compile(r"(?<=\w)\((?=[\w\\]+=)")  # as in leaky_relu(negative_slope=0.1)
MINUS = re.compile(r"(?<![\w.-])(?<!\{\})-(?=[\d.])")


def sections_to_latex(sections: Sequence[Section], bold: Collection[str] = ()) -> str:
    """Tables one after another, under the packages they need; rows named in `bold` are emphasised in the first."""
    first, *others = sections
    tables = [section_to_latex(first, bold), *map(section_to_latex, others)]
    return PREAMBLE + "\n" + "\n".join(tables)


def section_to_latex(section: Section, bold: Collection[str] = (), *, label: str = "") -> str:
    """A section as a floating table, no wider than the line: its title is the caption, its notes stand below it."""
    section, left_out = _fitting(without_sparks(section))
    emphasised = [index for index, name in enumerate(section.header) if index == 0 or name.startswith("mean")]
    kinds = _kinds(section)
    label = label or re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")
    arms = {word.strip(",") for row in section.rows for word in row[0].split()}
    parts = [
        part if part.partition(" ")[0].strip(",") in arms else capitalised(part)
        for part in (section.title, *section.notes)
    ]
    title, *notes = [escaped(part if part.endswith(".") else f"{part}.") for part in parts]
    below = " ".join(notes)
    rows = [
        [
            rf"\textbf{{{escaped(cell)}}}" if row[0] in bold and index in emphasised else escaped(cell)
            for index, cell in enumerate(row)
        ]
        for row in section.rows
    ]
    comment = f"% Left out, to fit the line: {visible(', '.join(left_out))}.\n" if left_out else ""
    return comment + source("table.tex") % {
        "caption": title,
        "label": label,
        "kinds": "".join(kinds),
        "header": _row([_stacked(name, kind) for name, kind in zip(section.header, kinds, strict=True)]),
        "rows": "".join(f"{_row(row)}\n" for row in rows),
        "below": rf"  \par\smallskip\parbox{{0.95\linewidth}}{{\footnotesize {below}}}" + "\n" if below else "",
    }


def _fitting(section: Section) -> tuple[Section, list[str]]:
    """The section with the columns that fit, and the names of the others."""
    if not section.importance:
        return section, []
    narrow = replace(section, header=[max(_broken(name), key=len) for name in section.header])
    kept = fitting_columns(narrow, LINE_CHARACTERS)
    return section.with_columns(kept), [name for index, name in enumerate(section.header) if index not in kept]


def escaped(text: str) -> str:
    """Text escaped for LaTeX, with a true minus before numbers."""
    parts = [part.translate(LITERALLY) for part in WITHIN_LIGATURE.split(visible(text))]
    broken = BEFORE_PARAMETERS.sub(r"\\allowbreak(", "{}".join(parts))
    return MINUS.sub("$-$", PLUS_OR_MINUS.sub(r"$\\pm$", broken))


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} " + r"\\"


def _broken(name: str) -> list[str]:
    """A column's name in lines, with brackets on separate lines."""
    return re.split(r" (?=[(\[])", visible(name))


def _stacked(name: str, kind: str) -> str:
    lines = [escaped(line) for line in _broken(name)]
    stack = r"\\".join(lines)
    return rf"\shortstack[{'r' if kind == 'r' else 'l'}]{{{stack}}}" if len(lines) > 1 else stack


def _kinds(section: Section) -> list[str]:
    """Each column's type: numbers right, words left, long prose in a fixed width."""
    kinds = []
    for index, is_number in enumerate(numeric_columns(section)):
        longest = max((len(row[index]) for row in section.rows), default=0)
        is_prose = not is_number and (index in section.prose or section.is_complete) and longest > PROSE_CHARACTERS
        prose = rf">{{\raggedright\arraybackslash}}p{{{PROSE_WIDTH}}}"
        kinds.append(prose if is_prose else "r" if is_number else "l")
    return kinds
