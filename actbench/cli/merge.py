"""The verb that puts result folders together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actbench.cli.completion import result_folders
from actbench.cli.options import ResultsRoot, TableOrJson, verb
from actbench.text import say


@verb
def merge(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER",
            help="Result folders of one experiment, as its shards leave them.",
            show_default=False,
            autocompletion=result_folders,
            readable=False,
        ),
    ],
    results: ResultsRoot = Path("results"),
    output_format: TableOrJson = "table",
) -> None:
    """Put the trials of several result folders of one experiment into one, and derive its tables."""
    from actbench.render.printing import print_answer
    from actbench.runs.merge import merge_document, merge_folders, merge_section, next_step

    merged = merge_folders(folders, results)
    print_answer(output_format, lambda: [merge_section(merged)], lambda: merge_document(merged))
    say(next_step(merged))
