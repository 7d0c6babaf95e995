"""The verbs that write an experiment file and say what is in it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actbench import errors
from actbench.cli import options as shared
from actbench.cli.completion import result_folders
from actbench.cli.options import with_custom_files, with_own_data
from actbench.render import printing
from actbench.runs.options import parse_jobs
from actbench.text import counted, say

if TYPE_CHECKING:
    from actbench.config.reader import Loaded
    from actbench.experiment.definition import Experiment


def load(config: Path, overrides: list[str] | None, smoke: bool = False) -> Loaded:
    """Read an experiment and say its warnings; raises `ConfigurationError` with every mistake in it."""
    from actbench.catalogue.arrays import dataset_in_use
    from actbench.config.reader import open_experiment

    data = dataset_in_use()
    if data and any(override.startswith("data.dataset=") for override in overrides or ()):
        raise errors.ConfigurationError("--use-data and --set data.dataset: give one of them")
    return open_experiment(config, overrides or (), say, smoke=smoke, data=data)


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.", dir_okay=False)] = Path(
        "starter.yaml"
    ),
    schema: Annotated[
        bool,
        typer.Option("--schema/--no-schema", help="Write the schema beside it, for editors that check as you type."),
    ] = True,
    force: shared.Force = False,
) -> None:
    """Write a commented experiment to start from, and beside it the schema by which an editor checks and completes."""
    from actbench.config.starter import write_starter

    print(*write_starter(file, with_schema=schema, replaces=force), sep="\n")
    say(f"Next: actbench run {shlex.quote(str(file))}")


@with_custom_files
def schema() -> None:
    """Print the JSON Schema (draft-07) of experiment files, with every name that the catalogue knows."""
    from actbench.config.schema import schema_text

    print(schema_text(), end="")


@with_custom_files
@with_own_data
def validate(
    config: shared.Config, overrides: shared.Overrides = None, output_format: shared.TableOrJson = "table"
) -> None:
    """Check an experiment file and report every mistake in it."""
    from actbench.catalogue.custom_files import files_in_use
    from actbench.checks.examination import named_gains, require_gains, require_passed
    from actbench.report.looks import moved_look
    from actbench.report.networks import hints, validity_document, validity_line

    try:
        loaded = load(config, overrides)
        # Custom activations whose gain an initialiser takes come before the gains; without any, torch is not imported.
        if pairs := named_gains(loaded.experiment):
            require_passed(dict.fromkeys(activation for _, activation in pairs))
            require_gains(pairs)
        hinted = [*hints(loaded.experiment), *filter(None, [moved_look(loaded.experiment)])]
    except errors.ConfigurationError as invalid:
        if output_format == "json":
            printing.print_document(validity_document(config, None, str(invalid).splitlines()))
            raise typer.Exit(invalid.exit_code) from None
        raise
    if output_format == "json":
        warnings = [*loaded.warnings, *hinted]
        printing.print_document(validity_document(config, loaded.experiment, warnings))
    else:
        checks = "".join(f"; actbench check {shlex.quote(file.path)} checks its functions" for file in files_in_use())
        print(f"{validity_line(config, loaded.experiment)}{checks}")
        for hint in hinted:
            say(f"warning: {hint}")


@with_custom_files
@with_own_data
def plan(
    config: shared.Config,
    overrides: shared.Overrides = None,
    results: shared.ResultsRoot = Path("results"),
    pilot: Annotated[
        Path | None,
        typer.Option(
            help="A result folder to take time and spread from; the experiment's own when left out.",
            autocompletion=result_folders,
            readable=False,
        ),
    ] = None,
    jobs: shared.Jobs = "auto",
    shard: shared.ShardOption = None,
    output_format: shared.TableOrJson = "table",
) -> None:
    """Say how many trials an experiment takes, how long, and how small a difference its seeds can show."""
    from actbench.plan.trials import parse_shard
    from actbench.processes import available_cores
    from actbench.runs.forecast import forecast, forecast_document, forecast_sections
    from actbench.store.results import earlier_results, load_results

    part = parse_shard(shard)
    experiment = load(config, overrides).experiment
    earlier = load_results(pilot, results, metrics=()) if pilot else earlier_results(experiment, results)
    found = forecast(experiment, earlier, parse_jobs(jobs) or available_cores(), part)
    printing.print_answer(output_format, forecast_sections, forecast_document, found)


@with_custom_files
@with_own_data
def summary(
    config: shared.Config,
    overrides: shared.Overrides = None,
    preflight: Annotated[
        bool,
        typer.Option(
            "--preflight", help="Pass images through the untrained networks; name arms that will explode or vanish."
        ),
    ] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Print the baseline's network and its training in plain PyTorch.")
    ] = False,
    parameters: Annotated[
        bool, typer.Option("--parameters", help="Every parameter by name, at the start and as `keep: weights` kept it.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Whose draws --parameters shows; the first when left out.")
    ] = None,
    results: shared.ResultsRoot = Path("results"),
    data_dir: shared.DataFolder = None,
    output_format: shared.TableOrJson = "table",
) -> None:
    """Show the networks layer by layer: shapes, initialisers, parameters, or what goes through them untrained."""
    from actbench.report.networks import summary_document, summary_sections

    shared.require_one({"--code": code, "--preflight": preflight, "--parameters": parameters})
    shared.require_one({"--code": code, "--format": output_format != "table"})
    shared.require_owner("--parameters", parameters, {"--seed": seed is not None})
    experiment = load(config, overrides).experiment
    if code:
        from actbench.report.code import network_code

        print(network_code(experiment, str(config), overrides or []), end="")
        return
    if preflight:
        _show_preflight(experiment, data_dir, output_format)
        return
    if parameters:
        _show_parameters(experiment, experiment.seeds[0] if seed is None else seed, results, output_format)
        return
    printing.print_answer(output_format, summary_sections, summary_document, experiment)


def _show_parameters(experiment: Experiment, seed: int, root: Path, output_format: shared.TableOrJson) -> None:
    from actbench.report.networks import summary_document
    from actbench.runs.parameters import parameters_document, parameters_sections, summarise_parameters
    from actbench.store.results import earlier_results

    found = summarise_parameters(experiment, seed, earlier_results(experiment, root))
    printing.print_answer(
        output_format,
        lambda: parameters_sections(found, seed),
        lambda: summary_document(experiment) | {"parameters": parameters_document(found, seed)},
    )


def _show_preflight(experiment: Experiment, data_dir: Path | None, output_format: shared.TableOrJson) -> None:
    from actbench.catalogue.datasets import data_folder
    from actbench.report.networks import summary_document
    from actbench.runs.preflight import preflight_document, preflight_sections, preflight_warnings, run_preflight

    arms = experiment.arm_count()
    say(f"Passing images forward and backward through the networks of {counted(arms, 'arm')} ...")
    found = run_preflight(experiment, data_folder(data_dir))
    printing.print_answer(
        output_format,
        lambda: preflight_sections(found),
        lambda: summary_document(experiment) | {"preflight": preflight_document(found)},
    )
    for warning in preflight_warnings(found):
        say(f"warning: {warning}")
