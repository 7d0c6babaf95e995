"""The program run in the tests' own process, where hundreds of command lines are to be tried."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from actbench.cli.app import app


@dataclass(frozen=True)
class Answer:
    """What a command line came to."""

    exit_code: int
    stdout: str
    stderr: str


def invoke(*arguments: str | Path) -> Answer:
    """Run a command line in the current folder; whatever would be a traceback is raised."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
