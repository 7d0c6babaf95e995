"""The journal: the records of finished trials, one a line, read back and appended to."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from actbench.errors import UnusableEnvironmentError
from actbench.experiment import records
from actbench.experiment.records import SCHEMA, LayerProbe, TrialRecord
from actbench.experiment.settings import TrialSettings
from actbench.plan.trials import identity_text, trial_id
from actbench.store.files import (
    FileEnd,
    Folder,
    append_lines,
    file_in,
    path_of,
    replace_file,
    require_regular_file,
)
from actbench.store.folder import environments_by_id, read_environment, training_code_of
from actbench.store.lines import (
    Damage,
    NewerSchemaError,
    ParsedSettings,
    checksum_of,
    journal_line,
    parse_line,
    parts,
    probes_of_line,
    raw_lines,
)
from actbench.store.names import DAMAGED, JOURNAL
from actbench.version import __version__

Line = tuple[int, bytes, TrialRecord | Damage]
Place = tuple[int, int]
PlacedLine = tuple[int, int, bytes, TrialRecord | Damage]
VERSION = re.compile(r"\d[\w.+]{0,30}")


@dataclass(frozen=True)
class Journal:
    """The whole records of a journal, one for each trial.

    `damaged_lines` were left out; `test_reads` counts the lines, replaced ones too, whose trial scored the test images.
    Without `has_probes`, records lack their layer probes; if these were checked all the same, `places` says for each
    trial where its line begins and how long it is, and `learnt` names the parameters that its probes have learnt.
    `state` tells the file from what it is after a change.
    """

    records: dict[str, TrialRecord]
    damaged_lines: int
    test_reads: int
    has_probes: bool = True
    state: tuple[int, ...] = field(default=(), compare=False)
    places: dict[str, Place] = field(default_factory=dict, compare=False)
    learnt: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False)


def read_journal(
    folder: Path,
    earlier: Journal | None = None,
    observe: Callable[[int, TrialRecord | Damage], None] = lambda *_: None,
    *,
    has_probes: bool = True,
    keeps_probes: bool = True,
) -> Journal:
    """All whole records; damaged lines are counted and left out. Nothing is read that is in `earlier` unchanged.

    Layer probes are left out unless `has_probes`: large journals then take a fraction of the time and memory. Unless
    `keeps_probes`, they are checked and left in the file, from where `probes_in_file` reads them again.

    `observe` is called with the number and the content of every line that is read.

    Of several records of one trial a finished one takes precedence over a failed one, else the one with the
    smallest checksum, so that journals may be put together in any order. A trial that failed several times has all its
    causes.
    """
    state = _state_of(folder / JOURNAL)
    if earlier is not None and earlier.state == state and (earlier.has_probes or not has_probes):
        return earlier
    chosen: dict[str, tuple[tuple[bool, bytes], TrialRecord]] = {}
    causes: dict[str, set[str]] = {}
    places: dict[str, Place] = {}
    learnt: dict[str, tuple[str, ...]] = {}
    damaged_lines = test_reads = 0
    for number, offset, line, record in _uncollected(_placed_lines(folder, has_probes=has_probes)):
        observe(number, record)
        if isinstance(record, Damage):
            damaged_lines += 1
            continue
        test_reads += record.test_correct_count is not None
        precedence = (record.outcome == "failed", checksum_of(line))
        if record.trial not in chosen or precedence < chosen[record.trial][0]:
            if not keeps_probes:
                places[record.trial] = offset, len(line)
                learnt |= {record.trial: names} if (names := _learnt_in(record)) else {}
                record.__dict__["probes"] = ()  # in place: each copy by pydantic would hold another set of field names
            chosen[record.trial] = precedence, record
        if record.outcome == "failed":
            causes.setdefault(record.trial, set()).add(record.cause or "")
    return Journal(
        records={trial: _with_causes(record, causes.get(trial, set())) for trial, (_, record) in chosen.items()},
        damaged_lines=damaged_lines,
        test_reads=test_reads,
        has_probes=has_probes and keeps_probes,
        state=state,
        places=places,
        learnt=learnt,
    )


def _learnt_in(record: TrialRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for probe in record.probes for name in probe.learnt))


@contextmanager
def probes_in_file(folder: Path, journal: Journal) -> Iterator[Callable[[TrialRecord], Sequence[LayerProbe]]]:
    """A function that reads the probes of a record again, of a journal that did not keep them.

    Raises `UnusableEnvironmentError` where the file has changed since.
    """
    with (folder / JOURNAL).open("rb", buffering=0) as file:

        def probes_of(record: TrialRecord) -> Sequence[LayerProbe]:
            offset, length = journal.places[record.trial]
            try:
                file.seek(offset)
                return probes_of_line(file.read(length))
            except (OSError, ValueError) as problem:
                raise UnusableEnvironmentError(f"{folder / JOURNAL}: changed while it was read ({problem})") from None

        yield probes_of


def _uncollected(lines: Iterator[PlacedLine]) -> Iterator[PlacedLine]:
    """The lines, read without a garbage collector, which takes a fifth of the time and finds no cycles in records."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield from lines
    finally:
        if is_on:
            gc.enable()


def _state_of(path: Path) -> tuple[int, ...]:
    """The file's identity, length and time of the last write; empty if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _with_causes(record: TrialRecord, causes: set[str]) -> TrialRecord:
    if record.outcome != "failed" or len(causes) < 2:
        return record
    return record.model_copy(update={"cause": " | ".join(sorted(causes - {""}))})


def read_lines(folder: Path, *, has_probes: bool = True) -> Iterator[Line]:
    """Every line of the journal that is not empty: its number, its bytes, and its record or what is wrong with it.

    A line in which several have run together counts as these, one of more than 256 MiB as parts of this length. Raises
    `UnusableEnvironmentError` where the journal cannot be read or was written by a newer version.
    """
    return ((number, line, content) for number, _, line, content in _placed_lines(folder, has_probes=has_probes))


def _placed_lines(folder: Path, *, has_probes: bool) -> Iterator[PlacedLine]:
    path, parsed = folder / JOURNAL, ParsedSettings()
    names_its_trial = _checker(_possible_versions(folder))
    try:
        require_regular_file(path)
        for number, offset, line in raw_lines(path):
            content = parse_line(line, parsed, has_probes=has_probes)
            for part in [line] if isinstance(content, TrialRecord) else parts(line):
                content = content if part is line else parse_line(part, parsed, has_probes=has_probes)
                yield number, offset + (0 if part is line else line.index(part)), part, names_its_trial(content)
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

    All versions up to this one are among them, so that a wrong environment record makes no record wrong.
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
        text, seed, phase, named = texts[id(settings)][1], content.seed, content.phase, content.trial
        for version in versions:
            if trial_id(text, seed, phase, version) == named:
                return content
        return Damage(f"its settings or its seed are not those of the trial {content.trial} that it names")

    return check


def _writer(folder: Path) -> str:
    """The version that last wrote to the folder, if its environment record names one."""
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


def append_records(folder: Folder, records: Iterable[TrialRecord], end: FileEnd | None = None) -> FileEnd:
    """Add records to the journal in one write, on disk when this returns; all of them or none.

    Returns how the journal ends then. Given how it ended, raises `FolderChangedError` where it does not any more.
    """
    return append_lines(file_in(folder, JOURNAL), ["".join(map(journal_line, records)).encode()], end=end)
