"""The journal: the records of finished trials, one a line, read back, appended to, and copied between folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import LayerProbe, TrialRecord
from actbench.store.files import FileEnd, Folder, HeldFolder, append_lines, file_in, path_of, replace_file
from actbench.store.folder import environments_by_id, write_environment
from actbench.store.lines import Damage, checksum_of, journal_line, probes_of_line
from actbench.store.names import DAMAGED, JOURNAL
from actbench.store.reading import read_lines, read_placed_lines

Place = tuple[int, int]


@dataclass(frozen=True)
class Journal:
    """The whole records of a journal, one for each trial.

    `damaged` are the numbers of lines that were left out, and why; `test_reads` counts the lines, replaced ones too,
    whose trial scored the test images, `whole_lines` all of them.
    Without `has_probes`, records lack their layer probes; if these were checked all the same, `places` says for each
    trial where its line begins and how long it is, and `learnt` names the parameters that its probes have learnt.
    `state` tells the file from what it is after a change.
    """

    records: dict[str, TrialRecord]
    damaged: tuple[tuple[int, Damage], ...]
    test_reads: int
    has_probes: bool = True
    state: tuple[int, ...] = field(default=(), compare=False)
    places: dict[str, Place] = field(default_factory=dict, compare=False)
    learnt: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    whole_lines: int = field(default=0, compare=False)

    @property
    def damaged_lines(self) -> int:
        """How many lines were left out."""
        return len(self.damaged)


def read_journal(
    folder: Path, earlier: Journal | None = None, *, has_probes: bool = True, keeps_probes: bool = True
) -> Journal:
    """All whole records; damaged lines are named and left out. Nothing is read that is in `earlier` unchanged.

    Layer probes are left out unless `has_probes`: large journals then take a fraction of the time and memory. Unless
    `keeps_probes`, they are checked and left in the file, from where `probes_in_file` reads them again.

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
    damaged: list[tuple[int, Damage]] = []
    whole_lines = test_reads = 0
    for line in read_placed_lines(folder, has_probes=has_probes, keeps_probes=keeps_probes):
        record = line.content
        if isinstance(record, Damage):
            damaged.append((line.number, record))
            continue
        whole_lines += 1
        test_reads += record.test_correct_count is not None
        precedence = (record.outcome == "failed", line.checksum)
        if record.trial not in chosen or precedence < chosen[record.trial][0]:
            chosen[record.trial] = precedence, record
            if not keeps_probes:
                places[record.trial] = line.offset, line.length
                learnt |= {record.trial: line.learnt} if line.learnt else {}
        if record.outcome == "failed":
            causes.setdefault(record.trial, set()).add(record.cause or "")
    return Journal(
        records={trial: _with_causes(record, causes.get(trial, set())) for trial, (_, record) in chosen.items()},
        damaged=tuple(damaged),
        test_reads=test_reads,
        has_probes=has_probes and keeps_probes,
        state=state,
        places=places,
        learnt=learnt,
        whole_lines=whole_lines,
    )


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


def copy_records(folder: HeldFolder, source: Path, is_wanted: Callable[[TrialRecord], bool]) -> None:
    """Copy records of a source's journal into that of a locked folder, with the source's environments."""
    here = environments_by_id(folder.path)
    others = [record for key, record in environments_by_id(source).items() if key not in here]
    for environment in (*others, *list(here.values())[:1]):  # the folder's latest stays the latest
        write_environment(folder, environment)
    append_lines(folder.file(JOURNAL), new_lines(folder.path, source, is_wanted))


def new_lines(folder: Path, source: Path, is_wanted: Callable[[TrialRecord], bool] | None = None) -> list[bytes]:
    """The records of a source's journal that the folder's does not hold, as lines, each once."""
    present = {_identity(line, record) for line, record in _whole_lines(folder)}
    lines = {
        _identity(line, record): line for line, record in _whole_lines(source) if is_wanted is None or is_wanted(record)
    }
    return [line + b"\n" for identity, line in lines.items() if identity not in present]


def _whole_lines(folder: Path) -> Iterator[tuple[bytes, TrialRecord]]:
    for _, line, content in read_lines(folder):
        if not isinstance(content, Damage):
            yield line, content


def _identity(line: bytes, record: TrialRecord) -> tuple[str, bytes]:
    return record.trial, checksum_of(line)
