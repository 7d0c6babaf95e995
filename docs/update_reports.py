"""Write tables and page of every reference result, and the README's picture: `python docs/update_reports.py`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from actbench.report.tables import write_tables
from actbench.store.results import load_results

ROOT = Path(__file__).parent.parent
REFERENCES = ("results/mnist", "results/mnist-tuned", "results/precision", "results/documents/*")
PICTURE, PICTURE_OF = ROOT / "docs" / "mnist-tuned.svg", "results/mnist-tuned"


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


def write_picture(target: Path) -> None:
    """Every trial of the tuned activations as a dot."""
    with tempfile.TemporaryDirectory() as pictures:
        report(PICTURE_OF, "--figures", pictures)
        svg = (Path(pictures) / "arms.svg").read_text(encoding="utf-8")
        target.write_text(svg.replace("<svg ", '<svg style="background: white" ', 1), encoding="utf-8")


if __name__ == "__main__":
    for each in folders():
        write_tables(load_results(each, ROOT))
        write_page(each, each / "report.html")
    write_picture(PICTURE)
