"""Write the tables of README and docs from the committed results: `python docs/update_tables.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "performance.md", ROOT / "docs" / "scaling.md")
TABLE = re.compile(r"(?P<start><!-- table: (?P<folder>[^>]+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL)
FILE = re.compile(r"(?P<start><!-- file: (?P<file>\S+) -->\n).*?(?P<end><!-- end of file -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """The text with every table between its marks as `actbench compare FOLDER --format markdown` prints it now.

    Between the marks of a file stands what the file holds after its title.
    """
    text = TABLE.sub(lambda marks: marks["start"] + _table(marks["folder"]) + marks["end"], text)
    return FILE.sub(lambda marks: marks["start"] + _file(marks["file"]) + marks["end"], text)


def _table(folder: str) -> str:
    command = [sys.executable, "-m", "actbench", "compare", *folder.split(), "--format", "markdown"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _file(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8").partition("\n")[2]


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
