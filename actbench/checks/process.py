"""Checks of custom functions in a separate process with a time limit.

Custom functions may print, sleep, start threads or end their process; none of that reaches this process, its output or
its exit code. The child answers over its standard output, one JSON list a line: `["entry"]` before an entry, `["ask",
check]` before a check, `["answer", check, outcome, reason]` after it.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from actbench.catalogue.custom_files import CustomFile, files_in_use, load_custom_file
from actbench.checks.outcomes import Check, Examination
from actbench.errors import ConfigurationError
from actbench.experiment.choices import Choice, parse_choice

START_SECONDS, CHECK_SECONDS = 600.0, 60.0
CHILD = "from actbench.checks.process import answer_parent; answer_parent()"

Messages = queue.Queue[list[Any] | None]


def examine_apart(
    choices: Sequence[Choice], *, measures_cost: bool = True, check_seconds: float = CHECK_SECONDS
) -> list[Examination]:
    """The checks of custom functions, each in at most `check_seconds`.

    A function that ends the process or takes longer is refused; its remaining checks are left out, and the others are
    checked in a new process.
    """
    examinations: list[Examination] = []
    while len(examinations) < len(choices):
        remaining = choices[len(examinations) :]
        with _child(remaining, measures_cost=measures_cost) as (process, messages):
            checks = _answers(process, messages, check_seconds)
        examinations += [Examination(*pair) for pair in zip(remaining, checks, strict=False)]
    return examinations


def require_passed(choices: Iterable[Choice]) -> None:
    """Raise `ConfigurationError` with every refusal if a custom function does not pass its checks."""
    lines = [
        f"{examination.choice.entry.place()}: {examination.choice.kind} {examination.choice} is refused: "
        f"{check.name}: {check.reason}"
        for examination in examine_apart(list(choices), measures_cost=False)
        for check in examination.refusals()
    ]
    if lines:
        raise ConfigurationError("\n".join([*lines, "Nothing was trained; `actbench check FILE` shows every check."]))


def _answers(process: subprocess.Popen[bytes], messages: Messages, check_seconds: float) -> list[tuple[Check, ...]]:
    """The checks of each entry, up to the first that gets no answer."""
    entries: list[list[Check]] = []
    asked, seconds = "start", START_SECONDS
    while True:
        try:
            message = messages.get(timeout=seconds)
        except queue.Empty:
            failure = f"takes longer than {seconds:g} s"
            break
        match message:
            case ["entry"]:
                entries.append([])
            case ["ask", str(name)]:
                asked = name
            case ["answer", str(name), "pass" | "refused" | "note" | "skipped" as outcome, str(reason)]:
                entries[-1].append(Check(name, outcome, reason))
            case ["end"]:
                return list(map(tuple, entries))
            case _:
                process.kill()
                failure = f"ends the process that checks it, with exit code {process.wait()}"
                break
        seconds = check_seconds
    entries = entries or [[]]
    entries[-1].append(Check(asked, "refused", failure))
    return list(map(tuple, entries))


@contextmanager
def _child(choices: Sequence[Choice], *, measures_cost: bool) -> Iterator[tuple[subprocess.Popen[bytes], Messages]]:
    """A process that checks these entries, and what it answers; it ends with this context, or with this process."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    messages: Messages = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, messages), daemon=True).start()
    try:
        with suppress(OSError):  # the queue says that it has ended
            process.stdin.write(_task(choices, measures_cost=measures_cost))
            process.stdin.flush()
        yield process, messages
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):
            process.stdin.close()


def _task(choices: Sequence[Choice], *, measures_cost: bool) -> bytes:
    """What the child has to check, as one JSON line."""
    files = [[file.path, base64.b64encode(file.content).decode(), file.checksum] for file in files_in_use()]
    return json.dumps([files, [[choice.kind, choice.to_yaml()] for choice in choices], measures_cost]).encode() + b"\n"


def _read(stream: IO[bytes], messages: Messages) -> None:
    """Put every line into the queue, and None where the stream ends or holds something else."""
    with stream, suppress(ValueError):
        for line in stream:
            messages.put(json.loads(line))
    messages.put(None)


def answer_parent() -> None:
    """Check the entries that the parent names, as the child process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from actbench.checks.examination import questions_of

    files, choices, measures_cost = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what custom functions print goes to standard error

        def send(*message: str) -> None:
            print(json.dumps(message), file=answers, flush=True)

        for path, content, checksum in files:
            load_custom_file(CustomFile(path, base64.b64decode(content), checksum))
        for kind, spelling in choices:
            send("entry")
            for question in questions_of(parse_choice(kind, spelling), measures_cost=measures_cost):
                send("ask", question.name)
                check = question.answer()
                send("answer", check.name, check.outcome, check.reason)
        send("end")
    os._exit(0)  # without waiting for threads that custom functions have started


def _end_with_parent() -> None:
    """End this process when the parent closes its end of standard input."""
    sys.stdin.buffer.read()
    os._exit(1)
