"""The verb that trains."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from actbench import errors
from actbench.bundled import find_experiment
from actbench.cli_experiment import load
from actbench.cli_shard import end_shard, refuse_beside_shard
from actbench.command_line import (
    Config,
    DataFolder,
    Jobs,
    Overrides,
    ResultsRoot,
    ShardOption,
    Smoke,
    TableOrJson,
    farewell,
    parse_jobs,
    say,
    verb,
)
from actbench.interruption import interruptible
from actbench.shards import parse_shard


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
    shard: ShardOption = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit code 1 where a claim is contradicted.")] = False,
    output_format: TableOrJson = "table",
) -> None:
    """Train every trial that the result folder does not hold yet, then print the table and the claims' verdicts."""
    if not dry_run:
        say(f"Reading {find_experiment(config)} ...")
    experiment = load(config, overrides, smoke).experiment
    workers, part = parse_jobs(jobs), parse_shard(shard)
    if part:
        refuse_beside_shard(fresh=fresh, gate=gate)
    if gate and not experiment.expectations:
        why = "--smoke leaves the claims out" if smoke else f"{config} has no claims under `expect`"
        raise errors.ConfigurationError(f"--gate: there is nothing to judge, since {why}")
    from actbench.catalogue.datasets import data_folder

    data = data_folder(data_dir)
    if dry_run:
        from actbench.report.dry_run import dry_run_document, dry_run_section
        from actbench.report.printing import print_answer

        print_answer(
            output_format,
            lambda: [dry_run_section(experiment, results, data, fresh=fresh, shard=part)],
            lambda: dry_run_document(experiment, results, data, fresh=fresh, shard=part),
        )
        return
    with interruptible(farewell()) as interruption:
        from actbench.report.progress import progress
        from actbench.results import result_folder
        from actbench.runner import RunOptions, run_experiment

        folder = result_folder(results, experiment, part)
        say(f"{experiment.name}: {experiment.arm_count()} arms x {len(experiment.seeds)} seeds -> {folder}")
        options = RunOptions(results, data, device, workers, fresh, part)
        with progress() as show:
            outcome = run_experiment(
                experiment, options, interruption.checked_before(show), say, uninterrupted=interruption.held
            )
        if part:
            end_shard(experiment, part, outcome, results, output_format)
            return
        is_contradicted = _print_results(outcome.folder, results, output_format)
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


def _print_results(folder: Path, root: Path, output_format: Literal["table", "json"]) -> bool:
    """Print a finished run's table and claims; whether a claim is contradicted."""
    from actbench.report.compare import Request, answer, print_claims, print_comparison
    from actbench.results import load_results

    found = load_results(folder, root)
    comparison = answer([found], None, Request(), say)
    if output_format == "json":
        from actbench.report.document import is_contradicted, report_document
        from actbench.report.printing import print_document

        print_document(report_document(comparison, found))
        return is_contradicted(found)
    print_comparison(comparison, [found], "table")
    return print_claims(found)
