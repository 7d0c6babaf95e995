"""Tables in LaTeX, ruled by booktabs, for papers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from actbench.render.sections import Section, numeric_columns, without_sparks
from actbench.render.terminal import fitting_columns
from actbench.text import capitalised, visible

PREAMBLE = "% In the preamble: \\usepackage{array,booktabs,graphicx}; letters beyond Latin take XeLaTeX or LuaLaTeX.\n"
LINE_CHARACTERS, PROSE_CHARACTERS, PROSE_WIDTH = 108, 24, "4.2cm"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "[": "{[}",  # which behind a line's end would begin its optional argument
    "]": "{]}",
}
LITERALLY = str.maketrans(SPECIAL)
WITHIN_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)")
PLUS_OR_MINUS = re.compile(r"\+-(?=[\d.])")
MINUS = re.compile(r"(?<![\w.-])(?<!\{\})-(?=[\d.])")


def sections_to_latex(sections: Sequence[Section], bold: Collection[str] = ()) -> str:
    """Tables one after another, under the packages they need; rows named in `bold` are emphasised in the first."""
    first, *others = sections
    tables = [section_to_latex(first, bold), *map(section_to_latex, others)]
    return PREAMBLE + "\n" + "\n".join(tables)


def section_to_latex(section: Section, bold: Collection[str] = ()) -> str:
    """A section as a floating table, no wider than the line: its title and notes are the caption.

    Rows that begin with a name in `bold` have this name and the mean in bold. Where the columns have an importance, the
    least important of those that do not fit are left out, which a comment says.
    """
    section, left_out = _fitting(without_sparks(section))
    emphasised = [index for index, name in enumerate(section.header) if index == 0 or name.startswith("mean")]
    kinds = _kinds(section)
    lines = [
        *([f"% Left out, to fit the line: {visible(', '.join(left_out))}."] if left_out else []),
        r"\begin{table}",
        r"  \centering\footnotesize",
        rf"  \caption{{{' '.join(escaped(_sentence(part)) for part in (section.title, *section.notes))}}}",
        rf"  \label{{tab:{_label(section.title)}}}",
        r"  \smallskip",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{@{{}}{''.join(kinds)}@{{}}}}",
        r"    \toprule",
        _row([_stacked(name, kind) for name, kind in zip(section.header, kinds, strict=True)]),
        r"    \midrule",
        *(_row(_emphasised(row, emphasised if row[0] in bold else ())) for row in section.rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _fitting(section: Section) -> tuple[Section, list[str]]:
    """The section with the columns that fit, and the names of the others."""
    if not section.importance:
        return section, []
    narrow = replace(section, header=[max(_broken(name), key=len) for name in section.header])
    kept = fitting_columns(narrow, LINE_CHARACTERS)
    shown = replace(
        section,
        header=[section.header[index] for index in kept],
        rows=[[row[index] for index in kept] for row in section.rows],
        prose=[kept.index(index) for index in section.prose if index in kept],
    )
    return shown, [name for index, name in enumerate(section.header) if index not in kept]


def escaped(text: str) -> str:
    """Text escaped for LaTeX, with a true minus before numbers."""
    parts = [part.translate(LITERALLY) for part in WITHIN_LIGATURE.split(visible(text))]
    return MINUS.sub("$-$", PLUS_OR_MINUS.sub(r"$\\pm$", "{}".join(parts)))


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} " + r"\\"


def _emphasised(cells: Sequence[str], bold: Collection[int]) -> list[str]:
    return [rf"\textbf{{{escaped(cell)}}}" if index in bold else escaped(cell) for index, cell in enumerate(cells)]


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


def _sentence(text: str) -> str:
    return capitalised(text) if text.endswith(".") else f"{capitalised(text)}."


def _label(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
