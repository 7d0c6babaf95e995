"""The verbs that train, and those that look after result folders and the machine."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from actbench import errors
from actbench.cli import options as shared
from actbench.cli.completion import dataset_names
from actbench.cli.experiments import load
from actbench.cli.guard import Interruption, farewell, interruptible, repeated_command
from actbench.cli.options import (
    require_gate,
    require_one,
    require_owner,
    with_custom_files,
    with_options,
    with_own_data,
)
from actbench.config.bundled import find_experiment
from actbench.render import printing
from actbench.runs.options import QUIET, RunOptions, parse_duration, parse_jobs, parse_ray_address
from actbench.text import counted, listed, say

if TYPE_CHECKING:
    from actbench.experiment.definition import Experiment
    from actbench.runs.progress import RunState
    from actbench.runs.runner import RunResult


@dataclass(frozen=True)
class TrainingOptions:
    """The options of the verbs that train."""

    overrides: shared.Overrides = None
    results: shared.ResultsRoot = Path("results")
    data_dir: shared.DataFolder = None
    device: shared.Device = "auto"
    jobs: shared.Jobs = "auto"
    executor: Annotated[
        Literal["local", "ray"], typer.Option(help="Where workers run: on this machine, or as tasks of Ray.")
    ] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="auto|HOST:PORT", help="A Ray cluster; without it, this run starts Ray."),
    ] = None
    smoke: shared.Smoke = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False
    fresh: Annotated[bool, typer.Option("--fresh", help="Move earlier results aside and retrain.")] = False
    shard: shared.ShardOption = None
    gate: Annotated[
        bool,
        typer.Option(
            "--gate",
            help="Exit code 1 if a claim is contradicted, or without claims an arm is worse than the baseline; "
            "5 if undecided.",
        ),
    ] = False
    gate_undecided: shared.GateUndecided = "exit"
    gate_reports: shared.GateReports = None
    allow_unusable: Annotated[
        bool, typer.Option("--allow-unusable", help="No exit code 3 if most trials of an arm diverged or collapsed.")
    ] = False
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Add seeds until every arm is better, worse or equivalent.")
    ] = False
    at_most: Annotated[
        int | None, typer.Option(metavar="N", min=2, max=10_000, help="With --until-settled: at most so many seeds.")
    ] = None
    max_time: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Start no training after this time (90s, 10m, 2h); exit code 3 then."),
    ] = None
    timeout_per_trial: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Stop a trial that takes longer; the others continue.")
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only the answer, warnings and errors.")] = False
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Print what has been trained; -vv: what starts, too.")
    ] = 0
    explain: shared.Explain = False
    output_format: shared.TableOrJson = "table"

    def checked(self) -> RunOptions:
        """The options of the run; raises `ConfigurationError` on a value or a combination that has no meaning."""
        require_one({"--quiet": self.quiet, "--verbose": self.verbose})
        require_owner("--until-settled", self.until_settled, {"--at-most": self.at_most})
        require_gate(is_wanted=self.gate, undecided=self.gate_undecided, reports=self.gate_reports)
        if self.shard and self.gate:
            raise errors.ConfigurationError(
                "--gate with --shard: claims are about all trials; merge the shards, then `actbench run CONFIG --gate`"
            )
        if self.shard and self.fresh:
            raise errors.ConfigurationError(
                "--fresh with --shard: a shard continues from what was merged; start anew under another --results"
            )
        from actbench.catalogue.datasets import data_folder
        from actbench.plan.trials import parse_shard

        return RunOptions(
            results=self.results,
            data_folder=data_folder(self.data_dir),
            device=self.device,
            jobs=parse_jobs(self.jobs),
            fresh=self.fresh,
            shard=parse_shard(self.shard),
            executor=self.executor,
            ray_address=parse_ray_address(self.executor, self.ray_address),
            max_seconds=parse_duration("--max-time", self.max_time),
            trial_seconds=parse_duration("--timeout-per-trial", self.timeout_per_trial),
            command_line=self.without_paths(),
            verbosity=QUIET if self.quiet or (self.smoke and not self.verbose) else self.verbose,
        )

    def without_paths(self) -> str:
        """The options as typed, for the log; those that hold paths are left out."""
        words = [word for setting in self.overrides or () for word in ("--set", setting)]
        for name in ("device", "jobs", "shard", "executor", "max_time", "timeout_per_trial", "at_most"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        words += ["--until-settled"] * self.until_settled
        return shlex.join([*words, *["--smoke"] * self.smoke, *["--fresh"] * self.fresh])


@with_custom_files
@with_own_data
@with_options(TrainingOptions)
def run(config: shared.Config, options: TrainingOptions) -> None:
    """Train every trial that the result folder does not hold yet, then print the table and the claims' verdicts."""
    _run(config, options)


def _run(config: Path, options: TrainingOptions, challenger: str | None = None) -> None:
    """Read the options and the experiment, show what is to do or train it, print the results, and end the command."""
    run_options = options.checked()
    experiment = _load(config, options)
    if options.dry_run:
        _print_dry_run(experiment, run_options, options.output_format)
        return
    with interruptible(farewell()) as interruption:
        outcome = _train(experiment, run_options, interruption)
        gate_code = _print_results(outcome, run_options, options, challenger)
    _finish(experiment, outcome, run_options, options, gate_code)


def _load(config: Path, options: TrainingOptions) -> Experiment:
    """The experiment; raises `ConfigurationError` with every mistake in it, or if --gate has no claim to judge."""
    if (file := find_experiment(config)) != config and not options.dry_run and not options.quiet:
        say(f"Reading {file} ...")
    experiment = load(config, options.overrides, options.smoke).experiment
    if options.until_settled and not options.smoke:
        from actbench.experiment.definition import until_settled

        experiment = until_settled(experiment, options.at_most)
    if not options.smoke:
        from actbench.report.networks import hints

        for hint in hints(experiment):
            say(f"warning: {hint}")
    if options.gate and not experiment.claims and (options.smoke or not experiment.baseline):
        why = "--smoke judges nothing" if options.smoke else f"{config} has neither `expect` nor `baseline`"
        raise errors.ConfigurationError(f"--gate: nothing to judge, since {why}")
    return experiment


def _train(experiment: Experiment, options: RunOptions, interruption: Interruption) -> RunResult:
    """Train what is missing; an interruption says how many trials are kept."""
    from actbench.runs.runner import run_with_progress

    def check(state: RunState) -> None:
        interruption.check()  # Python drops an exception that a signal raises inside a `__del__`
        interruption.farewell = farewell(state.done, state.total)

    return run_with_progress(experiment, options, check=check, uninterrupted=interruption.held)


def _print_dry_run(experiment: Experiment, options: RunOptions, output_format: shared.TableOrJson) -> None:
    from actbench.runs.dry_run import count_to_do, dry_run_document, dry_run_sections, estimate_costs
    from actbench.runs.environment import count_workers, likely_device

    to_do = count_to_do(experiment, options.results, options.data_folder, fresh=options.fresh, shard=options.shard)
    device = likely_device(options.device)
    costs = estimate_costs(to_do, count_workers(device, options.jobs), device)
    printing.print_answer(output_format, dry_run_sections, dry_run_document, to_do, costs)


def _print_results(
    outcome: RunResult, options: RunOptions, given: TrainingOptions, challenger: str | None = None
) -> int:
    """Print a run's answer, table and claims, or how far a shard is; the exit code of the gate, if one is wanted."""
    output_format = given.output_format
    if options.shard:
        if given.quiet and output_format == "table":
            print(outcome.summary_line())
        else:
            _print_status(outcome.folder, options.results, output_format)
        return 0
    from actbench.report.challenge import challenge_document, challenge_sections, seen_from_baseline
    from actbench.report.claims import claims_sections, judge_results
    from actbench.report.contents import answer_sections, comparison_sections, report_document
    from actbench.report.request import say_what_is_missing, with_short_names
    from actbench.report.tables import primary_comparison

    results, comparison = outcome.results, outcome.comparison
    if output_format == "table":
        results = with_short_names(results)
        comparison = primary_comparison(results)
    if given.smoke and output_format == "table":
        print(f"{outcome.summary_line()}; everything runs, accuracy is not judged")
        return 0
    say_what_is_missing(results, say)
    claims = judge_results(results)
    gate = None
    if given.gate:
        from actbench.report.gate import gate_on_arms, gate_on_claims

        undecided = given.gate_undecided
        seen = seen_from_baseline(comparison) if challenger else comparison
        gate = gate_on_claims(claims, undecided) if claims else gate_on_arms(seen, undecided)
    answer = answer_sections(comparison, [results], explains=given.explain)
    if challenger and answer[1:]:
        answer = [*challenge_sections(comparison, results, challenger), *(answer[2:] if given.explain else [])]
    further = {"gate": gate.to_json()} if gate else {}
    if challenger:
        further |= {"challenge": challenge_document(comparison, challenger)}
    printing.print_answer(
        output_format,
        lambda: answer[:1] if given.quiet or not answer[1:] else [*answer, *claims_sections(claims, comparison)],
        lambda: report_document(comparison, results) | further,
    )
    if not gate:
        return 0
    from actbench.report.gate import publish

    publish(gate, comparison_sections(comparison, [results]), given.gate_reports or (), say)
    return gate.exit_code()


def _finish(
    experiment: Experiment, outcome: RunResult, options: RunOptions, given: TrainingOptions, gate_code: int
) -> None:
    """Say what came of the run and what to type next; raises `typer.Exit` with the most urgent exit code."""
    from actbench.catalogue.custom_files import files_in_use
    from actbench.runs.shards import next_step

    if options.verbosity > QUIET:
        say(outcome.summary_line())
    if failed := outcome.endings["failed"]:
        looks = outcome.results.plan.looks
        again = (
            "only --fresh tries those before a passed look again."
            if looks and looks.look
            else "the same command tries the failed trials again."
        )
        say(f"{counted(failed, 'trial')} failed: see the column `cause` of trials.csv; {again}")
    allows_unusable = given.allow_unusable or given.smoke or options.shard
    unusable = [] if allows_unusable else outcome.results.mostly_unusable()
    if unusable:
        say(f"More unusable than usable trials: {listed(unusable)}. If intended: --allow-unusable.")
    if outcome.left:
        say(f"--max-time: {counted(outcome.left, 'trial')} left. Continue with: {repeated_command()}")
    is_budget = given.gate and experiment.looks is not None  # the gate says what is settled: its end is no failure
    if failed or unusable or (outcome.left and not is_budget):
        raise typer.Exit(errors.EXIT_TRIALS_FAILED)
    if options.shard:
        if given.output_format == "json" and not given.quiet:  # the table ends with it
            say(next_step(options.results / experiment.name, options.shard, waits=outcome.waits))
    elif options.verbosity > QUIET and not outcome.left:
        used = (word for file in files_in_use() for word in ("--use", file.path))
        say(f"Next: {shlex.join(['actbench', 'report', str(outcome.folder), *used])}")
    if gate_code:
        raise typer.Exit(gate_code)


@with_options(TrainingOptions)
def challenge(
    file: shared.CustomFilePath,
    options: TrainingOptions,
    against: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="An opponent; repeatable, else the usual ones.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Which images.", autocompletion=dataset_names)] = "mnist",
    force: shared.Force = False,
) -> None:
    """Compare a custom function with common baselines: tuned for each arm, fresh seeds, a verdict.

    The experiment is written to challenge-NAME.yaml, where it can be changed and run again.
    """
    from tempfile import TemporaryDirectory

    from actbench.catalogue.custom_files import custom_files_in_use
    from actbench.config.starter import challenge_name, challenge_text, write_new
    from actbench.experiment.choices import choices_from

    if not options.quiet:
        say(f"Loading {file} ...")
    with custom_files_in_use([file]) as (loaded,), TemporaryDirectory() as elsewhere:
        challengers = [choice.entry for choice in choices_from(loaded.origin())]
        text = challenge_text(challengers, str(file), dataset, against or ())
        config = Path(elsewhere if options.dry_run else "", f"{challenge_name(challengers, dataset)}.yaml")
        is_new = not config.exists()
        write_new({config: text}, replaces=force)
        try:
            _run(config, options, challenger=challengers[0].name if len(challengers) == 1 else None)
        except errors.ConfigurationError:
            if is_new:
                config.unlink()
            raise
        finally:
            if config.exists() and not (options.dry_run or options.quiet):
                say(f"The experiment is in {config}{', without the values of --set' * bool(options.overrides)}.")
        if options.smoke and not options.quiet:
            say(f"Next: {repeated_command(without=('--smoke',))}")


def merge(
    folders: Annotated[
        list[Path], shared.argument("FOLDER", "Result folders of one experiment, such as those of its shards.")
    ],
    results: Annotated[
        Path | None,
        typer.Option(
            help="Where the merged folder is written: where all of these are, else results/.",
            show_default=False,
            readable=False,
        ),
    ] = None,
    output_format: shared.TableOrJson = "table",
) -> None:
    """Merge the result folders of one experiment, such as its shards, into one, and derive its tables."""
    from actbench.runs.merge import merge_document, merge_folders, merge_section, next_step

    merged = merge_folders(folders, results)
    printing.print_answer(output_format, merge_section, merge_document, merged)
    say(next_step(merged))


def status(
    folder: shared.Folder = None,
    results: shared.ResultsRoot = Path("results"),
    output_format: shared.TableOrJson = "table",
) -> None:
    """Show how far a run is: trials done by arm, whether it is running, since when, time left, and what went wrong."""
    _print_status(folder, results, output_format)


def _print_status(folder: Path | None, root: Path, output_format: shared.TableOrJson) -> None:
    from datetime import UTC, datetime

    from actbench.runs.status import read_status, status_document, status_sections

    status = read_status(folder, root, datetime.now(UTC))
    printing.print_answer(output_format, status_sections, status_document, status)


def doctor(
    data_dir: shared.DataFolder = None,
    results: shared.ResultsRoot = Path("results"),
    output_format: shared.TableOrJson = "table",
) -> None:
    """Check the installation: library versions, devices, datasets with their checksums, disk."""
    say("Importing torch and the other libraries, which takes some seconds ...")
    from actbench.catalogue.datasets import data_folder
    from actbench.runs.doctor import doctor_document, doctor_section, examine, is_ready, probe_imports

    checks = examine(data_folder(data_dir), results, probe_imports())
    printing.print_answer(output_format, doctor_section, doctor_document, checks)
    if not is_ready(checks):
        raise typer.Exit(errors.EXIT_ENVIRONMENT)
