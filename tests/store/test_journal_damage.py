"""A journal that was cut, overwritten or edited: only whole records are read, and what is missing is done again."""

from __future__ import annotations

import math
import os
import random
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from actbench.experiment.records import TrialRecord
from actbench.store import reading
from actbench.store.journal import Journal, append_records, read_journal, set_damaged_lines_aside
from actbench.store.lines import Damage
from actbench.store.names import DAMAGED, JOURNAL
from actbench.store.reading import read_lines
from builders import TWO_ACTIVATIONS, experiment_from
from journals import line_of, records_of
from stopwatch import time_limit

FLIPS, OVERWRITTEN = 300, 300
MORE_FLIPS = 3000  # and every third byte to cut at, among the slow tests
MEBIBYTE = 1024 * 1024


@pytest.fixture
def records(tmp_path: Path) -> list[TrialRecord]:
    return records_of(experiment_from(TWO_ACTIVATIONS, tmp_path))


@pytest.fixture
def lines(records: list[TrialRecord]) -> list[bytes]:
    return [line_of(record) for record in records]


@pytest.fixture
def real_lines(tiny: Path) -> list[bytes]:
    """The first lines of a journal that a training has left."""
    return (tiny / "results" / "tiny" / JOURNAL).read_bytes().splitlines(keepends=True)[:4]


@pytest.fixture
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def read(folder: Path) -> list[TrialRecord]:
    return list(read_journal(folder).records.values())


def journal_of(folder: Path, content: bytes) -> Path:
    """Written in place: emptying or replacing a file makes some disks wait."""
    path = folder / JOURNAL
    path.touch()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    return path


def put(path: Path, position: int, byte: int) -> None:
    """Change one byte of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(bytes([byte]))


def parsed(folder: Path, lines: Sequence[bytes]) -> list[TrialRecord]:
    """The records of lines that are known to be whole."""
    journal_of(folder, b"".join(lines))
    found = read(folder)
    assert len(found) == len(lines)
    return found


@pytest.mark.usefixtures("_unsynced")
@pytest.mark.parametrize("step", [13, pytest.param(3, marks=pytest.mark.slow)])
def test_a_real_journal_cut_at_any_byte_opens_with_the_whole_records_before_the_cut_and_takes_exactly_one_more(
    step: int, tmp_path: Path, real_lines: list[bytes]
) -> None:
    *before, last = parsed(tmp_path, real_lines)
    whole = b"".join(real_lines[:-1])
    ends = [len(b"".join(real_lines[: number + 1])) - 1 for number in range(len(before))]
    path = journal_of(tmp_path, whole)
    line_ends = {0, *ends, *(end + 1 for end in ends), len(whole)}
    for cut in sorted({*range(0, len(whole), step), *line_ends}, reverse=True):
        os.truncate(path, cut)
        complete = before[: sum(cut >= end for end in ends)]
        assert read(tmp_path) == complete, cut
        append_records(tmp_path, [last])
        again = read_journal(tmp_path)
        assert list(again.records.values()) == [*complete, last], cut
        assert again.damaged_lines == (cut not in {0, *ends, *(end + 1 for end in ends)}), cut
    assert len(whole) > 3000


@pytest.mark.usefixtures("_unsynced")
@pytest.mark.parametrize("flips", [FLIPS, pytest.param(MORE_FLIPS, marks=pytest.mark.slow)])
def test_a_flipped_bit_never_gives_a_wrong_record_and_what_it_cost_is_done_again(
    flips: int, tmp_path: Path, real_lines: list[bytes]
) -> None:
    records = {record.trial: record for record in parsed(tmp_path, real_lines)}
    content, generator = b"".join(real_lines), random.Random(7)
    path = journal_of(tmp_path, content)
    for number in range(flips):
        position, bit = generator.randrange(len(content)), 1 << generator.randrange(8)
        put(path, position, content[position] ^ bit)
        left = read_journal(tmp_path)
        assert left.records.items() <= records.items(), (position, bit)
        assert len(records) - len(left.records) == 1, (position, bit)
        assert left.damaged_lines > 0
        if number % 30 == 0:
            assert set_damaged_lines_aside(tmp_path) == left.damaged_lines
            append_records(tmp_path, [record for trial, record in records.items() if trial not in left.records])
            assert read_journal(tmp_path) == Journal(left.records | records, (), len(records))
            journal_of(tmp_path, content)
        put(path, position, content[position])


@pytest.mark.usefixtures("_unsynced")
def test_any_bytes_written_over_any_place_never_give_a_wrong_record(tmp_path: Path, real_lines: list[bytes]) -> None:
    records = {record.trial: record for record in parsed(tmp_path, real_lines)}
    content, generator = b"".join(real_lines), random.Random(11)
    for number in range(OVERWRITTEN):
        start = generator.randrange(len(content))
        length = generator.choice((1, 2, 16, 512, 4096))
        foreign = generator.choice((bytes(length), generator.randbytes(length), b"\n" * length, content[:length], b""))
        journal_of(tmp_path, content[:start] + foreign + content[start + generator.choice((0, length)) :])
        assert read_journal(tmp_path).records.items() <= records.items()
        if number % 30 == 0:
            set_damaged_lines_aside(tmp_path)
            left = read_journal(tmp_path)
            assert (left.damaged_lines, left.records.items() <= records.items()) == (0, True)


Change = Callable[[list[bytes]], bytes]
HARMLESS: dict[str, Change] = {
    "CRLF": lambda lines: b"".join(lines).replace(b"\n", b"\r\n"),
    "byte order mark": lambda lines: b"\xef\xbb\xbf" + b"".join(lines),
    "byte order marks of files put together": lambda lines: b"".join(b"\xef\xbb\xbf" + line for line in lines),
    "doubled lines": lambda lines: b"".join(line * 2 for line in lines),
    "everything twice": lambda lines: b"".join(lines * 2),
    "empty lines": lambda lines: b"\n\r\n\n".join(lines) + b"\n\n",
    "a lost line end": lambda lines: lines[0][:-1] + b"".join(lines[1:]),
    "all line ends lost": lambda lines: b"".join(lines).replace(b"\n", b""),
    "lines ended as on old Macs": lambda lines: b"".join(lines).replace(b"\n", b"\r"),
    "no last line end": lambda lines: b"".join(lines)[:-1],
}
DAMAGING: dict[str, tuple[Change, set[int], int]] = {
    "zeros at the end": (lambda lines: b"".join(lines) + bytes(4096), set(), 1),
    "zeros at the start": (lambda lines: bytes(4096) + b"".join(lines), set(), 1),
    "zeros instead of a part": (
        lambda lines: lines[0] + lines[1][:100] + bytes(512) + lines[1][612:] + b"".join(lines[2:]), {1}, 1,
    ),
    "zeros instead of a line end": (lambda lines: lines[0][:-1] + b"\0" + b"".join(lines[1:]), {0}, 1),
    "the beginning of a line before another": (lambda lines: lines[0][:-40] + b"".join(lines[1:]), {0}, 1),
    "a line inside of another": (
        lambda lines: lines[0][:99] + lines[1] + lines[0][99:] + b"".join(lines[2:]), {0}, 2,
    ),
    "a lost piece across lines": (lambda lines: lines[0][:-40] + lines[1][40:] + b"".join(lines[2:]), {0, 1}, 1),
    "invalid UTF-8": (lambda lines: b"".join([lines[0].replace(b"done", b"d\xffne"), *lines[1:]]), {0}, 1),
    "a byte order mark inside": (lambda lines: b"".join([lines[0][:9] + b"\xef\xbb\xbf" + lines[0][9:], *lines[1:]]),
                                 {0}, 1),
    "a line end inside": (lambda lines: b"".join([lines[0][:99] + b"\n" + lines[0][99:], *lines[1:]]), {0}, 2),
    "blanks": (lambda lines: b"   \n\t\n" + b"".join(lines), set(), 2),
    "another file": (lambda lines: b"PK\x03\x04" + random.Random(3).randbytes(9000).replace(b"\n", b"") + b"\n" +
                     b"".join(lines), set(), 1),
    "UTF-16": (lambda lines: b"".join(lines).decode().replace("\n", "").encode("utf-16"), {0, 1, 2, 3, 4, 5}, 1),
    "a very long line": (lambda lines: b"".join([*lines[:3], b"x" * 32 * MEBIBYTE, b"\n", *lines[3:]]), set(), 1),
    "a very long line of a record's form": (
        lambda lines: b"".join([lines[0].replace(b'"cpu"', b'"' + b"c" * 32 * MEBIBYTE + b'"'), *lines[1:]]), {0}, 1,
    ),
    "a very long last line": (lambda lines: b"".join([*lines, bytes(32 * MEBIBYTE)]), set(), 1),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * ("very long" in one)) for one in (*HARMLESS, *DAMAGING)]
)
def test_blocks_of_any_length_hold_what_the_whole_file_holds(
    name: str, tmp_path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = HARMLESS.get(name) or DAMAGING[name][0]
    path = journal_of(tmp_path, change([lines[-1][:40] + b"\n", *lines]))

    def found() -> tuple[Journal, int]:
        journal = read_journal(tmp_path, keeps_probes=False)
        assert list(journal.places) == list(journal.records)
        return journal, journal.whole_lines

    whole, size = found(), path.stat().st_size
    monkeypatch.setattr(reading, "MANY_BYTES", 0)
    monkeypatch.setattr(reading, "can_fork", lambda: True)
    monkeypatch.setattr(reading, "read_blocks", lambda read, starts: map(read, starts, [*starts[1:], math.inf]))
    for length in (size // 2, size // 7, *((size // 500,) if size > MEBIBYTE else (len(lines[0]), 97))):
        monkeypatch.setattr(reading, "BLOCK_BYTES", length)
        assert found() == whole


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_editors_and_copying_do_to_lines_is_no_damage(
    change: Change, tmp_path: Path, records: list[TrialRecord], lines: list[bytes]
) -> None:
    path = journal_of(tmp_path, change(lines))
    found = read_journal(tmp_path)
    assert (list(found.records.values()), found.damaged_lines) == (records, 0)
    assert set_damaged_lines_aside(tmp_path) == 0
    assert path.read_bytes() == change(lines)


@pytest.mark.usefixtures("_unsynced")
@pytest.mark.parametrize(("change", "lost", "damaged"), DAMAGING.values(), ids=DAMAGING)
def test_damage_costs_the_lines_it_is_in_which_are_counted_set_aside_and_done_again(
    change: Change, lost: set[int], damaged: int, tmp_path: Path, records: list[TrialRecord], lines: list[bytes]
) -> None:
    whole = [record for index, record in enumerate(records) if index not in lost]
    content = change(lines)
    path = journal_of(tmp_path, content)
    found = read_journal(tmp_path)
    assert (list(found.records.values()), found.damaged_lines) == (whole, damaged)
    assert set_damaged_lines_aside(tmp_path) == damaged
    assert path.read_bytes() == b"".join(line for index, line in enumerate(lines) if index not in lost)
    aside = (tmp_path / DAMAGED).read_bytes()
    assert len(aside.splitlines()) >= damaged
    assert len(content.translate(None, b"\r\n")) == len((aside + path.read_bytes()).translate(None, b"\r\n"))
    append_records(tmp_path, [record for index, record in enumerate(records) if index in lost])
    again = read_journal(tmp_path)
    assert sorted(again.records.values(), key=records.index) == records
    assert again.damaged_lines == 0


def test_lines_that_are_set_aside_later_are_added_to_those_before(tmp_path: Path, lines: list[bytes]) -> None:
    for number in (1, 2):
        journal_of(tmp_path, lines[0] + b"damage %d\n" % number)
        assert set_damaged_lines_aside(tmp_path) == 1
    assert (tmp_path / DAMAGED).read_bytes() == b"damage 1\ndamage 2\n"


def test_reading_takes_no_more_memory_than_a_line_whatever_the_file_holds(
    tmp_path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actbench.store.lines.MAX_LINE_BYTES", MEBIBYTE)
    journal_of(tmp_path, lines[0] + bytes(48 * MEBIBYTE) + b"\n" + lines[1])
    tracemalloc.start()
    with time_limit(5):
        found = read_journal(tmp_path)
        set_aside = set_damaged_lines_aside(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.records) == 2
    assert found.damaged_lines == set_aside == 48
    assert peak < 16 * MEBIBYTE
    assert (tmp_path / JOURNAL).read_bytes() == lines[0] + lines[1]


def test_every_damaged_line_has_its_number_and_a_reason(tmp_path: Path, lines: list[bytes]) -> None:
    journal_of(tmp_path, b"\n".join([lines[0], lines[1][:70], lines[2].replace(b"done", b"gone")]))
    found = [(number, content.reason) for number, _, content in read_lines(tmp_path) if isinstance(content, Damage)]
    assert found == [
        (3, "cut short or overwritten: there is no checksum at its end"),
        (4, "changed: its checksum does not fit"),
    ]


def test_a_journal_that_is_not_there_or_empty_holds_nothing(tmp_path: Path) -> None:
    assert read_journal(tmp_path) == Journal({}, (), 0)
    journal_of(tmp_path, b"")
    assert read_journal(tmp_path) == Journal({}, (), 0)
    assert set_damaged_lines_aside(tmp_path) == 0
