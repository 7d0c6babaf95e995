"""The verb that looks for damage."""

from __future__ import annotations

import typer

from actbench import errors
from actbench.cli.options import NamedFolder, TableOrJson, verb


@verb
def verify(
    folder: NamedFolder,
    output_format: TableOrJson = "table",
) -> None:
    """Say what is damaged or missing in a result folder, and change nothing; exit code 1 where anything is."""
    from actbench.render.printing import print_answer
    from actbench.runs.verify import is_whole, verify_document, verify_folder, verify_section

    findings = verify_folder(folder)
    print_answer(output_format, lambda: [verify_section(folder, findings)], lambda: verify_document(folder, findings))
    if not is_whole(findings):
        raise typer.Exit(errors.EXIT_CHECK_FAILED)
