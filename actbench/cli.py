"""The command line: one short function per verb, which reads, calls, prints and gives the exit code."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from actbench import __version__, errors
from actbench.cli_data import data_app
from actbench.command_line import (
    Baseline,
    Config,
    DataFolder,
    FigureFormat,
    FiguresFolder,
    Folder,
    HtmlFile,
    Jobs,
    MetricName,
    OpenPage,
    Overrides,
    ReportFormat,
    ResultsRoot,
    SharedRate,
    Smoke,
    TableFormat,
    parse_jobs,
    raise_terminated,
    say,
    stop_interrupted,
    verb,
)

if TYPE_CHECKING:
    from actbench.config import Loaded

app = typer.Typer(
    name="actbench",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Settle which activation, initialiser, loss or output function is better on MNIST, by how much, how surely.",
    epilog="Exit codes: 0 done, 1 a gate is closed (--gate), 2 usage or configuration, 3 some trials "
    "failed, 4 environment (data, disk, device, folder in use), 130/143 interrupted.",
)
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line, also where standard output or error has been closed."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
        app()


def _load(config: Path, overrides: list[str] | None, smoke: bool = False) -> Loaded:
    from dataclasses import replace

    from actbench.config import load_experiment
    from actbench.experiment import smoke_version

    loaded = load_experiment(config, overrides or ())
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return replace(loaded, experiment=smoke_version(loaded.experiment)) if smoke else loaded


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"actbench {__version__}")
        raise typer.Exit()


@app.command()
@verb
def run(
    config: Config,
    overrides: Overrides = None,
    results: ResultsRoot = Path("results"),
    data_dir: DataFolder = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")] = "auto",
    jobs: Jobs = "auto",
    smoke: Smoke = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set earlier results aside and train everything.")] = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit code 1 where a claim is contradicted.")] = False,
) -> None:
    """Train every trial that the result folder does not hold yet, then print the table and the claims' verdicts."""
    from actbench.catalogue.datasets import data_folder
    from actbench.runner import RunOptions

    experiment = _load(config, overrides, smoke).experiment
    options = RunOptions(results, data_folder(data_dir), device, parse_jobs(jobs), fresh)
    if gate and not experiment.expectations:
        why = "--smoke leaves the claims out" if smoke else f"{config} has no claims under `expect`"
        raise errors.ConfigurationError(f"--gate: there is nothing to judge, since {why}")
    if dry_run:
        from actbench.report.dry_run import dry_run_section
        from actbench.report.terminal import print_sections

        print_sections([dry_run_section(experiment, results / experiment.name, options.data_folder, fresh=fresh)])
        return
    signal.signal(signal.SIGTERM, raise_terminated)
    try:
        from actbench.report.progress import progress
        from actbench.runner import run_experiment

        say(
            f"{experiment.name}: {experiment.arm_count()} arms x {len(experiment.seeds)} seeds "
            f"-> {results / experiment.name}"
        )
        with progress() as show:
            outcome = run_experiment(experiment, options, show, say)
    except KeyboardInterrupt as interruption:
        stop_interrupted(interruption)
    is_contradicted = _print_results(outcome.folder, results)
    say(
        f"{outcome.folder}: {outcome.total} trials, {outcome.trained} trained now, {outcome.diverged} diverged, "
        f"{outcome.failed} failed. Next: actbench report {shlex.quote(str(outcome.folder))}"
    )
    if outcome.failed:
        say("The causes are in the column `cause` of trials.csv; the same command tries the failed trials again.")
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)
    if gate and is_contradicted:
        say("--gate: a claim is contradicted.")
        raise typer.Exit(errors.EXIT_CHECK_FAILED)


def _print_results(folder: Path, root: Path) -> bool:
    """Print a finished run's table and claims; whether a claim is contradicted."""
    from actbench.report.compare import Request, answer, print_claims, print_comparison
    from actbench.results import load_results

    found = load_results(folder, root)
    print_comparison(answer([found], None, Request(), say), [found], "table")
    return print_claims(found)


@app.command()
@verb
def compare(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER]...", help="Result folders; the latest when left out.", show_default=False),
    ] = None,
    results: ResultsRoot = Path("results"),
    baseline: Baseline = None,
    metric: MetricName = "test_accuracy",
    by: Annotated[
        str | None, typer.Option(metavar="FACTOR", help="Compare a factor's values, averaged over the others.")
    ] = None,
    all_pairs: Annotated[bool, typer.Option("--all-pairs", help="Compare every arm with every other.")] = False,
    shared_lr: SharedRate = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit code 1 where an arm is worse than its baseline.")] = False,
    gate_undecided: Annotated[
        Literal["fail", "pass"], typer.Option(help="What --gate makes of an arm without a verdict.")
    ] = "pass",
    format: Annotated[TableFormat, typer.Option(help="How to print it.")] = "table",
) -> None:
    """Compare arms: mean, interval, paired difference to the baseline, exact p, and a verdict in plain words."""
    from actbench.report.compare import Request, answer, load_folders, print_comparison

    request = Request(baseline, metric, by, shared_lr, all_pairs)
    found, reference = load_folders(folders or [], results, request)
    comparison = answer(found, reference, request, say)
    everything = [*found, reference] if reference else found
    print_comparison(comparison, everything, format)
    if gate:
        from actbench.report.gate import close_gate

        if close_gate(comparison, everything, fails_undecided=gate_undecided == "fail", say=say):
            raise typer.Exit(errors.EXIT_CHECK_FAILED)


@app.command()
@verb
def report(
    folder: Folder = None,
    results: ResultsRoot = Path("results"),
    metric: MetricName = "test_accuracy",
    shared_lr: SharedRate = False,
    html: HtmlFile = None,
    open_page: OpenPage = False,
    figures: FiguresFolder = None,
    figure_format: Annotated[FigureFormat, typer.Option(help="What --figures draws.")] = "svg",
    format: Annotated[ReportFormat, typer.Option(help="How to print it.")] = "table",
) -> None:
    """Report comparison, claims, tuning, effects of factors and learning curves: printed, as a page, or in pictures."""
    from actbench.report.compare import Request, answer, print_report
    from actbench.report.files import Files, write_files
    from actbench.results import load_results

    files = Files(html, open_page, figures, figure_format)
    files.require_sense(format)
    found = load_results(folder, results)
    comparison = answer([found], None, Request(metric=metric, shared_lr=shared_lr), say)
    if files.are_wanted():
        print(*write_files(comparison, found, files, say), sep="\n")
    else:
        print_report(comparison, found, format)


@app.command(name="list")
@verb
def list_catalogue(
    kind: Annotated[
        str | None, typer.Argument(help="activation, output, initialiser, loss, optimizer or dataset.")
    ] = None,
) -> None:
    """List what an experiment can choose from."""
    from actbench.report.summary import catalogue_sections
    from actbench.report.terminal import print_sections

    print_sections(catalogue_sections(kind))


@app.command()
@verb
def show(
    functions: Annotated[list[str], typer.Argument(metavar="NAME...", help="Activations or output functions.")],
    save: Annotated[Path | None, typer.Option(help="Draw function and derivative to an SVG, PNG or PDF file.")] = None,
    cost: Annotated[bool, typer.Option("--cost", help="Measure time and memory relative to relu's.")] = False,
    format: Annotated[Literal["table", "json"], typer.Option(help="How to print costs.")] = "table",
) -> None:
    """Show facts about functions: formula, bounds, saturation, gain, checked claims, the curve and its derivative."""
    if cost:
        _show_costs(functions, save, format)
        return
    if format == "json":
        raise errors.ConfigurationError("--format json prints measured costs; add --cost")
    from actbench.report.function_claims import function_claims_sections
    from actbench.report.functions import find_functions, function_section, plot_lines, save_figure
    from actbench.report.terminal import print_sections

    choices = find_functions(functions)
    if save is not None:
        save_figure(choices, save)
    print_sections([function_section(choices), *function_claims_sections(choices)])
    for derivative in (False, True):
        if lines := plot_lines(choices, derivative=derivative):
            print("", *lines, sep="\n")


def _show_costs(activations: list[str], save: Path | None, format: Literal["table", "json"]) -> None:
    import json

    from actbench.environment import describe_machine
    from actbench.report.costs import cost_section, costs_to_json, find_activations
    from actbench.report.function_claims import function_claims_sections
    from actbench.report.functions import function_section, save_figure
    from actbench.report.terminal import print_sections
    from actbench.training.cost import measure_costs

    choices = find_activations(activations)
    if save is not None:
        save_figure(choices, save)
    costs, machine = measure_costs(choices), {"actbench": __version__} | describe_machine()
    if format == "json":
        print(json.dumps(costs_to_json(costs, machine), indent=2, allow_nan=False))
    else:
        print_sections([function_section(choices), *function_claims_sections(choices), cost_section(costs, machine)])


@app.command()
@verb
def validate(config: Config, overrides: Overrides = None) -> None:
    """Check an experiment file and report every mistake in it."""
    experiment = _load(config, overrides).experiment
    arms, seeds, tuning = experiment.arm_count(), len(experiment.seeds), experiment.tuning_trial_count()
    tuned = f"{arms} arms x {tuning} tuning trials + " if tuning else ""
    print(f"{config}: valid; {tuned}{arms} arms x {seeds} seeds = {arms * (tuning + seeds)} trials")


@app.command()
@verb
def plan(
    config: Config,
    overrides: Overrides = None,
    results: ResultsRoot = Path("results"),
    pilot: Annotated[
        Path | None,
        typer.Option(help="A result folder to take time and spread from; the experiment's own when left out."),
    ] = None,
    jobs: Jobs = "auto",
) -> None:
    """Say how many trials an experiment takes, how long, and how small a difference its seeds can show."""
    from actbench.environment import available_cores
    from actbench.report.planning import plan_sections
    from actbench.report.terminal import print_sections
    from actbench.results import is_result_folder, load_results

    experiment = _load(config, overrides).experiment
    own = results / experiment.name
    folder = pilot or (own if is_result_folder(own) else None)
    found = load_results(folder, results) if folder else None
    print_sections(plan_sections(experiment, found, parse_jobs(jobs) or available_cores()))


@app.command()
@verb
def summary(config: Config, overrides: Overrides = None) -> None:
    """Show the network layer by layer: output shapes, initialisers, parameters."""
    from actbench.report.summary import summary_sections
    from actbench.report.terminal import print_sections

    print_sections(summary_sections(_load(config, overrides).experiment))
