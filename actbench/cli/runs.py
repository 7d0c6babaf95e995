"""The verb that trains."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from actbench import errors
from actbench.cli.catalogue import CustomFile
from actbench.cli.completion import dataset_names, result_folders
from actbench.cli.experiments import load
from actbench.cli.interruption import interruptible
from actbench.cli.options import (
    Config,
    DataFolder,
    Folder,
    Jobs,
    Overrides,
    ResultsRoot,
    ShardOption,
    Smoke,
    TableOrJson,
    command_that_continues,
    farewell,
    verb,
    with_custom_files,
)
from actbench.config.bundled import find_experiment
from actbench.plan.shards import Shard, parse_shard
from actbench.runs.options import parse_duration, parse_jobs, parse_ray_address
from actbench.text import say

if TYPE_CHECKING:
    from actbench.experiment.definition import Experiment
    from actbench.runs.runner import RunResult


@verb
@with_custom_files
def run(
    config: Config,
    overrides: Overrides = None,
    results: ResultsRoot = Path("results"),
    data_dir: DataFolder = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")] = "auto",
    jobs: Jobs = "auto",
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="Where workers run: on this machine, or as tasks of Ray.")
    ] = "local",
    ray_address: Annotated[
        str | None, typer.Option(metavar="auto|HOST:PORT", help="The Ray cluster; left out: a Ray of this run's own.")
    ] = None,
    smoke: Smoke = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set earlier results aside and train everything.")] = False,
    shard: ShardOption = None,
    gate: Annotated[bool, typer.Option("--gate", help="Exit code 1 where a claim is contradicted.")] = False,
    max_time: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Start nothing new after so long (90s, 10m, 2h); exit code 3 then."),
    ] = None,
    timeout_per_trial: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Give up on a trial that takes longer; the others go on."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what goes wrong.")] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say what has been trained; -vv: what begins, too.")
    ] = 0,
    output_format: TableOrJson = "table",
) -> None:
    """Train every trial that the result folder does not hold yet, then print the table and the claims' verdicts."""
    if quiet and verbose:
        raise errors.ConfigurationError("--quiet and --verbose: give one of them")
    if (file := find_experiment(config)) != config and not dry_run and not quiet:
        say(f"Reading {file} ...")
    experiment = load(config, overrides, smoke).experiment
    workers, part = parse_jobs(jobs), parse_shard(shard)
    if part:
        refuse_beside_shard(fresh=fresh, gate=gate)
    most_seconds = parse_duration("--max-time", max_time)
    trial_seconds = parse_duration("--timeout-per-trial", timeout_per_trial)
    cluster = parse_ray_address(executor, ray_address)
    if gate and not experiment.expectations:
        why = "--smoke leaves the claims out" if smoke else f"{config} has no claims under `expect`"
        raise errors.ConfigurationError(f"--gate: there is nothing to judge, since {why}")
    from actbench.catalogue.datasets import data_folder

    data = data_folder(data_dir)
    if dry_run:
        from actbench.render.printing import print_answer
        from actbench.runs.dry_run import count_to_do, dry_run_document, dry_run_sections, estimate_costs
        from actbench.runs.environment import count_workers, likely_device

        to_do, kind = count_to_do(experiment, results, data, fresh=fresh, shard=part), likely_device(device)
        costs = estimate_costs(to_do, count_workers(kind, workers), kind)
        print_answer(output_format, lambda: dry_run_sections(to_do, costs), lambda: dry_run_document(to_do, costs))
        return
    tell = _say_nothing if quiet else say
    with interruptible(farewell()) as interruption:
        from actbench.runs.options import RunOptions
        from actbench.runs.progress import progress
        from actbench.runs.runner import run_experiment
        from actbench.store.results import result_folder

        folder = result_folder(results, experiment, part)
        limits = {"--max-time": max_time, "--timeout-per-trial": timeout_per_trial}
        given = {"--device": device, "--jobs": jobs, "--shard": shard, "--executor": executor, **limits}
        options = RunOptions(
            results, data, device, workers, fresh, part,
            executor=executor,
            ray_address=cluster,
            most_seconds=most_seconds,
            trial_seconds=trial_seconds,
            asked=_command_line(overrides, given, smoke=smoke, fresh=fresh),
            verbosity=-1 if quiet else verbose,
        )  # fmt: skip
        tell(f"{experiment.name}: {experiment.arm_count()} arms x {len(experiment.seeds)} seeds -> {folder}")
        with progress(is_quiet=quiet) as show:
            outcome = run_experiment(
                experiment, options, interruption.checked_before(show), tell, uninterrupted=interruption.held
            )
        if part:
            end_shard(experiment, part, outcome, results, output_format)
            _end_early(outcome.left)
            return
        is_contradicted = _print_results(outcome, output_format)
    tell(
        f"Results are in {folder}: {outcome.total} trials, {outcome.trained} trained now, "
        f"{outcome.diverged} diverged, {outcome.failed} failed.",
    )
    if outcome.failed:
        say(
            f"{outcome.failed} trials failed: their causes are in the column `cause` of trials.csv; "
            "the same command tries the failed trials again."
        )
    _end_early(outcome.left)
    if outcome.failed:
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)
    tell(f"Next: actbench report {shlex.quote(str(folder))}")
    if gate and is_contradicted:
        say("--gate: a claim is contradicted.")
        raise typer.Exit(errors.EXIT_CHECK_FAILED)


def _end_early(left: int) -> None:
    """Say how to go on where trials are left since the time was over."""
    if left:
        say(f"--max-time: {left} trials are left. Continue with: {command_that_continues()}")
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)


def _say_nothing(*_lines: str) -> None:
    """Quiet."""


def _command_line(overrides: list[str] | None, given: Mapping[str, str | None], *, smoke: bool, fresh: bool) -> str:
    """The command line's settings as they are typed, those that hold paths left out."""
    words = [word for setting in overrides or () for word in ("--set", setting)]
    words += [word for option, value in given.items() if value is not None for word in (option, value)]
    return shlex.join([*words, *["--smoke"] * smoke, *["--fresh"] * fresh])


def _print_results(outcome: RunResult, output_format: Literal["table", "json"]) -> bool:
    """Print a finished run's table and claims; whether a claim is contradicted."""
    from actbench.report.request import print_claims, print_comparison, say_what_is_missing

    found, comparison = outcome.results, outcome.comparison
    say_what_is_missing(found, say)
    if output_format == "json":
        from actbench.render.printing import print_document
        from actbench.report.document import is_contradicted, report_document

        print_document(report_document(comparison, found))
        return is_contradicted(found)
    print_comparison(comparison, [found], "table")
    return print_claims(found)


@verb
def challenge(
    file: CustomFile,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An opponent, the first is the baseline; repeatable, else the usual ones."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Which images.", autocompletion=dataset_names)] = "mnist",
    overrides: Overrides = None,
    results: ResultsRoot = Path("results"),
    data_dir: DataFolder = None,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to train.")] = "auto",
    jobs: Jobs = "auto",
    smoke: Smoke = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Set earlier results aside and train everything.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an experiment file that is there.")] = False,
    output_format: TableOrJson = "table",
) -> None:
    """Compare a custom function with common baselines: tuned for each arm, fresh seeds, a verdict; continues like run.

    The experiment is written to challenge-NAME.yaml, where it can be changed and run again.
    """
    from tempfile import TemporaryDirectory

    from actbench.catalogue.custom_files import custom_files_in_use
    from actbench.config.challenge import challenge_name, challenge_text, write_challenge
    from actbench.experiment.choices import choices_from

    say(f"Loading {file} ...")
    with custom_files_in_use([file]) as (loaded,), TemporaryDirectory() as elsewhere:
        challengers = [choice.entry for choice in choices_from(loaded.origin())]
        text = challenge_text(challengers, str(file), dataset, against or ())
        config = Path(elsewhere if dry_run else "", f"{challenge_name(challengers, dataset)}.yaml")
        write_challenge(config, text, replaces=force)
        run(
            config,
            overrides=overrides,
            results=results,
            data_dir=data_dir,
            device=device,
            jobs=jobs,
            smoke=smoke,
            dry_run=dry_run,
            fresh=fresh,
            output_format=output_format,
        )


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


@verb
def status(folder: Folder = None, results: ResultsRoot = Path("results"), output_format: TableOrJson = "table") -> None:
    """Say how far a run is: trials done by arm, whether it is at work, since when, time left, and what went wrong."""
    from datetime import UTC, datetime

    from actbench.render.printing import print_answer
    from actbench.runs.status import read_status, status_document, status_sections

    found = read_status(folder, results, datetime.now(UTC))
    print_answer(output_format, lambda: status_sections(found), lambda: status_document(found))


@verb
def doctor(
    data_dir: DataFolder = None, results: ResultsRoot = Path("results"), output_format: TableOrJson = "table"
) -> None:
    """Check that everything to train with is here: versions, devices, data with their checksums, disk."""
    say("Importing torch and the other libraries, which takes some seconds ...")
    from actbench.catalogue.datasets import data_folder
    from actbench.render.printing import print_answer
    from actbench.runs.doctor import doctor_document, doctor_section, examine, is_ready, probe_imports

    checks = examine(data_folder(data_dir), results, probe_imports())
    print_answer(output_format, lambda: [doctor_section(checks)], lambda: doctor_document(checks))
    if not is_ready(checks):
        raise typer.Exit(errors.EXIT_ENVIRONMENT)


def refuse_beside_shard(*, fresh: bool, gate: bool) -> None:
    """Raise `ConfigurationError` where an option asks of a shard what only the whole can do."""
    if gate:
        raise errors.ConfigurationError(
            "--gate beside --shard: claims are about all trials; merge the shards, then `actbench run CONFIG --gate`"
        )
    if fresh:
        raise errors.ConfigurationError(
            "--fresh beside --shard: a shard goes on from what was merged; begin anew under another --results"
        )


def end_shard(
    experiment: Experiment, shard: Shard, outcome: RunResult, root: Path, output_format: Literal["table", "json"]
) -> None:
    """Print what the shard has done and say what to type next; raises `typer.Exit` where trials failed."""
    from actbench.render.printing import print_answer
    from actbench.runs.shards import next_step, shard_document, shard_section

    print_answer(
        output_format,
        lambda: [shard_section(experiment, root, shard, waits=outcome.waits)],
        lambda: shard_document(experiment, root, shard, waits=outcome.waits),
    )
    say(
        f"{outcome.folder}: {outcome.trained} trained now, {outcome.diverged} diverged, {outcome.failed} failed. "
        f"{next_step(experiment, root, shard, waits=outcome.waits)}"
    )
    if outcome.failed:
        say("The causes are in the column `cause` of trials.csv; the same command tries the failed trials again.")
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)
