"""The program, run as users and scripts run it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import rich

from actbench.cli.app import main
from places import SUPPORT

MADE_UP = SUPPORT / "made_up_training.py"
TINY = """
name: tiny
data: {dataset: digits, train: 120, test: 60}
model: {hidden: [8]}
train: {epochs: 2, batch_size: 32}
vary: {model.activation: [relu, tanh], model.init: [he_normal, xavier_normal]}
seeds: 3
baseline: {model.activation: relu}
"""
ONE_AFTER_ANOTHER = """
import json, sys
from actbench.cli.app import main

for line in json.loads(sys.argv[1]):
    sys.argv = ["actbench", *line]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    for stream in (sys.stdout, sys.stderr):
        print(f"-- exit code {code}", file=stream, flush=True)
"""
END = re.compile(r"-- exit code (\d+)\n")
Finished = subprocess.CompletedProcess[str]


def actbench(
    *arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None, has_data: bool = False
) -> Finished:
    """Run a command line in a folder, in the tests' own process and on one core, which is as if it had its own.

    The data folder that the tests themselves were told is told to it only where `has_data`.
    """
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if not has_data:
            patch.delenv("ACTBENCH_DATA", raising=False)
        for key, value in (environment or {}).items():
            patch.setenv(key, value)
        if hasattr(os, "sched_getaffinity"):
            patch.setattr(os, "sched_getaffinity", lambda process: {0})
        patch.setenv("PYTHONSAFEPATH", "1")  # as the program itself does, for good
        patch.setitem(sys.modules, "rich", rich)  # which completion does without, and all that follows does not
        patch.setattr(sys, "argv", ["actbench", *map(str, arguments)])
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main()
    out, said = (stream.buffer.getvalue().decode() for stream in streams)
    return Finished(sys.argv, ended.value.code or 0, out, said)  # type: ignore[arg-type]


def actbench_alone(*arguments: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> Finished:
    """Run a command line in a process of its own: where imports, streams, cores or encodings matter."""
    command = [sys.executable, "-m", "actbench", *map(str, arguments)]
    variables = {key: value for key, value in os.environ.items() if key != "ACTBENCH_DATA"} | dict(environment or {})
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def actbench_in_turn(lines: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> list[Finished]:
    """Run command lines one after another in a separate process, with only these variables set."""
    finished = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(lines)],
        cwd=folder, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    out, said = (END.split(text.decode(encoding).replace("\r\n", "\n")) for text in (finished.stdout, finished.stderr))
    assert (finished.returncode, len(out), len(said)) == (0, 2 * len(lines) + 1, 2 * len(lines) + 1), (out, said)
    return [Finished(*each) for each in zip(lines, map(int, out[1::2]), out[::2], said[::2], strict=False)]


def assert_one_message(finished: Finished, exit_code: int, *parts: str) -> None:
    """The exit code, nothing on standard output, and a message with these parts instead of a traceback."""
    assert finished.returncode == exit_code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    for part in parts:
        assert part in finished.stderr


def messages(text: str) -> list[str]:
    """The lines of a message without the lines of the file that it shows, which are indented."""
    return [line for line in text.splitlines() if not line.startswith("    ")]
