"""The verbs that say what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from actbench import errors
from actbench.cli.completion import dataset_names, function_names, kinds
from actbench.cli.options import CustomFilePath, DataFolder, TableOrJson, require_owner, with_custom_files
from actbench.render import printing
from actbench.text import nearest_or_all, say
from actbench.version import __version__


@with_custom_files
def list_catalogue(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help="activation, output, initialiser, loss, optimizer, dataset or experiment.",
            show_default=False,
            autocompletion=kinds,
        ),
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="With formula, bounds, description and reference.")] = False,
    output_format: TableOrJson = "table",
) -> None:
    """List what an experiment can choose from, and the bundled experiments."""
    from actbench.catalogue.lookup import load_installed
    from actbench.report.listing import catalogue_document, catalogue_names, catalogue_sections

    sections = catalogue_sections if long else catalogue_names
    printing.print_answer(output_format, sections, catalogue_document, kind)
    for problem in load_installed():
        say(f"warning: {problem}")


@with_custom_files
def show(
    functions: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Activations or outputs, or with --shape initialisers; 'leaky_relu: {negative_slope: 0.2}'.",
            autocompletion=function_names,
        ),
    ],
    save: Annotated[
        Path | None, typer.Option(help="Draw function and derivative to an SVG, PNG or PDF file.", dir_okay=False)
    ] = None,
    cost: Annotated[bool, typer.Option("--cost", help="Measure time and memory relative to relu's.")] = False,
    at: Annotated[str | None, typer.Option("--at", help="Values and derivatives at points: 0.3439,0.6682.")] = None,
    scores: Annotated[
        str | None, typer.Option("--scores", help="Outputs for the scores of a last layer: 0.2,1.3,3.75.")
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option("--range", metavar="LOW:HIGH[:COUNT]", help="Inputs to draw and to tabulate: -20:20:1000."),
    ] = None,
    shape: Annotated[
        str | None, typer.Option("--shape", metavar="INxOUT", help="Draw initialisers' weights for such a layer: 5x3.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="With --shape: the seed of the draws.")] = 0,
    output_format: TableOrJson = "table",
) -> None:
    """Show facts about functions: formula, bounds, saturation, gain, checked claims, the curve and its derivative."""
    numbers = [option for option in (at, scores, shape) if option is not None]
    if len(numbers) > 1 or (numbers and (cost or save is not None or inputs is not None)) or (cost and inputs):
        raise errors.ConfigurationError(
            "--at, --scores and --shape print numbers: give one of them, without --save, --cost or --range; "
            "--cost goes without --range"
        )
    require_owner("--shape", shape, {"--seed": seed})
    if at is not None or scores is not None:
        _show_values(functions, at, scores, output_format)
        return
    if shape is not None:
        _show_draws(functions, shape, seed, output_format)
        return
    if cost:
        _show_costs(functions, save, output_format)
        return
    from actbench.report import functions as facts
    from actbench.report.values import parse_range, value_rows, values_section

    choices, drawn = facts.find_functions(functions), parse_range(inputs) if inputs is not None else None
    x = drawn.inputs() if drawn else None
    bounds = {"bounds": (drawn.low, drawn.high)} if drawn else {}
    if save is not None:
        facts.save_figure(choices, save, x)
        say(str(save))
    for derivative in (False, True):
        if output_format == "table" and (lines := facts.plot_lines(choices, derivative=derivative, **bounds)):
            print(*lines, "", sep="\n")
    tabulated = facts.with_curves(choices) if drawn and drawn.count else []
    printing.print_answer(
        output_format,
        lambda: [
            *([values_section(value_rows(tabulated, drawn.shown()), drawn.note())] if drawn and tabulated else []),
            facts.function_section(choices),
            *facts.function_claims_sections(choices),
        ],
        lambda: facts.functions_document(choices, x),
    )


def _show_draws(initialisers: list[str], shape: str, seed: int, output_format: TableOrJson) -> None:
    from actbench.report.functions import find_functions
    from actbench.report.values import draw, draws_document, draws_sections, parse_shape

    drawn = draw(find_functions(initialisers, ["initialiser"]), parse_shape(shape), seed)
    printing.print_answer(output_format, draws_sections, draws_document, drawn, seed)


def _show_values(functions: list[str], at: str | None, scores: str | None, output_format: TableOrJson) -> None:
    from actbench.report.functions import find_functions
    from actbench.report.values import parse_numbers, score_rows, scores_section, value_rows, values_section

    choices = find_functions(functions)
    if at is not None:
        rows = value_rows(choices, parse_numbers("--at", at))
        printing.print_answer(output_format, values_section, lambda rows: {"values": rows}, rows)
    else:
        rows = score_rows(choices, parse_numbers("--scores", scores or ""))
        printing.print_answer(output_format, scores_section, lambda rows: {"outputs": rows}, rows)


def _show_costs(activations: list[str], save: Path | None, output_format: TableOrJson) -> None:
    from actbench.report.checks import cost_section, costs_to_json, find_activations
    from actbench.report.functions import function_claims_sections, function_section, save_figure
    from actbench.runs.environment import describe_machine

    choices = find_activations(activations)
    if save is not None:
        save_figure(choices, save)
        say(str(save))
    from actbench.checks.cost import measure_costs

    costs, machine = measure_costs(choices), {"actbench": __version__} | describe_machine()
    printing.print_answer(
        output_format,
        lambda: [function_section(choices), *function_claims_sections(choices), cost_section(costs, machine)],
        lambda: costs_to_json(costs, machine),
    )


def check(file: CustomFilePath, output_format: TableOrJson = "table") -> None:
    """Check custom functions: metadata, derivative, extremes, types, safety in a stack; exit code 1 if refused."""
    from actbench.catalogue.custom_files import custom_files_in_use
    from actbench.experiment.choices import choices_from

    say(f"Loading {file} ...")
    with custom_files_in_use([file]) as (loaded,):
        from actbench.checks.examination import examine_apart
        from actbench.report.checks import examination_document, examination_section

        examinations = examine_apart(choices_from(loaded.origin()))
        printing.print_answer(
            output_format, lambda: [*map(examination_section, examinations)], lambda: examination_document(examinations)
        )
    if any(examination.refusals() for examination in examinations):
        raise typer.Exit(errors.EXIT_CHECK_FAILED)


def data(context: typer.Context, data_dir: DataFolder = None, output_format: TableOrJson = "table") -> None:
    """Show where the datasets are, or fetch one."""
    if context.invoked_subcommand is None:
        from actbench.catalogue.datasets import data_folder
        from actbench.report.listing import data_document, data_section

        printing.print_answer(output_format, data_section, data_document, data_folder(data_dir))


def fetch(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Such as mnist, fashion_mnist or emnist_letters.", autocompletion=dataset_names
        ),
    ] = "mnist",
    data_dir: DataFolder = None,
) -> None:
    """Download a dataset, unless it is there, and check it."""
    from actbench.catalogue import datasets

    if name not in datasets.DATASETS:
        raise errors.ConfigurationError(f"no dataset is called {name!r}{nearest_or_all(name, datasets.DATASETS)}")
    above = context.parent.params.get("data_dir") if context.parent else None
    dataset, folder = datasets.DATASETS[name], datasets.data_folder(data_dir or above)
    datasets.fetch(dataset, folder)
    datasets.load(dataset, folder)
    print(f"{name}: complete and checked" + (f" in {datasets.raw_folder(dataset, folder)}" if dataset.file_md5 else ""))
