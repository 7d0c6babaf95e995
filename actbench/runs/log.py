"""The log of a result folder: what its runs did and when, in plain lines; nothing is derived from it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actbench.store.files import append_lines, refuse_endless, replace_file
from actbench.text import visible

LOG = "run.log"
STARTED = "run started"
LARGEST_LOG_BYTES = 1024 * 1024
LONGEST_LINE = 500
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.+)")
TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RunLog:
    """Where a run writes what it does; `tell` is given every line too, with how much of a detail it is (0 to 3)."""

    folder: Path
    tell: Callable[[str, int], None]

    def write(self, text: str, detail: int = 1) -> None:
        """Add a line; raises `OSError` where the disk does not take it."""
        write_log(self.folder, text)
        self.tell(text, detail)

    @contextlib.contextmanager
    def run(self, settings: str, outcome: Callable[[], str]) -> Iterator[None]:
        """Write how a run begins and how it ends, also where something stops it; paths are left out."""
        self.write(f"{STARTED}: {settings}")
        try:
            yield
        except BaseException as stopped:
            with contextlib.suppress(OSError):
                self.write(_why(stopped), detail=3)
            raise
        self.write(outcome())


def _why(stopped: BaseException) -> str:
    if isinstance(stopped, KeyboardInterrupt):
        return "run interrupted"
    reason = stopped.strerror if isinstance(stopped, OSError) else None
    return f"run stopped: {reason or type(stopped).__name__}"


@dataclass(frozen=True)
class LogLine:
    """A line of the log, and its time in UTC."""

    time: datetime
    text: str


def write_log(folder: Path, text: str) -> None:
    """Add a line with the time; where the log has grown long, its older half goes.

    Whatever is not printable in the text is written as an escape. Raises `OSError` where it cannot be written.
    """
    path = folder / LOG
    line = f"{datetime.now(UTC):{TIME}} {visible(text)[:LONGEST_LINE]}\n".encode(errors="backslashreplace")
    append_lines(path, [line], waits_for_disk=False)
    if path.stat().st_size > LARGEST_LOG_BYTES:
        kept = path.read_bytes()[-LARGEST_LOG_BYTES // 2 :]
        replace_file(path, [kept.partition(b"\n")[2]])


def read_log(folder: Path) -> list[LogLine]:
    """The lines of the log, as far as they are such; none where there is no log that can be read."""
    try:
        refuse_endless(folder / LOG)
        with (folder / LOG).open("rb") as file:
            content = file.read(2 * LARGEST_LOG_BYTES)
    except OSError:
        return []
    return list(_parsed(content.decode(errors="replace")))


def _parsed(content: str) -> Iterator[LogLine]:
    for line in content.split("\n"):
        if found := LINE.fullmatch(line):
            try:
                time = datetime.strptime(found[1], TIME).replace(tzinfo=UTC)
            except ValueError:
                continue
            yield LogLine(time, visible(found[2])[:LONGEST_LINE])


def last_run(lines: list[LogLine]) -> list[LogLine]:
    """The lines of the latest run, of which there are none where its beginning is not there any more."""
    starts = [index for index, line in enumerate(lines) if line.text.startswith(STARTED)]
    return lines[starts[-1] :] if starts else []
