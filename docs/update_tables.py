"""Write the README's tables from the committed results: `python docs/update_tables.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TABLE = re.compile(r"(?P<start><!-- table: (?P<folder>\S+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """The text with every table between its marks as `actbench compare FOLDER --format markdown` prints it now."""
    return TABLE.sub(lambda marks: marks["start"] + _table(marks["folder"]) + marks["end"], text)


def _table(folder: str) -> str:
    command = [sys.executable, "-m", "actbench", "compare", folder, "--format", "markdown"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text(encoding="utf-8")), encoding="utf-8")
