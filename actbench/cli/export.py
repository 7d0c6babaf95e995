"""The verb that hands results to other tools."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from actbench.cli.options import NamedFolder, TableOrJson, verb
from actbench.text import say


@verb
def export(
    folder: NamedFolder,
    tool: Annotated[Literal["tensorboard", "mlflow"], typer.Option("--to", help="For which tool.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to: runs/ for TensorBoard, mlflow/ for MLflow when left out."),
    ] = None,
    output_format: TableOrJson = "table",
) -> None:
    """Write every trial as a run of TensorBoard or MLflow: parameters, curves, final numbers."""
    from actbench.render.printing import print_answer
    from actbench.report.export.export import export_document, export_results, export_section
    from actbench.store.results import load_results

    exported = export_results(load_results(folder, folder.parent), tool, out)
    print_answer(output_format, lambda: [export_section(exported)], lambda: export_document(exported))
    say(f"Next: {shlex.join(exported.opens_with)}")
