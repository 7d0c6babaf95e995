"""The verb that asks of a user's own pieces whether they are what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actbench import errors
from actbench.cli.completion import python_files
from actbench.cli.options import TableOrJson, verb
from actbench.text import say

OwnFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A Python file that adds pieces to the catalogue; it is run.",
        show_default=False,
        autocompletion=python_files,
        readable=False,
    ),
]


@verb
def check(file: OwnFile, output_format: TableOrJson = "table") -> None:
    """Check pieces of your own: metadata, derivative, extremes, types, safety in a stack; exit code 1 if refused."""
    from actbench.catalogue.custom_files import own_files_in_use
    from actbench.experiment.choices import choices_from

    say(f"Loading {file} ...")
    with own_files_in_use([file]) as (loaded,):
        from actbench.checks.admission import examine
        from actbench.render.printing import print_answer
        from actbench.report.admission import admission_document, admission_sections

        examinations = [examine(choice) for choice in choices_from(loaded.origin())]
        print_answer(output_format, lambda: admission_sections(examinations), lambda: admission_document(examinations))
    if any(one.refusals() for one in examinations):
        raise typer.Exit(errors.EXIT_CHECK_FAILED)
