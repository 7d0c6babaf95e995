"""MLflow: a run for every trial in a database file, written by MLflow's own client."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"  # before MLflow is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from actbench.errors import UnusableEnvironmentError
from actbench.report.export.export import Run

DATABASE = "mlflow.db"
TRIAL, CHECKSUM = "actbench.trial", "actbench.checksum"
MAX_METRICS_AT_ONCE = 1000
PAGE = 1000


def write_runs(runs: Sequence[Run], folder: Path, experiment: str) -> int:
    """Add the runs to the folder's database unless they are there; a trial that has changed replaces its run.

    Raises `UnusableEnvironmentError` if MLflow cannot write there.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        client = MlflowClient(f"sqlite:///{(folder / DATABASE).resolve()}")
        known = client.get_experiment_by_name(experiment)
        place = (folder / "artifacts").resolve().as_uri()
        number = known.experiment_id if known else client.create_experiment(experiment, artifact_location=place)
        return _write_missing(client, str(number), runs)
    except MlflowException as problem:
        reason = str(problem).partition("\n")[0]
        raise UnusableEnvironmentError(
            f"{folder / DATABASE}: MLflow cannot write there ({reason}); repair it, or choose another --out"
        ) from None


def _write_missing(client: MlflowClient, experiment_id: str, runs: Sequence[Run]) -> int:
    """Write the runs that are new or have changed, and delete what they replace; returns how many were written."""
    present: dict[str, dict[str, str | None]] = {}
    for run_id, tags in _present(client, experiment_id):
        present.setdefault(tags[TRIAL], {})[run_id] = tags.get(CHECKSUM)
    written = 0
    for run in runs:
        checksum = hashlib.sha256(repr(run).encode()).hexdigest()[:16]
        earlier = present.get(run.trial, {})
        kept = next((run_id for run_id, before in earlier.items() if before == checksum), None)
        if kept is None:
            _write(client, experiment_id, run, checksum)
            written += 1
        for run_id in earlier:
            if run_id != kept:  # of an earlier version of the trial, or of an export that was interrupted
                client.delete_run(run_id)
    return written


def _present(client: MlflowClient, experiment_id: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The runs that hold a trial; one that an interrupted export left unfinished has no checksum yet."""
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token)
        yield from ((run.info.run_id, run.data.tags) for run in page if TRIAL in run.data.tags)
        token = page.token
        if not token:
            return


def _write(client: MlflowClient, experiment_id: str, run: Run, checksum: str) -> None:
    """Write one run, the mark that it is complete last. The date of a trial is unknown, so it begins now."""
    started = int(1000 * time.time())
    tags = {TRIAL: run.trial, "arm": run.arm, "outcome": run.outcome, **({"cause": run.cause} if run.cause else {})}
    run_id = client.create_run(experiment_id, start_time=started, tags=tags, run_name=run.name).info.run_id
    parameters = run.settings | {name: str(value) for name, value in run.varied.items() if name in ("phase", "seed")}
    client.log_batch(run_id, params=[Param(name, value) for name, value in parameters.items()])
    times = (started + int(1000 * run.seconds_at(point)) for point in run.points)
    metrics = [Metric(point.metric, point.value, at, point.epoch) for point, at in zip(run.points, times, strict=True)]
    for start in range(0, len(metrics), MAX_METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS_AT_ONCE])
    status = "FAILED" if run.outcome == "failed" else "FINISHED"
    client.set_terminated(run_id, status, started + int(1000 * run.wall_seconds))
    client.log_batch(run_id, tags=[RunTag(CHECKSUM, checksum)])
