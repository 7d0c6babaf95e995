"""The verb `data`: where datasets are, and fetching one."""

from __future__ import annotations

from typing import Annotated

import typer

from actbench import errors
from actbench.cli.completion import dataset_names
from actbench.cli.options import DataFolder, TableOrJson, verb


@verb
def data(context: typer.Context, data_dir: DataFolder = None, output_format: TableOrJson = "table") -> None:
    """Show where the datasets are, or fetch one."""
    if context.invoked_subcommand is None:
        from actbench.catalogue.datasets import data_folder
        from actbench.render.printing import print_answer
        from actbench.report.networks import data_document, data_section

        folder = data_folder(data_dir)
        print_answer(output_format, lambda: [data_section(folder)], lambda: data_document(folder))


@verb
def fetch(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="mnist, fashion_mnist or kmnist.", autocompletion=dataset_names)
    ] = "mnist",
    data_dir: DataFolder = None,
) -> None:
    """Download a dataset, unless it is there, and check it."""
    from actbench.catalogue import datasets
    from actbench.text import did_you_mean

    if name not in datasets.DATASETS:
        near = did_you_mean(name, datasets.DATASETS) or f": {', '.join(datasets.DATASETS)}"
        raise errors.ConfigurationError(f"no dataset is called {name!r}{near}")
    above = context.parent.params.get("data_dir") if context.parent else None
    dataset, folder = datasets.DATASETS[name], datasets.data_folder(data_dir or above)
    datasets.fetch(dataset, folder)
    datasets.load(dataset, folder)
    print(f"{name}: complete and checked" + (f" in {datasets.raw_folder(dataset, folder)}" if dataset.file_md5 else ""))
