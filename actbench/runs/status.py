"""Looking at a result folder while a run is at work in it, or after: nothing is locked, created or changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from actbench.experiment.records import TrialRecord
from actbench.plan.plan import Plan
from actbench.runs.dry_run import count_by_arm, settings_to_do
from actbench.runs.estimates import measured_speed, speed_here, training_seconds
from actbench.runs.log import LOG, last_run, read_log
from actbench.runs.status_screen import Status
from actbench.store import folder as store
from actbench.store.lock import is_locked
from actbench.store.results import Results, load_results, share_of


def look_at(folder: Path | None, root: Path, now: datetime) -> Status:
    """The status of a result folder, or of the latest under `root`.

    That of a shard's folder is of the shard's own share. Raises `ConfigurationError` where there is none, and
    `UnusableEnvironmentError` where it cannot be read.
    """
    found = store.require_result_folder(folder) if folder else store.latest_folder(root)
    is_running = is_locked(found)  # before it is read: a run that ends in between has left all that is read then
    results = load_results(found, root)
    plan, known = share_of(results)
    log = read_log(results.folder)
    latest = last_run(log)
    active = _latest_change(results.folder)
    seconds, basis = _time_left(results, plan, known, now) if is_running else (None, "")
    return Status(
        results=results,
        plan=plan,
        known=known,
        arms=count_by_arm(results.experiment, plan, known),
        is_running=is_running,
        now=now,
        started=latest[0].time if latest else None,
        active=active,
        last_word=log[-1].text if log else "",
        seconds_left=seconds,
        basis=basis,
    )


def _latest_change(folder: Path) -> datetime | None:
    """When the journal or the log was last written."""
    times = [path.stat().st_mtime for name in (store.JOURNAL, LOG) if (path := folder / name).is_file()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _time_left(
    results: Results, plan: Plan, known: Mapping[str, TrialRecord], now: datetime
) -> tuple[float | None, str]:
    """Seconds until all trials are trained, less those since the last was stored, and what that is from."""
    wanted = [settings for settings, _ in settings_to_do(results.experiment, plan, known)]
    environment = store.read_environment(results.folder)
    device, workers = str(environment.get("device", "cpu")), environment.get("workers")
    speed = measured_speed(results.records.values(), f"in {results.folder}")
    speed = speed or (speed_here(results.folder, wanted[0], device) if wanted else None)
    if speed is None:
        return None, ""
    seconds = training_seconds(wanted, speed, workers if isinstance(workers, int) else 1)
    journal = results.folder / store.JOURNAL
    since = now.timestamp() - journal.stat().st_mtime if journal.is_file() else 0.0
    return max(0.0, seconds - max(0.0, since)), speed.basis
