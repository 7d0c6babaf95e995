"""Shards of a tiny experiment, trained and merged by the command line."""

from __future__ import annotations

from pathlib import Path

from actbench.experiment.definition import Experiment
from actbench.experiment.records import Trial
from actbench.plan.trials import Shard
from actbench.runs.merge import merge_folders
from actbench.runs.options import RunOptions
from actbench.runs.runner import RunResult, run_experiment
from actbench.store.results import result_folder
from program import TINY
from tuned_runs import Fake

TUNED_TINY = TINY.replace(", model.init: [he_normal, xavier_normal]", "") + "tune: {train.lr: [0.01, 0.03]}\n"


def run_shard(experiment: Experiment, root: Path, shard: Shard | None, fake: Fake) -> RunResult:
    options = RunOptions(results=root, data_folder=root / "data", device="cpu", jobs=1, shard=shard)
    return run_experiment(experiment, options, lambda state: None, lambda line: None, fake)


def run_shards(experiment: Experiment, root: Path, of: int) -> list[tuple[RunResult, list[Trial]]]:
    """Every shard once, as on machines that see the same results."""
    found = []
    for number in range(1, of + 1):
        fake = Fake()
        found.append((run_shard(experiment, root, Shard(number, of), fake), fake.trained))
    return found


def merge_shards(experiment: Experiment, root: Path, of: int) -> Path:
    folders = [result_folder(root, experiment, Shard(number, of)) for number in range(1, of + 1)]
    return merge_folders(folders, root).results.folder
