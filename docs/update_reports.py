"""Write tables and page of every reference result, and the README's pictures: `python docs/update_reports.py`.

With `pictures`, only the README's pictures.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from actbench.report.tables import write_tables
from actbench.store.results import load_results

ROOT = Path(__file__).parent.parent
REFERENCES = ("results/mnist", "results/mnist-tuned", "results/precision", "results/documents/*")
PICTURES = {"differences": ROOT / "docs" / "mnist-tuned.svg", "lottery": ROOT / "docs" / "lottery.svg"}
PICTURES_OF = "results/mnist-tuned"


def folders() -> list[Path]:
    """The result folders that git holds."""
    return sorted(path.parent for name in REFERENCES for path in ROOT.glob(f"{name}/trials.jsonl"))


def report(folder: Path | str, *options: str) -> None:
    """Run `actbench report` from the root of the tree, as a reader would."""
    command = [sys.executable, "-m", "actbench", "report", str(folder), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def write_page(folder: Path, target: Path) -> None:
    """The page of one result folder."""
    report(folder.relative_to(ROOT), "--html", str(target))


def write_pictures(targets: Mapping[str, Path]) -> None:
    """Figures of the tuned activations, by name."""
    with tempfile.TemporaryDirectory() as figures:
        report(PICTURES_OF, "--figures", figures)
        for name, target in targets.items():
            shutil.copyfile(Path(figures) / f"{name}.svg", target)


if __name__ == "__main__":
    for each in folders() if sys.argv[1:] != ["pictures"] else ():
        write_tables(load_results(each, ROOT))
        write_page(each, each / "report.html")
    write_pictures(PICTURES)
