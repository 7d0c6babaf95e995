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

from actbench.exporting.runs import Point, Run

DATABASE = "mlflow.db"
TRIAL, CHECKSUM = "actbench.trial", "actbench.checksum"
MOST_METRICS_AT_ONCE = 1000
PAGE = 1000


def write_runs(runs: Sequence[Run], folder: Path, experiment: str) -> int:
    """Add the runs to the folder's database unless they are there; a trial that has changed replaces its run.

    Returns how many were written.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri(folder))
    found = client.get_experiment_by_name(experiment)
    place = (folder / "artifacts").resolve().as_uri()
    experiment_id = found.experiment_id if found else client.create_experiment(experiment, artifact_location=place)
    present = {tags[TRIAL]: (tags.get(CHECKSUM), run_id) for run_id, tags in _present(client, experiment_id)}
    written = 0
    for run in runs:
        checksum = _checksum(run)
        before, run_id = present.get(run.trial, (None, None))
        if before != checksum:
            _write(client, experiment_id, run, checksum)
            written += 1
            if run_id is not None:
                client.delete_run(run_id)
    return written


def tracking_uri(folder: Path) -> str:
    """Where MLflow finds what was written to the folder."""
    return f"sqlite:///{(folder / DATABASE).resolve()}"


def _present(client: MlflowClient, experiment_id: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The runs that hold a trial; one that an interrupted export has left unfinished has no checksum yet."""
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token)
        yield from ((run.info.run_id, run.data.tags) for run in page if TRIAL in run.data.tags)
        token = page.token
        if not token:
            return


def _checksum(run: Run) -> str:
    return hashlib.sha256(repr(run).encode()).hexdigest()[:16]


def _write(client: MlflowClient, experiment_id: str, run: Run, checksum: str) -> None:
    """Write one run; what says that it is whole comes last. A trial's own clock is unknown: it begins now."""
    started = int(1000 * time.time())
    tags = {TRIAL: run.trial, "arm": run.arm, "outcome": run.outcome, **({"cause": run.cause} if run.cause else {})}
    run_id = client.create_run(experiment_id, start_time=started, tags=tags, run_name=run.name).info.run_id
    parameters = run.settings | {name: str(value) for name, value in run.varied.items() if name in ("phase", "seed")}
    client.log_batch(run_id, params=[Param(name, value) for name, value in parameters.items()])
    metrics = [Metric(one.metric, one.value, started + _milliseconds(run, one), one.epoch) for one in run.points]
    for start in range(0, len(metrics), MOST_METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=metrics[start : start + MOST_METRICS_AT_ONCE])
    status = "FAILED" if run.outcome == "failed" else "FINISHED"
    client.set_terminated(run_id, status, started + int(1000 * run.wall_seconds))
    client.log_batch(run_id, tags=[RunTag(CHECKSUM, checksum)])


def _milliseconds(run: Run, point: Point) -> int:
    return int(1000 * run.seconds[point.epoch - 1]) if 1 <= point.epoch <= len(run.seconds) else 0
