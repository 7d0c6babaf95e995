"""The result folder: the journal of finished trials and the files around it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actbench.errors import ConfigurationError, UnusableEnvironmentError
from actbench.records import SCHEMA, TrialRecord
from actbench.yaml_source import write_yaml

EXPERIMENT, ENVIRONMENT, JOURNAL, LOCK = "experiment.yaml", "environment.json", "trials.jsonl", ".lock"
DAMAGED = "trials.damaged.jsonl"
PLAN = "plan.json"
CHECKSUM_LENGTH = 16


@dataclass(frozen=True)
class Journal:
    """The whole records of a journal, the last one of each trial.

    `damaged_lines` were left out; `test_reads` counts the lines, replaced ones too, whose trial scored the test images.
    """

    records: dict[str, TrialRecord]
    damaged_lines: int
    test_reads: int


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder and keep other processes out; raises `UnusableEnvironmentError` where that cannot be."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        with lock:
            yield
    except Timeout:
        raise UnusableEnvironmentError(
            f"{folder}: another actbench is running in this folder; wait for it or choose another --results"
        ) from None
    except OSError as problem:
        raise UnusableEnvironmentError(
            f"{problem.filename or folder}: cannot be written ({problem.strerror})"
        ) from None


def journal_line(record: TrialRecord) -> str:
    """One record as a line of JSON with its schema first and its checksum last."""
    body = record.model_dump_json()
    return f'{body[:-1]},"checksum":"{_checksum(body)}"}}\n'


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:CHECKSUM_LENGTH]


def parse_line(line: str) -> TrialRecord | None:
    """The record of a whole, undamaged line, or None; raises `UnusableEnvironmentError` on a newer schema."""
    tail = len(',"checksum":""}') + CHECKSUM_LENGTH
    body = line[:-tail] + "}"
    if line[-tail:] != f',"checksum":"{_checksum(body)}"}}':
        return None
    schema = re.match(r'\{"schema":(\d{1,9}),', body)
    if schema and int(schema[1]) > SCHEMA:
        raise UnusableEnvironmentError(f"written by a newer actbench (schema {schema[1]}): upgrade to read it")
    try:
        return TrialRecord.model_validate_json(body)
    except ValidationError:
        return None


def read_journal(folder: Path) -> Journal:
    """All whole records; damaged lines are counted and left out."""
    lines = _parsed_lines(folder)
    records = [record for _, record in lines if record]
    return Journal(
        records={record.trial: record for record in records},
        damaged_lines=len(lines) - len(records),
        test_reads=sum(record.test_correct_count is not None for record in records),
    )


def _parsed_lines(folder: Path) -> list[tuple[bytes, TrialRecord | None]]:
    """Every line of the journal with its record, or None where it is damaged."""
    path = folder / JOURNAL
    try:
        lines = [stripped for line in path.read_bytes().split(b"\n") if (stripped := line.rstrip(b"\r"))]
        return [(line, parse_line(line.decode(errors="replace"))) for line in lines]
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise UnusableEnvironmentError(f"{path}: cannot be read ({problem.strerror})") from None
    except UnusableEnvironmentError as problem:
        raise UnusableEnvironmentError(f"{path}: {problem}") from None


def set_damaged_lines_aside(folder: Path) -> int:
    """Move the damaged lines of a locked folder's journal to a file of their own; how many there were."""
    lines = _parsed_lines(folder)
    damaged = [line for line, record in lines if record is None]
    if damaged:
        with (folder / DAMAGED).open("ab") as file:
            file.write(b"".join(line + b"\n" for line in damaged))
        write_atomically(folder / JOURNAL, "".join(journal_line(record) for _, record in lines if record))
    return len(damaged)


def append(folder: Path, records: Iterable[TrialRecord]) -> None:
    """Add records to the journal in one write, on disk when this returns; a torn last line is closed off first."""
    path = folder / JOURNAL
    payload = "".join(map(journal_line, records)).encode()
    with path.open("ab", buffering=0) as file:
        if file.tell() and not _ends_a_line(path):
            payload = b"\n" + payload
        if file.write(payload) != len(payload):
            raise UnusableEnvironmentError(f"{path}: the disk took only part of a record; make room and run again")
        os.fsync(file.fileno())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by new contents, all or nothing."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_experiment(folder: Path, resolved: Mapping[str, Any]) -> None:
    """Keep the resolved experiment, which `load_experiment` reads again."""
    write_atomically(folder / EXPERIMENT, write_yaml(dict(resolved)))


def write_environment(folder: Path, environment: Mapping[str, Any]) -> None:
    """Keep the environment record; those of earlier runs in this folder stay in its list `earlier`."""
    before = read_environment(folder)
    earlier = [*before.pop("earlier", []), before] if before else []
    others = [one for one in earlier if one.get("id") != environment["id"]]
    content = dict(environment) | ({"earlier": others} if others else {})
    write_atomically(folder / ENVIRONMENT, json.dumps(content, indent=2) + "\n")


def read_environment(folder: Path) -> dict[str, Any]:
    """The environment record, empty where there is none that can be read."""
    return _read_json(folder / ENVIRONMENT)


def environments_by_id(folder: Path) -> dict[str, dict[str, Any]]:
    """All environments that trials of this folder were trained in, as far as they are known."""
    latest = read_environment(folder)
    return {str(one.get("id")): one for one in (latest, *latest.get("earlier", ())) if one}


def _read_json(path: Path) -> dict[str, Any]:
    """A mapping whose `earlier`, if it has one, is a list of mappings; empty where that is not what the file holds."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    earlier = content.pop("earlier", [])
    kept = [one for one in earlier if isinstance(one, dict)] if isinstance(earlier, list) else []
    return content | ({"earlier": kept} if kept else {})


def freeze_plan(folder: Path, plan: Mapping[str, Any], *, has_begun: bool) -> None:
    """Keep the plan; one under which final trials had begun, and which said otherwise, stays in its list `earlier`."""
    before = read_plan(folder)
    earlier = before.pop("earlier", [])
    if before and before != plan and has_begun:
        earlier = [*earlier, before]
    write_atomically(folder / PLAN, json.dumps({**plan, **({"earlier": earlier} if earlier else {})}, indent=2) + "\n")


def read_plan(folder: Path) -> dict[str, Any]:
    """The frozen plan, empty where there is none that can be read."""
    return _read_json(folder / PLAN)


def set_aside(folder: Path) -> Path | None:
    """Move the contents of a locked result folder to a new one beside it; its name, or None where there was nothing."""
    contents = [path for path in folder.iterdir() if path.name != LOCK]
    if not contents:
        return None
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    target.mkdir()
    for path in contents:
        path.rename(target / path.name)
    return target


def latest_folder(root: Path) -> Path:
    """The result folder under `root` whose journal was written last; raises `ConfigurationError` without one."""
    journals = list(root.glob(f"*/{JOURNAL}"))
    if not journals:
        raise ConfigurationError(f"{root}: no results here; run an experiment first, or name a result folder")
    return max(journals, key=lambda path: path.stat().st_mtime_ns).parent


def require_result_folder(folder: Path) -> Path:
    """The folder itself where it holds results; raises `ConfigurationError` otherwise."""
    if not (folder / EXPERIMENT).is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{EXPERIMENT}")) if folder.is_dir() else []
        hint = f"; it holds the result folders {', '.join(inside)}" if inside else ""
        raise ConfigurationError(f"{folder}: not a result folder (no {EXPERIMENT} in it){hint}")
    return folder
