"""The verb that looks at a run from another shell."""

from __future__ import annotations

from pathlib import Path

from actbench.cli.options import Folder, ResultsRoot, TableOrJson, verb


@verb
def status(folder: Folder = None, results: ResultsRoot = Path("results"), output_format: TableOrJson = "table") -> None:
    """Say how far a run is: trials done by arm, whether it is at work, since when, time left, and what went wrong."""
    from datetime import UTC, datetime

    from actbench.render.printing import print_answer
    from actbench.runs.status import look_at
    from actbench.runs.status_screen import status_document, status_sections

    found = look_at(folder, results, datetime.now(UTC))
    print_answer(output_format, lambda: status_sections(found), lambda: status_document(found))
