"""actbench from Python: the verbs `run` and `compare`, and result folders as pandas frames.

Options have the names of the command line, and mistakes raise `ConfigurationError` or `UnusableEnvironmentError` with
the message that the command line prints.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, ParamSpec, TypeVar

from actbench.errors import ConfigurationError, unusable_file
from actbench.processes import available_cores
from actbench.report.request import Request, load_reference
from actbench.store.results import Results, load_results
from actbench.views import ComparisonView, ResultFolder, compared

P = ParamSpec("P")
T = TypeVar("T")


def _explaining_files(function: Callable[P, T]) -> Callable[P, T]:
    """Raise `UnusableEnvironmentError` for a file that cannot be read or written."""

    @functools.wraps(function)
    def explained(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except OSError as problem:
            if problem.filename is None:
                raise
            raise unusable_file(problem) from problem

    return explained


@_explaining_files
def run(
    config: str | Path,
    *,
    set: Mapping[str, object] | Iterable[str] = (),
    use: str | Path | Iterable[str | Path] = (),
    use_data: str | Path | None = None,
    results: str | Path = "results",
    data_dir: str | Path | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    jobs: int | Literal["auto"] = "auto",
    smoke: bool = False,
    fresh: bool = False,
    max_time: str | float | None = None,
    timeout_per_trial: str | float | None = None,
    quiet: bool = False,
) -> ResultFolder:
    """Train every trial that the result folder does not hold yet; the folder with its tables.

    `config` is an experiment file or a bundled experiment; `set` changes its settings, as
    `{"train.epochs": 3, "seeds": 5}` or `["train.epochs=3"]`; `use` names Python files with custom functions,
    `use_data` a .npz file with the arrays `x_train`, `y_train`, `x_test` and `y_test`.
    `max_time` and `timeout_per_trial` are seconds or a duration such as `"10m"`. Progress goes to standard error unless
    `quiet`. Ctrl-C (in a notebook: interrupt) keeps every finished trial, and the same call continues. Trials that
    failed are counted in the result and raise nothing.
    """
    from actbench.catalogue.arrays import own_data_in_use
    from actbench.catalogue.custom_files import custom_files_in_use
    from actbench.catalogue.datasets import data_folder
    from actbench.config.reader import open_experiment
    from actbench.runs.options import QUIET, RunOptions, parse_duration, parse_jobs
    from actbench.runs.runner import run_with_progress
    from actbench.text import counted, say

    options = RunOptions(
        results=Path(results),
        data_folder=data_folder(Path(data_dir) if data_dir is not None else None),
        device=device,
        jobs=parse_jobs(str(jobs)),
        fresh=fresh,
        max_seconds=parse_duration("--max-time", _duration(max_time)),
        trial_seconds=parse_duration("--timeout-per-trial", _duration(timeout_per_trial)),
        verbosity=QUIET if quiet else 0,
    )
    custom_files = [Path(use)] if isinstance(use, str | Path) else list(map(Path, use))
    with custom_files_in_use(custom_files), own_data_in_use(Path(use_data) if use_data else None) as data:
        experiment = open_experiment(Path(config), _overrides(set), say, smoke=smoke, data=data).experiment
        try:
            with _threads_kept():
                outcome = run_with_progress(experiment, options)
        except KeyboardInterrupt:
            if not quiet:
                say("Interrupted; every finished stack is kept. The same call continues.")
            raise
    if not quiet:
        say(outcome.summary_line())
    if outcome.left:
        say(f"max_time: {counted(outcome.left, 'trial')} left. The same call continues.")
    return ResultFolder(outcome.results)


@_explaining_files
def load(folder: str | Path | None = None, *, results: str | Path = "results") -> ResultFolder:
    """Read a result folder, or the latest under `results`."""
    return ResultFolder(_read(folder, results))


@_explaining_files
def compare(
    *folders: str | Path | ResultFolder,
    results: str | Path = "results",
    baseline: str | Path | ResultFolder | None = None,
    metric: str | None = None,
    by: str | None = None,
    all_pairs: bool = False,
    shared_lr: bool = False,
) -> ComparisonView:
    """Compare the arms of one or several result folders, or of the latest under `results`.

    `baseline` is an arm (`"relu"`, `"model.activation=relu"`) or another result folder. Raises `ConfigurationError`
    on a metric, baseline or factor that the experiment does not have.
    """
    name = str(baseline) if isinstance(baseline, str | Path) else None
    request = Request(name, metric, by, shared_lr, all_pairs)
    loaded = [_read(folder, results) for folder in folders] or [_read(None, results)]
    reference = baseline.results if isinstance(baseline, ResultFolder) else load_reference(Path(results), request)
    return compared(loaded, reference, request)


def _read(folder: str | Path | ResultFolder | None, root: str | Path) -> Results:
    if isinstance(folder, ResultFolder):
        return folder.results
    return load_results(Path(folder) if folder is not None else None, Path(root))


def _duration(value: str | float | None) -> str | None:
    """Seconds as a number in the form that the command line takes."""
    return f"{value:f}" if isinstance(value, int | float) else value


def _overrides(changes: Mapping[str, object] | Iterable[str]) -> list[str]:
    """Settings as `--set` takes them."""
    if isinstance(changes, str):
        return [changes]
    if not isinstance(changes, Mapping):
        return list(changes)
    return [f"{key}={_as_yaml(key, value)}" for key, value in changes.items()]


def _as_yaml(key: str, value: object) -> str:
    """A value as JSON, a subset of YAML; numpy's and pandas' numbers and arrays are converted."""
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda array: array.tolist())
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            f"--set {key}: expected a number, text, list or mapping, found {type(value).__name__}"
        ) from None


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """Restore torch's number of threads afterwards; training in this process sets it to one."""
    before = sys.modules.get("torch")
    threads = before.get_num_threads() if before else available_cores()
    try:
        yield
    finally:
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(threads)
