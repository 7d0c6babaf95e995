"""A line of the journal: a record with its checksum, or what is wrong with a line that is none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from actbench.experiment.contradictions import Expected, contradictions, expected_of
from actbench.experiment.records import SCHEMA, TrialRecord
from actbench.experiment.settings import TrialSettings

CHECKSUM_LENGTH = 16
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TAIL_LENGTH = len(',"checksum":""}') + CHECKSUM_LENGTH
TAIL = re.compile(rb',"checksum":"([0-9a-f]{16})"\}')
BEGINNING = b'{"schema":'
SCHEMA_FIRST = re.compile(rb'\{"schema":([0-9]{1,9}),')
UP_TO_SETTINGS = re.compile(
    rb'\{"schema":[0-9]{1,9},"trial":"\w{1,64}","phase":"\w{1,16}","seed":[0-9]{1,20},"settings":'
)
AFTER_SETTINGS = b',"outcome":'
PROBES = b'"probes":['
MAX_LINE_BYTES = 256 * 1024 * 1024
MAX_REASON_LENGTH = 200

ParsedSettings = dict[bytes, tuple[TrialSettings, Expected]]


@dataclass(frozen=True)
class Damage:
    """Why a line is no record."""

    reason: str


class NewerSchemaError(Exception):
    """A whole line in a schema that this version of actbench does not know."""

    def __init__(self, schema: int) -> None:
        super().__init__(schema)
        self.schema = schema


def journal_line(record: TrialRecord) -> str:
    """One record as a line of JSON with its schema first and its checksum last."""
    body = record.model_dump_json()
    return f'{body[:-1]},"checksum":"{_checksum(body.encode())}"}}\n'


def _checksum(body: bytes) -> str:
    """Of a line before its checksum was added; it has to stay as it is in every schema, for newer ones to be told."""
    return hashlib.sha256(body).hexdigest()[:CHECKSUM_LENGTH]


def checksum_of(line: bytes) -> bytes:
    """The checksum that a whole line ends with."""
    return line[-len('"}') - CHECKSUM_LENGTH : -len('"}')]


def without_line_end(line: bytes) -> bytes:
    """The line as it was written: without its end, which may have become Windows', and an editor's byte order mark."""
    return line.rstrip(b"\r\n").removeprefix(BYTE_ORDER_MARK)


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not empty, with their numbers; of a longer one than 256 MiB parts of this length."""
    number, begins = 0, True
    with path.open("rb") as file:
        for piece in iter(partial(file.readline, MAX_LINE_BYTES), b""):
            number += begins
            begins = piece.endswith(b"\n")
            if line := without_line_end(piece):
                yield number, line


def parts(line: bytes) -> list[bytes]:
    """A damaged line cut before every place where a record begins: a whole one may have run into another's remains.

    No text inside of a record can look like its beginning, since quotes are escaped there.
    """
    before, *records = line.split(BEGINNING)
    return [part for cut in (before, *(BEGINNING + rest for rest in records)) if (part := without_line_end(cut))]


def parse_line(line: bytes, parsed: ParsedSettings, *, has_probes: bool = True) -> TrialRecord | Damage:
    """The record of a whole line; `parsed` keeps settings, of which few occur in many lines, from call to call.

    Without `has_probes`, layer probes, which are most of a line, are neither kept nor checked. Raises
    `NewerSchemaError` on a whole line in a newer schema.
    """
    found = TAIL.fullmatch(line[-TAIL_LENGTH:])
    if not found:
        return Damage("cut short or overwritten: there is no checksum at its end")
    body = line[:-TAIL_LENGTH] + b"}"
    if found[1].decode() != _checksum(body):
        return Damage("changed: its checksum does not fit")
    schema = SCHEMA_FIRST.match(body)
    if schema and int(schema[1]) > SCHEMA:
        raise NewerSchemaError(int(schema[1]))
    try:
        record, expected = _record(body if has_probes else _without_probes(body), parsed)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False)[0]
        return _no_record(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    except ValueError as invalid:
        return _no_record(str(invalid))
    if not schema or record.schema_version != int(schema[1]) or record.schema_version < 1:
        return _no_record("it does not begin with its schema")
    contradiction = next(contradictions(record, expected), None)
    return _no_record(contradiction) if contradiction else record


def _no_record(reason: str) -> Damage:
    return Damage(f"not a record, although its checksum fits: {reason}"[:MAX_REASON_LENGTH])


def _without_probes(body: bytes) -> bytes:
    """The line with an empty list of probes: no text can look like its name, since quotes are escaped there."""
    before, name, rest = body.partition(PROBES)
    return before + name + rest[rest.find(b"]") :] if name and b"]" in rest else body


def _record(body: bytes, parsed: ParsedSettings) -> tuple[TrialRecord, Expected]:
    """Read JSON without NaN or infinities; settings that were read before are shared, which is most of the time."""
    head = UP_TO_SETTINGS.match(body)
    end = body.find(AFTER_SETTINGS, head.end()) if head else -1
    if head is None or end < 0:
        from_json(body, allow_inf_nan=False)
        record = TrialRecord.model_validate_json(body)
        return record, expected_of(record.settings)
    settings = body[head.end() : end]
    rest = from_json(body[: head.end()] + b"null" + body[end:], allow_inf_nan=False)
    if rest["settings"] is not None:
        raise ValueError("settings: given twice")
    if settings not in parsed:
        read = TrialSettings.model_validate_json(settings)
        parsed[settings] = read, expected_of(read)
    shared, expected = parsed[settings]
    return TrialRecord.model_validate({**rest, "settings": shared}), expected
