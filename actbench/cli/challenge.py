"""The verb that puts a user's own piece against what people use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from actbench.cli.check import OwnFile
from actbench.cli.completion import dataset_names
from actbench.cli.options import DataFolder, Jobs, Overrides, ResultsRoot, Smoke, TableOrJson, verb
from actbench.cli.runs import run
from actbench.text import say


@verb
def challenge(
    file: OwnFile,
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
    """Put a piece of your own against what people use: tuned for each arm, fresh seeds, a verdict; goes on like run.

    The experiment is written to challenge-NAME.yaml, where it can be changed and run again.
    """
    from tempfile import TemporaryDirectory

    from actbench.catalogue.custom_files import own_files_in_use
    from actbench.config.challenge import challenge_name, challenge_text, write_challenge
    from actbench.experiment.choices import choices_from

    say(f"Loading {file} ...")
    with own_files_in_use([file]) as (loaded,), TemporaryDirectory() as elsewhere:
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
