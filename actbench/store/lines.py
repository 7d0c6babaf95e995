"""Lines of the journal: a record with its checksum, or why a line is not one."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from actbench.experiment.contradictions import Expected, contradiction, expected_of
from actbench.experiment.records import SCHEMA, Curves, LayerProbe, TrialRecord
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
BUFFER_BYTES = 1024 * 1024  # some hundred lines in each call of the system

PLACE_TEXT = secrets.token_hex(8)  # stands for settings that are read apart; no line can know it
PLACE = f'"{PLACE_TEXT}"'.encode()
FIELDS: dict[type[BaseModel], set[str]] = {
    model: set(model.model_fields) for model in (TrialRecord, Curves, LayerProbe)
}

PROBES_ALONE = TypeAdapter(tuple[LayerProbe, ...])

Model = TypeVar("Model", bound=BaseModel)
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
    """Of a line without its checksum; the same in every schema, so that newer schemas are recognised."""
    return hashlib.sha256(body).hexdigest()[:CHECKSUM_LENGTH]


def checksum_of(line: bytes) -> bytes:
    """The checksum that a whole line ends with."""
    return line[-len('"}') - CHECKSUM_LENGTH : -len('"}')]


def without_line_end(line: bytes) -> bytes:
    """The line as it was written: without its end, which may have become Windows', and an editor's byte order mark."""
    return line.rstrip(b"\r\n").removeprefix(BYTE_ORDER_MARK)


def raw_lines(path: Path, start: int = 0, end: float = inf) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a file that begin from `start` to `end`, numbered from 1, with where their first bytes are.

    Of a longer one than 256 MiB parts of this length.
    """
    number, offset, begins = 0, start, True
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        if start:
            offset = file.seek(start - 1)
            begins = False
        while not begins and offset < end and (piece := file.readline(BUFFER_BYTES)):  # the rest of another's line
            offset += len(piece)
            begins = piece.endswith(b"\n")
        if not begins:
            return
        for piece in iter(partial(file.readline, MAX_LINE_BYTES), b""):
            if begins and offset >= end:
                return
            number += begins
            begins = piece.endswith(b"\n")
            mark = len(BYTE_ORDER_MARK) * piece.startswith(BYTE_ORDER_MARK)
            yield number, offset + mark, without_line_end(piece)
            offset += len(piece)


def parts(line: bytes) -> list[bytes]:
    """A damaged line cut before every place where a record begins: a whole one may have run into another's remains.

    No text inside of a record can look like its beginning, since quotes are escaped there.
    """
    before, *records = line.split(BEGINNING)
    return [part for cut in (before, *(BEGINNING + rest for rest in records)) if (part := without_line_end(cut))]


class _Line(TrialRecord):
    """A record as a line holds it, but for its settings, which many lines share."""

    settings: Any


def parse_line(line: bytes, parsed: ParsedSettings, *, has_probes: bool = True) -> TrialRecord | Damage:
    """The record of a whole line; `parsed` keeps settings, of which few occur in many lines, from call to call.

    Without `has_probes`, layer probes, which are most of a line, are neither kept nor checked. Raises
    `NewerSchemaError` on a whole line in a newer schema.
    """
    tail = TAIL.fullmatch(line[-TAIL_LENGTH:])
    if not tail:
        return Damage("cut short or overwritten: there is no checksum at its end")
    body = line[:-TAIL_LENGTH] + b"}"
    if tail[1].decode() != _checksum(body):
        return Damage("changed: its checksum does not fit")
    schema = SCHEMA_FIRST.match(body)
    if schema and int(schema[1]) > SCHEMA:
        raise NewerSchemaError(int(schema[1]))
    try:
        record, expected = _record(body, parsed, has_probes=has_probes)
    except ValidationError as invalid:
        problem = invalid.errors(include_url=False)[0]
        return _no_record(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}")
    except ValueError as invalid:
        return _no_record(str(invalid))
    if not schema or record.schema_version != int(schema[1]) or record.schema_version < 1:
        return _no_record("it does not begin with its schema")
    reason = contradiction(record, expected)
    return _no_record(reason) if reason else record


def _no_record(reason: str) -> Damage:
    return Damage(f"not a record, although its checksum fits: {reason}"[:MAX_REASON_LENGTH])


def _record(body: bytes, parsed: ParsedSettings, *, has_probes: bool) -> tuple[TrialRecord, Expected]:
    """Read JSON without NaN or infinities; settings that were read before are shared, which is most of the time."""
    head = UP_TO_SETTINGS.match(body)
    end = body.find(AFTER_SETTINGS, head.end()) if head else -1
    if head is None or end < 0:
        record = TrialRecord.model_validate_json(body if has_probes else _without_probes(body))
        return record, expected_of(record.settings)
    settings, rest = body[head.end() : end], body[end:]
    line = _Line.model_validate_json(body[: head.end()] + PLACE + (rest if has_probes else _without_probes(rest)))
    if line.settings != PLACE_TEXT:
        raise ValueError("settings: given twice")
    shared, expected = parsed_settings(settings, parsed)
    for part in (line.curves, *line.probes):
        object.__setattr__(part, "__pydantic_fields_set__", FIELDS[type(part)])
    line.__dict__["settings"] = shared
    return construct_unchecked(TrialRecord, line.__dict__), expected


def parsed_settings(settings: bytes, parsed: ParsedSettings) -> tuple[TrialSettings, Expected]:
    """The settings that a line holds, read once for many lines."""
    if settings not in parsed:
        read = TrialSettings.model_validate_json(settings)
        parsed[settings] = read, expected_of(read)
    return parsed[settings]


def construct_unchecked(model: type[Model], fields: dict[str, Any]) -> Model:
    """What has these values; the names of fields that were given, a third of its memory, are shared by all."""
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", FIELDS[model])
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


def fields_of(record: TrialRecord, settings: int) -> dict[str, Any]:
    """A record without probes for another process, which takes a fifth of the time of the record itself."""
    return record.__dict__ | {"settings": settings, "curves": record.curves.__dict__, "probes": ()}


def record_of(fields: dict[str, Any], settings: TrialSettings) -> TrialRecord:
    """The record of `fields_of`, checked there, with its settings."""
    fields["settings"], fields["curves"] = settings, construct_unchecked(Curves, fields["curves"])
    return construct_unchecked(TrialRecord, fields)


def probes_of_line(line: bytes) -> tuple[LayerProbe, ...]:
    """The layer probes alone of a line that was read before; raises `ValueError` where it is another now."""
    if _checksum(line[:-TAIL_LENGTH] + b"}").encode() != checksum_of(line):
        raise ValueError("its checksum does not fit")
    start = line.find(PROBES)
    if start < 0:
        return ()
    start += len(PROBES) - 1
    return PROBES_ALONE.validate_json(line[start : line.index(b"]", start) + 1])


def _without_probes(body: bytes) -> bytes:
    """The line with an empty list of probes: no text can look like its name, since quotes are escaped there."""
    start = body.find(PROBES)
    end = body.find(b"]", start)
    return body if start < 0 or end < 0 else body[: start + len(PROBES)] + body[end:]
