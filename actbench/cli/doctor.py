"""The verb that looks at the machine."""

from __future__ import annotations

from pathlib import Path

import typer

from actbench import errors
from actbench.cli.options import DataFolder, ResultsRoot, TableOrJson, verb
from actbench.text import say


@verb
def doctor(
    data_dir: DataFolder = None, results: ResultsRoot = Path("results"), output_format: TableOrJson = "table"
) -> None:
    """Check that everything to train with is here: versions, devices, data with their checksums, disk."""
    say("Importing torch and the other libraries, which takes some seconds ...")
    from actbench.catalogue.datasets import data_folder
    from actbench.render.printing import print_answer
    from actbench.runs.doctor import examine, probe_imports
    from actbench.runs.doctor_screen import doctor_document, doctor_section, is_ready

    checks = examine(data_folder(data_dir), results, probe_imports())
    print_answer(output_format, lambda: [doctor_section(checks)], lambda: doctor_document(checks))
    if not is_ready(checks):
        raise typer.Exit(errors.EXIT_ENVIRONMENT)
