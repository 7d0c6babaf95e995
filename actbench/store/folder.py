"""The result folder: the journal of finished trials and the files around it."""

from __future__ import annotations

import contextlib
import gc
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actbench.config.source import write_yaml
from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.experiment import records
from actbench.experiment.records import SCHEMA, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.plan import is_same_plan
from actbench.plan.trials import identity_text, trial_id
from actbench.store.files import (
    FileEnd,
    Folder,
    HeldFolder,
    append_lines,
    file_in,
    path_of,
    read_mapping,
    replace_file,
    require_regular_file,
    write_atomically,
)
from actbench.store.journal import (
    Damage,
    NewerSchemaError,
    ParsedSettings,
    checksum_of,
    journal_line,
    parse_line,
    parts,
    raw_lines,
)
from actbench.store.lock import LOCK
from actbench.store.names import DAMAGED as DAMAGED
from actbench.store.names import ENVIRONMENT as ENVIRONMENT
from actbench.store.names import EXPERIMENT as EXPERIMENT
from actbench.store.names import JOURNAL as JOURNAL
from actbench.store.names import PLAN as PLAN
from actbench.store.names import latest_journal
from actbench.text import did_you_mean
from actbench.version import __version__

Line = tuple[int, bytes, TrialRecord | Damage]
VERSION = re.compile(r"\d[\w.+]{0,30}")


@dataclass(frozen=True)
class Journal:
    """The whole records of a journal, one for each trial.

    `damaged_lines` were left out; `test_reads` counts the lines, replaced ones too, whose trial scored the test images.
    Without `has_probes`, records lack their layer probes.
    `state` tells the file from what it is after a change.
    """

    records: dict[str, TrialRecord]
    damaged_lines: int
    test_reads: int
    has_probes: bool = True
    state: tuple[int, ...] = field(default=(), compare=False)


def read_journal(
    folder: Path,
    earlier: Journal | None = None,
    observe: Callable[[int, TrialRecord | Damage], None] = lambda *_: None,
    *,
    has_probes: bool = True,
) -> Journal:
    """All whole records; damaged lines are counted and left out. Nothing is read that is in `earlier` unchanged.

    Layer probes are left out unless `has_probes`: large journals then take a fraction of the time and memory.

    `observe` is called with the number and the content of every line that is read.

    Of several records of one trial a finished one counts rather than a failed one, else the one with the smallest
    checksum, so that journals may be put together in any order. A trial that failed several times has all its causes.
    """
    state = _state_of(folder / JOURNAL)
    if earlier is not None and earlier.state == state and (earlier.has_probes or not has_probes):
        return earlier
    chosen: dict[str, tuple[tuple[bool, bytes], TrialRecord]] = {}
    causes: dict[str, set[str]] = {}
    damaged_lines = test_reads = 0
    for number, line, record in _uncollected(read_lines(folder, has_probes=has_probes)):
        observe(number, record)
        if isinstance(record, Damage):
            damaged_lines += 1
            continue
        test_reads += record.test_correct_count is not None
        precedence = (record.outcome == "failed", checksum_of(line))
        if record.trial not in chosen or precedence < chosen[record.trial][0]:
            chosen[record.trial] = precedence, record
        if record.outcome == "failed":
            causes.setdefault(record.trial, set()).add(record.cause or "")
    return Journal(
        records={trial: _with_causes(record, causes.get(trial, set())) for trial, (_, record) in chosen.items()},
        damaged_lines=damaged_lines,
        test_reads=test_reads,
        has_probes=has_probes,
        state=state,
    )


def _uncollected(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines, read without a garbage collector, which takes a fifth of the time and finds no cycles in records."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield from lines
    finally:
        if is_on:
            gc.enable()


def _state_of(path: Path) -> tuple[int, ...]:
    """Which file this is, its length and when it was last written; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _with_causes(record: TrialRecord, causes: set[str]) -> TrialRecord:
    if record.outcome != "failed" or len(causes) < 2:
        return record
    return record.model_copy(update={"cause": " | ".join(sorted(causes - {""}))})


def read_lines(folder: Path, *, has_probes: bool = True) -> Iterator[Line]:
    """Every line of the journal that is not empty: its number, its bytes, and its record or what is wrong with it.

    A line in which several have run together counts as these, one of more than 256 MiB as parts of this length. Raises
    `UnusableEnvironmentError` where the journal cannot be read or was written by a newer version.
    """
    path, parsed = folder / JOURNAL, ParsedSettings()
    names_its_trial = _checker(_possible_versions(folder))
    try:
        require_regular_file(path)
        for number, line in raw_lines(path):
            content = parse_line(line, parsed, has_probes=has_probes)
            for part in [line] if isinstance(content, TrialRecord) else parts(line):
                content = content if part is line else parse_line(part, parsed, has_probes=has_probes)
                yield number, part, names_its_trial(content)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be read ({problem.strerror})") from None
    except NewerSchemaError as newer:
        raise UnusableEnvironmentError(
            f"{path}:{number}: written by a newer actbench (schema {newer.schema}, and {__version__} reads up to "
            f"{SCHEMA}): upgrade to {_writer(folder)} with pip install --upgrade actbench"
        ) from None


def _possible_versions(folder: Path) -> list[int]:
    """The versions of the training code that may have named the folder's trials, the likeliest first.

    Those before this one are always among them, so that a wrong environment record makes no record wrong.
    """
    named = map(training_code_of, environments_by_id(folder).values())
    return list(dict.fromkeys([*filter(None, named), *range(records.TRAINING_CODE_VERSION, 0, -1)]))


def _checker(versions: Iterable[int]) -> Callable[[TrialRecord | Damage], TrialRecord | Damage]:
    """A function that gives a record unless its settings, seed and phase are those of another trial than it names."""
    texts: dict[int, tuple[TrialSettings, str]] = {}  # by id, since records share settings and hashing them is slow

    def check(content: TrialRecord | Damage) -> TrialRecord | Damage:
        if isinstance(content, Damage):
            return content
        settings = content.settings
        if id(settings) not in texts:
            texts[id(settings)] = settings, identity_text(settings)
        text = texts[id(settings)][1]
        if any(trial_id(text, content.seed, content.phase, version) == content.trial for version in versions):
            return content
        return Damage(f"its settings or its seed are not those of the trial {content.trial} that it names")

    return check


def _writer(folder: Path) -> str:
    """The version that last wrote to the folder, as far as it says so."""
    version = str(read_environment(folder).get("actbench"))
    return f"{version} or later" if VERSION.fullmatch(version) and version != __version__ else "the latest version"


def set_damaged_lines_aside(folder: Folder) -> int:
    """Move the damaged lines of a locked folder's journal to another file; how many there were."""
    path = path_of(folder)
    damaged = sum(isinstance(content, Damage) for _, _, content in read_lines(path))
    if damaged:
        append_lines(file_in(folder, DAMAGED), _lines(path, are_damaged=True))
        replace_file(file_in(folder, JOURNAL), _lines(path, are_damaged=False))
    return damaged


def _lines(folder: Path, *, are_damaged: bool) -> Iterator[bytes]:
    return (line + b"\n" for _, line, content in read_lines(folder) if isinstance(content, Damage) == are_damaged)


def append(folder: Folder, records: Iterable[TrialRecord], end: FileEnd | None = None) -> FileEnd:
    """Add records to the journal in one write, on disk when this returns; all of them or none.

    Returns how the journal ends then. Given how it ended, raises `FolderChangedError` where it does not any more.
    """
    return append_lines(file_in(folder, JOURNAL), ["".join(map(journal_line, records)).encode()], end=end)


def write_experiment(folder: Folder, resolved: Mapping[str, Any]) -> None:
    """Keep the resolved experiment, which `load_experiment` reads again."""
    write_atomically(file_in(folder, EXPERIMENT), write_yaml(dict(resolved)))


def write_environment(folder: Folder, environment: Mapping[str, Any]) -> None:
    """Keep the environment record; those of earlier runs in this folder stay in its list `earlier`."""
    before = read_environment(path_of(folder))
    earlier = [*before.pop("earlier", []), before] if before else []
    others = [record for record in earlier if record.get("id") != environment["id"]]
    content = dict(environment) | ({"earlier": others} if others else {})
    write_atomically(file_in(folder, ENVIRONMENT), json.dumps(content, indent=2) + "\n")


def read_environment(folder: Path) -> dict[str, Any]:
    """The environment record, empty where there is none that can be made sense of."""
    return read_mapping(folder / ENVIRONMENT, _is_environment)


def _is_environment(content: dict[str, Any]) -> bool:
    return all(isinstance(value, str | int | float | None) for value in content.values())


def environments_by_id(folder: Path) -> dict[str, dict[str, Any]]:
    """All environments that trials of this folder were trained in, as far as they are known."""
    latest = read_environment(folder)
    earlier = latest.pop("earlier", [])
    return {str(one.get("id")): one for one in (latest, *earlier) if one}


def training_code_of(environment: Mapping[str, Any] | None) -> int | None:
    """The version of the training code that an environment record names; None where it names none."""
    version = (environment or {}).get("training_code")
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def latest_training_code(environments: Mapping[str, dict[str, Any]]) -> int:
    """The version that the latest of a folder's environment records names, or else this one's."""
    version = training_code_of(next(iter(environments.values()), None))
    return records.TRAINING_CODE_VERSION if version is None else version


def freeze_plan(folder: Folder, plan: Mapping[str, Any], *, has_begun: bool) -> None:
    """Keep the plan; another one under which final trials had begun stays in its list `earlier`.

    Once they have begun, the same plan stays as it was recorded.
    """
    before = read_plan(path_of(folder))
    earlier = before.pop("earlier", [])
    if before and has_begun:
        plan, earlier = (before, earlier) if is_same_plan(before, plan) else (plan, [*earlier, before])
    content = {**plan, **({"earlier": earlier} if earlier else {})}
    write_atomically(file_in(folder, PLAN), json.dumps(content, indent=2) + "\n")


def read_plan(folder: Path) -> dict[str, Any]:
    """The frozen plan, empty where there is none that can be made sense of."""
    return read_mapping(folder / PLAN, _is_plan)


def _is_plan(content: dict[str, Any]) -> bool:
    claims, warnings = content.get("claims", []), content.get("warnings", [])
    are_texts = isinstance(warnings, list) and all(isinstance(warning, str) for warning in warnings)
    are_claims = isinstance(claims, list) and all(isinstance(claim, dict) for claim in claims)
    return isinstance(content.get("seeds"), list) and are_texts and are_claims


def set_aside(folder: HeldFolder) -> Path | None:
    """Move all contents of a locked result folder, or none, to a new one beside it; None where there were none."""
    folder.require_in_place()
    return _move_contents(folder.path)


def _move_contents(folder: Path) -> Path | None:
    contents = [path for path in folder.iterdir() if path.name != LOCK]
    if not contents:
        return None
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    target.mkdir()
    moved: list[Path] = []
    try:
        for path in contents:
            path.rename(target / path.name)
            moved.append(path)
    except OSError:
        with contextlib.suppress(OSError):
            for path in moved:
                (target / path.name).rename(path)
            target.rmdir()
        raise
    return target


def latest_folder(root: Path) -> Path:
    """The result folder under `root` whose journal was written last; raises `ConfigurationError` without one."""
    if journal := latest_journal(root):
        return journal.parent
    if root.is_dir():
        next(root.iterdir(), None)  # raises where it may not be read, which a pattern passes over
    raise ConfigurationError(f"{root}: no results here; run an experiment first, or name a result folder")


def require_readable(path: Path) -> None:
    """Raise `UnusableEnvironmentError` where a file of a result folder cannot be opened."""
    try:
        path.open("rb").close()
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be read ({problem.strerror})") from None


def require_result_folder(folder: Path) -> Path:
    """The folder itself where it holds results; raises `ConfigurationError` otherwise."""
    if (folder / EXPERIMENT).is_file():
        return folder
    inside = _result_folders(folder)
    near = did_you_mean(folder.name, _result_folders(folder.parent))
    hint = f"; it holds the result folders {', '.join(inside)}" if inside else near
    raise ConfigurationError(f"{folder}: not a result folder (no {EXPERIMENT} in it){hint}")


def _result_folders(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob(f"*/{EXPERIMENT}"))
