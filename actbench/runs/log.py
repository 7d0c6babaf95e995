"""The log of a result folder: a line with a time for each event of its runs. Nothing is derived from it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actbench.errors import UnusableEnvironmentError
from actbench.experiment.records import NOT_FINITE, Trial, TrialRecord
from actbench.plan.plan import Plan
from actbench.store.files import Folder, append_lines, file_in, path_of, replace_file, require_regular_file
from actbench.text import counted, first_few, listed, visible

LOG = "run.log"
STARTED = "run started"
MAX_LOG_BYTES = 1024 * 1024
MAX_LINE_LENGTH = 500
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.+)")
TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class RunLog:
    """The log of a run; `tell` gets every line too, with its level of detail (0 to 3)."""

    folder: Folder
    tell: Callable[[str, int], None]

    def write(self, text: str, detail: int = 1) -> None:
        """Add a line; raises `OSError` if it cannot be written."""
        write_log(self.folder, text)
        self.tell(text, detail)

    @contextlib.contextmanager
    def run(self, settings: str, outcome: Callable[[], str]) -> Iterator[None]:
        """Log the start and the end of a run, also an end by an exception; without paths."""
        self.write(f"{STARTED}: {settings}")
        try:
            yield
        except BaseException as stopped:
            reason = (isinstance(stopped, OSError) and stopped.strerror) or type(stopped).__name__
            is_asked = isinstance(stopped, KeyboardInterrupt)
            with contextlib.suppress(OSError, UnusableEnvironmentError):
                self.write("run interrupted" if is_asked else f"run stopped: {reason}", detail=3)
            raise
        self.write(outcome())


@dataclass(frozen=True)
class LogLine:
    """A line of the log, and its time in UTC."""

    time: datetime
    text: str


def write_log(folder: Folder, text: str) -> None:
    """Add a line with the time, unprintable characters escaped; of a long log the older half is dropped.

    Raises `OSError` if it cannot be written.
    """
    path, target = path_of(folder) / LOG, file_in(folder, LOG)
    line = f"{datetime.now(UTC):{TIME}} {visible(text)[:MAX_LINE_LENGTH]}\n".encode(errors="backslashreplace")
    append_lines(target, [line], waits_for_disk=False)
    if path.stat().st_size > MAX_LOG_BYTES:
        kept = path.read_bytes()[-MAX_LOG_BYTES // 2 :]
        replace_file(target, [kept.partition(b"\n")[2]])


def read_log(folder: Path) -> list[LogLine]:
    """The well-formed lines of the log; none if it cannot be read."""
    try:
        require_regular_file(folder / LOG)
        with (folder / LOG).open("rb") as file:
            content = file.read(2 * MAX_LOG_BYTES)
    except OSError:
        return []
    lines = []
    for found in filter(None, map(LINE.fullmatch, content.decode(errors="replace").split("\n"))):
        with contextlib.suppress(ValueError):
            time = datetime.strptime(found[1], TIME).replace(tzinfo=UTC)
            lines.append(LogLine(time, visible(found[2])[:MAX_LINE_LENGTH]))
    return lines


def last_run(lines: list[LogLine]) -> list[LogLine]:
    """The lines of the latest run; none if its start has been dropped."""
    starts = [index for index, line in enumerate(lines) if line.text.startswith(STARTED)]
    return lines[starts[-1] :] if starts else []


MAX_ARMS_NAMED = 4

ArmNames = Mapping[str, str]


def arm_names(plan: Plan) -> dict[str, str]:
    """The arm of each trial by the trial's id; the first of several arms that share it."""
    names: dict[str, str] = {}
    for arm, _, trial in plan.trials_by_arm():
        names.setdefault(trial.id, arm.label())
    return names


def stack_text(stack: Sequence[Trial], names: ArmNames) -> str:
    """`6 trials (relu and tanh; seeds 0 to 2)`."""
    arms = list(dict.fromkeys(names.get(trial.id, trial.id) for trial in stack))
    shown = listed(first_few(arms, MAX_ARMS_NAMED))
    seeds = sorted({trial.seed for trial in stack})
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return f"{counted(len(stack), 'trial')} ({shown}; {stack[0].phase}, {span})"


def finished_texts(
    stack: Sequence[Trial], records: Sequence[TrialRecord], names: ArmNames
) -> Iterator[tuple[str, int]]:
    """A line for a finished stack and for each of its unusable trials, with its level of detail."""
    trained = [record for record in records if record.outcome != "failed"]
    if trained:
        seconds = sum(record.wall_seconds for record in trained)
        yield f"trained {stack_text(stack, names)} in {seconds:.2f} s", 1
    for record in records:
        who = f"{names.get(record.trial, record.trial)}, {record.phase}, seed {record.seed}"
        if record.outcome == "diverged":
            yield f"diverged in epoch {record.diverged_epoch}: {who}: {record.cause or NOT_FINITE}", 1
        elif record.outcome == "failed":
            yield f"failed: {who}: {record.cause}", 0
