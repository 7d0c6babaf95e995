"""Reading a journal line by line; a large one is read by several processes."""

from __future__ import annotations

import gc
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import inf
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from actbench.errors import UnusableEnvironmentError
from actbench.experiment import records
from actbench.experiment.records import SCHEMA, TrialRecord
from actbench.plan.trials import by_identity, identity_text, trial_id
from actbench.processes import available_cores, follow_parent, interrupts_held
from actbench.store.files import require_regular_file
from actbench.store.folder import environments_by_id, read_environment, training_code_of
from actbench.store.lines import (
    Damage,
    NewerSchemaError,
    ParsedSettings,
    checksum_of,
    fields_of,
    parse_line,
    parsed_settings,
    parts,
    raw_lines,
    record_of,
)
from actbench.store.names import JOURNAL
from actbench.version import __version__

VERSION = re.compile(r"\d[\w.+]{0,30}")
BLOCK_BYTES = 8 * 1024 * 1024
MANY_BYTES = 4 * BLOCK_BYTES  # takes about a second in one process

T = TypeVar("T")
RawLine = tuple[int, int, bytes]
Line = tuple[int, bytes, TrialRecord | Damage]
Check = Callable[[TrialRecord | Damage], TrialRecord | Damage]


class PlacedLine(NamedTuple):
    """A line and where it is, without its bytes; `learnt` are the parameters that its probes have learnt."""

    number: int
    offset: int
    length: int
    checksum: bytes
    content: TrialRecord | Damage
    learnt: tuple[str, ...] = ()


class Block(NamedTuple):
    """What another process has read: the number of lines, distinct settings, and each line that is not empty.

    Of a record it has number, offset, length, checksum, learnt parameters and fields, else the bytes instead of fields.
    """

    line_count: int
    settings: list[bytes]
    lines: list[tuple[int, int, int, bytes, tuple[str, ...], dict[str, Any] | bytes]]


def read_lines(folder: Path, *, has_probes: bool = True) -> Iterator[Line]:
    """Every line of the journal that is not empty: its number, its bytes, and its record or what is wrong with it.

    A line in which several have run together counts as these, one of more than 256 MiB as parts of this length. Raises
    `UnusableEnvironmentError` where the journal cannot be read or was written by a newer version.
    """
    contents = _contents(folder, raw_lines(folder / JOURNAL), ParsedSettings(), _checker(folder), has_probes=has_probes)
    return ((number, line, content) for number, _, line, content in _explained(folder, contents))


def read_placed_lines(folder: Path, *, has_probes: bool, keeps_probes: bool) -> Iterator[PlacedLine]:
    """The same without the bytes; probes are checked if `has_probes`, and then left out unless `keeps_probes`."""
    return _explained(folder, _placed_lines(folder, has_probes=has_probes, keeps_probes=has_probes and keeps_probes))


def _placed_lines(folder: Path, *, has_probes: bool, keeps_probes: bool) -> Iterator[PlacedLine]:
    path, parsed, check = folder / JOURNAL, ParsedSettings(), _checker(folder)
    with _uncollected(), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if keeps_probes or size < MANY_BYTES or not can_fork():
            for one in _contents(folder, raw_lines(path), parsed, check, has_probes=has_probes):
                yield _placed(*one, keeps_probes=keeps_probes)
            return
        opened = Path(f"/proc/self/fd/{file.fileno()}")  # the same file in every process, whatever is at the path then
        first = 0
        for block in read_blocks(partial(_read_block, folder, opened, has_probes), range(0, size, BLOCK_BYTES)):
            shared = [parsed_settings(settings, parsed)[0] for settings in block.settings]
            for number, offset, length, checksum, learnt, fields in block.lines:
                if isinstance(fields, dict):
                    record = record_of(fields, shared[fields["settings"]])
                    yield PlacedLine(first + number, offset, length, checksum, record, learnt)
                    continue
                raw = [(first + number, offset, fields)]
                for one in _contents(folder, raw, parsed, check, has_probes=has_probes):
                    yield _placed(*one, keeps_probes=False)
            first += block.line_count


def can_fork() -> bool:
    """Whether this process may be forked: it has one thread, as before torch or a notebook is at work, and cores."""
    return sys.platform == "linux" and available_cores() > 1 and len([*Path("/proc/self/task").iterdir()]) == 1


def read_blocks(read: Callable[[int, float], Block], starts: range) -> Iterator[Block]:
    """The blocks of a file that begin there, in their order, each read by one of several forked processes."""
    spans = [*zip(starts, (*starts[1:], inf), strict=True)]
    fork, count = get_context("fork"), min(available_cores(), len(spans))
    connections: list[Connection] = []
    with ExitStack() as stack:
        with interrupts_held():
            for first in range(count):
                ours, theirs = fork.Pipe(duplex=False)
                process = fork.Process(target=_send_blocks, args=(theirs, read, spans[first::count]), daemon=True)
                process.start()
                stack.callback(process.join)
                stack.callback(process.kill)
                theirs.close()
                connections.append(stack.enter_context(ours))
        for number, span in enumerate(spans):
            try:
                block = connections[number % count].recv()
            except (EOFError, OSError):  # its process was killed, perhaps for its memory or while it was sending
                block = read(*span)
            yield block


def _send_blocks(
    connection: Connection, read: Callable[[int, float], Block], spans: Iterable[tuple[int, float]]
) -> None:
    """As a forked process: end with the program, and handle no signal as it does."""
    follow_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with suppress(OSError, MemoryError):  # the program reads what it does not get
        for span in spans:
            connection.send(read(*span))


def _read_block(folder: Path, journal: Path, has_probes: bool, start: int, end: float) -> Block:
    """Lines that are no records go back as bytes, so that one place explains damage and newer schemas."""
    parsed, check, number = ParsedSettings(), _checker(folder), 0
    places: dict[int, int] = {}
    lines: list[Any] = []
    for number, offset, line in raw_lines(journal, start, end):
        record = _record_of(line, parsed, check, has_probes=has_probes) if line else None
        if len(parsed) > len(places):
            places[id(next(reversed(parsed.values()))[0])] = len(places)
        if record is not None and (settings := places.get(id(record.settings))) is not None:
            fields = fields_of(record, settings)
            lines.append((number, offset, len(line), checksum_of(line), _learnt_in(record), fields))
        elif line:
            lines.append((number, offset, len(line), b"", (), line))
    return Block(number, [*parsed], lines)


def _record_of(line: bytes, parsed: ParsedSettings, check: Check, *, has_probes: bool) -> TrialRecord | None:
    try:
        content = check(parse_line(line, parsed, has_probes=has_probes))
    except NewerSchemaError:
        return None
    return content if isinstance(content, TrialRecord) else None


def _placed(number: int, offset: int, line: bytes, content: TrialRecord | Damage, *, keeps_probes: bool) -> PlacedLine:
    learnt: tuple[str, ...] = ()
    if not keeps_probes and isinstance(content, TrialRecord):
        learnt = _learnt_in(content)
        content.__dict__["probes"] = ()  # in place: each copy by pydantic would hold another set of field names
    return PlacedLine(number, offset, len(line), checksum_of(line), content, learnt)


def _learnt_in(record: TrialRecord) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for probe in record.probes for name in probe.learnt))


def _contents(
    folder: Path, lines: Iterable[RawLine], parsed: ParsedSettings, check: Check, *, has_probes: bool
) -> Iterator[tuple[int, int, bytes, TrialRecord | Damage]]:
    """Each line, or each record in it, with what it holds."""
    for number, offset, line in lines:
        try:
            content = parse_line(line, parsed, has_probes=has_probes)
            for part in [line] if isinstance(content, TrialRecord) else parts(line):
                content = content if part is line else parse_line(part, parsed, has_probes=has_probes)
                yield number, offset + (0 if part is line else line.index(part)), part, check(content)
        except NewerSchemaError as newer:
            raise UnusableEnvironmentError(
                f"{folder / JOURNAL}:{number}: written by a newer actbench (schema {newer.schema}, and {__version__} "
                f"reads up to {SCHEMA}): upgrade to {_writer(folder)} with pip install --upgrade actbench"
            ) from None


def _explained(folder: Path, lines: Iterator[T]) -> Iterator[T]:
    """The lines, none where there is no journal; raises `UnusableEnvironmentError` where it cannot be read."""
    try:
        require_regular_file(folder / JOURNAL)
        yield from lines
    except FileNotFoundError:
        return
    except OSError as problem:
        raise UnusableEnvironmentError(f"{folder / JOURNAL}: cannot be read ({problem.strerror})") from None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Read without a garbage collector, which takes a fifth of the time and finds no cycles in records."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def _checker(folder: Path) -> Check:
    """A function that gives a record unless its settings, seed and phase are those of another trial than it names."""
    versions, text_of = _possible_versions(folder), by_identity(identity_text)

    def check(content: TrialRecord | Damage) -> TrialRecord | Damage:
        if isinstance(content, Damage):
            return content
        text, seed, phase, named = text_of(content.settings), content.seed, content.phase, content.trial
        for version in versions:
            if trial_id(text, seed, phase, version) == named:
                return content
        return Damage(f"its settings or its seed are not those of the trial {content.trial} that it names")

    return check


def _possible_versions(folder: Path) -> list[int]:
    """The versions of the training code that may have named the folder's trials, the likeliest first.

    All versions up to this one are among them, so that a wrong environment record makes no record wrong.
    """
    named = map(training_code_of, environments_by_id(folder).values())
    return list(dict.fromkeys([*filter(None, named), *range(records.TRAINING_CODE_VERSION, 0, -1)]))


def _writer(folder: Path) -> str:
    """The version that last wrote to the folder, if its environment record names one."""
    version = str(read_environment(folder).get("actbench"))
    return f"{version} or later" if VERSION.fullmatch(version) and version != __version__ else "the latest version"
