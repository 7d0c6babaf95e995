"""Write the tables of README and docs from the committed results: `python docs/update_tables.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "scaling.md")
TABLE = re.compile(
    r"(?P<start><!-- table: (?P<folder>[^>;]+)(?:; columns: (?P<columns>[^>]+))? -->\n).*?"
    r"(?P<end><!-- end of table -->)",
    re.DOTALL,
)
FILE = re.compile(r"(?P<start><!-- file: (?P<file>\S+) -->\n).*?(?P<end><!-- end of file -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """The text with every table between its marks as `actbench compare FOLDER --format markdown` prints it now.

    A mark that names columns, separated by `|`, has the table with these columns and without notes. Between the marks
    of a file is the content of the file below its title.
    """
    text = TABLE.sub(lambda marks: marks["start"] + _table(marks["folder"], marks["columns"]) + marks["end"], text)
    return FILE.sub(lambda marks: marks["start"] + _file(marks["file"]) + marks["end"], text)


def _table(folder: str, columns: str | None) -> str:
    command = [sys.executable, "-m", "actbench", "compare", *folder.split(), "--format", "markdown"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return text if columns is None else _with_columns(text, _cells(columns))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _with_columns(text: str, columns: list[str]) -> str:
    """The table of a Markdown text with some of its columns, in the order asked for."""
    header, *rows = [_cells(line) for line in text.splitlines() if line.startswith("|")]
    kept = [header.index(column) for column in columns]
    return "".join(f"| {' | '.join(row[index] for index in kept)} |\n" for row in (header, *rows))


def _file(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
