"""actbench from Python: the verbs `run` and `compare`, and result folders as pandas frames.

Options are called as on the command line, and mistakes raise `ConfigurationError` or `UnusableEnvironmentError` with
the message that the command line prints.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from actbench.errors import ConfigurationError, ExpectedError, UnusableEnvironmentError, unusable_file
from actbench.report.request import Request, load_reference
from actbench.runs.environment import available_cores
from actbench.store.results import Results, load_results
from actbench.views import ComparisonView, ResultFolder, compared

__all__ = [
    "ComparisonView",
    "ConfigurationError",
    "ExpectedError",
    "ResultFolder",
    "UnusableEnvironmentError",
    "compare",
    "load",
    "run",
]

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

    `config` is an experiment file or the name of one that comes along; `set` changes settings of it, as
    `{"train.epochs": 3, "seeds": 5}` or `["train.epochs=3"]`; `use` names Python files with custom functions.
    `max_time` and `timeout_per_trial` are seconds or a duration such as `"10m"`. Progress goes to standard error unless
    `quiet`. Ctrl-C (in a notebook: interrupt) keeps every finished trial, and the same call goes on from there. Trials
    that failed are counted in the result and raise nothing.
    """
    from actbench.catalogue.custom_files import custom_files_in_use
    from actbench.catalogue.datasets import data_folder
    from actbench.config.reader import open_experiment
    from actbench.runs.options import RunOptions, parse_jobs
    from actbench.runs.progress import progress
    from actbench.runs.runner import run_experiment
    from actbench.text import say

    data = data_folder(Path(data_dir) if data_dir is not None else None)
    options = RunOptions(
        Path(results), data, device, parse_jobs(str(jobs)), fresh,
        most_seconds=_seconds("max_time", max_time),
        trial_seconds=_seconds("timeout_per_trial", timeout_per_trial),
    )  # fmt: skip
    tell = _tell_nothing if quiet else say
    with custom_files_in_use([Path(use)] if isinstance(use, str | Path) else list(map(Path, use))):
        experiment = open_experiment(Path(config), _overrides(set), say, smoke=smoke).experiment
        tell(f"{experiment.name}: {experiment.arm_count()} arms x {len(experiment.seeds)} seeds")
        try:
            with _threads_kept(), progress(is_quiet=quiet) as show:
                outcome = run_experiment(experiment, options, show, tell)
        except KeyboardInterrupt:
            tell("Interrupted; every finished stack is kept. The same call goes on from there.")
            raise
    tell(
        f"{outcome.folder}: {outcome.total} trials, {outcome.trained} trained now, {outcome.diverged} diverged, "
        f"{outcome.failed} failed"
    )
    if outcome.left:
        say(f"max_time: {outcome.left} trials are left. The same call goes on from there.")
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
    metric: str = "test_accuracy",
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
    found = [_read(folder, results) for folder in folders] or [_read(None, results)]
    reference = baseline.results if isinstance(baseline, ResultFolder) else load_reference(Path(results), request)
    return compared(found, reference, request)


def _read(folder: str | Path | ResultFolder | None, root: str | Path) -> Results:
    if isinstance(folder, ResultFolder):
        return folder.results
    return load_results(Path(folder) if folder is not None else None, Path(root))


def _seconds(name: str, given: str | float | None) -> float | None:
    from actbench.runs.options import parse_duration

    return parse_duration(name, f"{given:f}" if isinstance(given, int | float) else given)


def _overrides(given: Mapping[str, object] | Iterable[str]) -> list[str]:
    """Settings as `--set` takes them."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Mapping):
        return list(given)
    return [f"{key}={_as_yaml(key, value)}" for key, value in given.items()]


def _as_yaml(key: str, value: object) -> str:
    """A value as JSON, which YAML is a superset of; what numpy and pandas make of numbers and lists counts as these."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (AttributeError, TypeError, ValueError):
        raise ConfigurationError(
            f"--set {key}: expected a number, text, list or mapping, found {type(value).__name__}"
        ) from None


def _plain(value: Any) -> Any:
    return value.tolist()


def _tell_nothing(*_: object) -> None:
    """Say nothing."""


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """Leave torch at the threads that it has; training in this process takes one."""
    threads = _torch_threads()
    try:
        yield
    finally:
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(threads or available_cores())


def _torch_threads() -> int | None:
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None
