"""Write tables and page of every reference result, and the README's pictures: `python docs/update_reports.py`.

The folders of `compare --across` get tables only. With `pictures`, only the README's pictures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from actbench.report.tables import write_tables
from actbench.store.results import load_results

ROOT = Path(__file__).parent.parent
REFERENCES = (
    "results/mnist", "results/mnist-tuned", "results/mnist-settled", "results/outputs-and-losses", "results/precision",
    "results/documents/*",
)  # fmt: skip
WITHOUT_PAGE = ("results/across/*",)
PICTURES = {
    "differences": ("results/mnist-settled", ROOT / "docs" / "differences.svg"),
    "lottery": ("results/mnist-tuned", ROOT / "docs" / "lottery.svg"),
}


def folders(names: Sequence[str]) -> list[Path]:
    """The result folders that git holds, among those that match one of the names."""
    return sorted(path.parent for name in names for path in ROOT.glob(f"{name}/trials.jsonl"))


def report(folder: Path | str, *options: str) -> None:
    """Run `actbench report` from the root of the tree, as a reader would."""
    command = [sys.executable, "-m", "actbench", "report", str(folder), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def write_page(folder: Path, target: Path) -> None:
    """The page of one result folder."""
    report(folder.relative_to(ROOT), "--html", str(target))


def write_pictures(targets: Mapping[str, tuple[str, Path]]) -> None:
    """Figures by name: of which results, and to which file."""
    for name, (folder, target) in targets.items():
        with tempfile.TemporaryDirectory() as figures:
            report(folder, "--figures", figures)
            shutil.copyfile(Path(figures) / f"{name}.svg", target)


if __name__ == "__main__":
    if sys.argv[1:] != ["pictures"]:
        for each in folders(REFERENCES + WITHOUT_PAGE):
            write_tables(load_results(each, ROOT))
        for each in folders(REFERENCES):
            write_page(each, each / "report.html")
    write_pictures(PICTURES)
